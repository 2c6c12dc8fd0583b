import { describe, expect, it, vi } from "vitest";
import { type ByteSource, readerOf } from "../../../src/codec/byte_source.ts";
import { type PrepareBodyOptions, type PreparedBody, prepareBody } from "../../../src/http/call/request_body.ts";
import type { Spool } from "../../../src/http/call/spool.ts";
import { type ByteReader, FastCgiHttpClient } from "../../../src/toolkit.ts";
import { latin1 } from "../../support/bytes.ts";
import { closingClients } from "../../support/closing_clients.ts";
import { pass, useFakeTime } from "../../support/fake_time.ts";
import { deferred, OpenStream } from "../../support/open_stream.ts";
import { patternBytes, patternChunks } from "../../support/pattern.ts";
import { answer, ScriptedConnector } from "../../support/scripted_application.ts";
import { isSettled, streamOf } from "../../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const closing = closingClients();

/** A spool in memory that says what was done with it. */
class MemorySpool implements Spool {
  readonly pieces: Uint8Array[] = [];
  closed = 0;
  failure: Error | null = null;

  async write(bytes: Uint8Array): Promise<void> {
    if (this.failure !== null) throw this.failure;
    this.pieces.push(bytes);
  }

  read(): ByteReader {
    const pieces = [...this.pieces];
    return {
      read: async () => {
        if (this.failure !== null) throw this.failure;
        const value = pieces.shift();
        return value === undefined ? { done: true } : { done: false, value };
      },
      cancel: () => this.close(),
    };
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

/** A client of an application that answers when the test says so, with `spool` for bodies. */
function clientWith(spool: Spool, answered: Promise<void>): FastCgiHttpClient {
  const connector = new ScriptedConnector(async (application) => {
    const { requestId } = (await application.request())!;
    await answered;
    await application.send(answer(requestId, "\r\nanswer"));
  });
  return closing(new FastCgiHttpClient(connector, { openSpool: async () => spool, maxBufferedRequestBytes: 1 }));
}

function limits(openSpool: Spool | Error | PrepareBodyOptions["openSpool"]): PrepareBodyOptions {
  return {
    requestBuffering: "collect",
    maxBufferedRequestBytes: 1000,
    maxSpooledRequestBytes: 500_000,
    requestBodyTimeout: Number.POSITIVE_INFINITY,
    openSpool:
      typeof openSpool === "function"
        ? openSpool
        : async (): Promise<Spool> => {
            if (openSpool instanceof Error) throw openSpool;
            return openSpool!;
          },
  };
}

function post(body: ReadableStream<unknown>, init: RequestInit = {}): Request {
  return new Request("http://example.com/", { method: "POST", body, duplex: "half", ...init } as RequestInit);
}

async function bytesOf({ source }: PreparedBody): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const reader = readerOf(source as Exclude<ByteSource, Uint8Array>);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(pieces);
    pieces.push(value!);
  }
}

const never = new Promise<never>(() => {});

describe("prepareBody with a spool", () => {
  it("prepareBody gives a body out of the spool as often as it is read, also when it was read in part", async () => {
    const spool = new MemorySpool();
    const body = await prepareBody(post(streamOf(...patternChunks(3000, 100))), limits(spool));
    const reader = readerOf(body.source as Exclude<ByteSource, Uint8Array>);
    await reader.read();
    await reader.cancel("The connection was closed");
    for (let time = 0; time < 2; time++) expect(await bytesOf(body)).toEqual(Buffer.from(patternBytes(3000)));
  });

  it("prepareBody opens no spool when the body fits in memory", async () => {
    const body = await prepareBody(post(streamOf(...patternChunks(1000, 100))), limits(new Error("opened")));
    expect(body).toMatchObject({ length: 1000, source: patternBytes(1000) });
    await body.dispose?.();
  });

  it("prepareBody keeps a body in the spool, in order, when it is too large for memory, announced or not", async () => {
    for (const length of [1001, 5000, 500_000]) {
      for (const headers of [{}, { "content-length": String(length) }]) {
        const spool = new MemorySpool();
        const body = await prepareBody(post(streamOf(...patternChunks(length, 777)), { headers }), limits(spool));
        expect(body.length).toBe(length);
        expect(Buffer.compare(await bytesOf(body), patternBytes(length))).toBe(0);
        expect(spool.pieces.filter(({ length }) => length === 0)).toEqual([]);
        expect(spool.closed).toBe(0);
        await body.dispose?.();
        expect(spool.closed).toBe(1);
      }
    }
  });

  it("prepareBody closes the spool when nothing reads it any more, where it is thrown away before", async () => {
    for (const end of ["read to its end", "cancelled", "failed"]) {
      const spool = new MemorySpool();
      const body = await prepareBody(post(streamOf(...patternChunks(3000, 1000))), limits(spool));
      const reader = readerOf(body.source as Exclude<ByteSource, Uint8Array>);
      await reader.read();
      await body.dispose?.();
      expect(spool.closed, end).toBe(0);
      if (end === "cancelled") await reader.cancel("The connection was closed");
      if (end === "failed") spool.failure = new Error("The disk failed");
      const rest = async (): Promise<void> => {
        while (!(await reader.read()).done);
      };
      if (end === "failed") await expect(rest()).rejects.toMatchObject({ code: "spoolFailed" });
      else await rest();
      await turns();
      expect(spool.closed, end).toBe(1);
    }
  });

  it("prepareBody closes a spool that was thrown away only behind its last reader, however often another one ends", async () => {
    const spool = new MemorySpool();
    const body = await prepareBody(post(streamOf(patternBytes(3000))), limits(spool));
    const source = body.source as Exclude<ByteSource, Uint8Array>;
    const [over, slow] = [readerOf(source), readerOf(source)];
    while (!(await over.read()).done);
    await over.read();
    await over.cancel("Over");
    await body.dispose?.();
    await turns();
    expect(spool.closed).toBe(0);
    await slow.cancel("Over as well");
    await turns();
    expect(spool.closed).toBe(1);
  });

  it("prepareBody writes small pieces together", async () => {
    const spool = new MemorySpool();
    const body = await prepareBody(post(streamOf(...patternChunks(200_000, 10))), limits(spool));
    expect(Buffer.compare(await bytesOf(body), patternBytes(200_000))).toBe(0);
    expect(spool.pieces.length).toBeLessThan(6);
    // And not all at the end.
    expect(Math.max(...spool.pieces.map(({ length }) => length))).toBeLessThan(66_000);
  });

  it("prepareBody rejects, and closes the spool, when the body is larger than may be kept", async () => {
    const spool = new MemorySpool();
    const open = new OpenStream();
    const prepared = prepareBody(post(open.stream), limits(spool));
    open.write(patternBytes(400_000));
    open.write(patternBytes(100_001));
    await expect(prepared).rejects.toMatchObject({
      code: "limit",
      limit: "maxSpooledRequestBytes",
      gatewayStatus: 413,
    });
    expect(spool.closed).toBe(1);
    expect(open.cancelled).toMatchObject({ code: "limit" });
  });

  it("prepareBody rejects, and closes the spool, when the body is not as long as announced", async () => {
    for (const length of [4000, 4002]) {
      const spool = new MemorySpool();
      const headers = { "content-length": "4001" };
      await expect(prepareBody(post(streamOf(patternBytes(length)), { headers }), limits(spool))).rejects.toMatchObject(
        { code: "lengthMismatch", gatewayStatus: 400 },
      );
      expect(spool.closed).toBe(length === 4000 ? 1 : 0);
    }
  });

  it("prepareBody rejects with spoolFailed when the spool can't be opened or written", async () => {
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    await expect(prepareBody(post(streamOf(patternBytes(2000))), limits(full))).rejects.toMatchObject({
      code: "spoolFailed",
      cause: full,
    });
    const spool = new MemorySpool();
    spool.failure = full;
    await expect(prepareBody(post(streamOf(patternBytes(2000))), limits(spool))).rejects.toMatchObject({
      code: "spoolFailed",
      message: expect.stringContaining("no space left"),
    });
    expect(spool.closed).toBe(1);
  });

  it("prepareBody closes the spool when the body fails or the request is aborted", async () => {
    for (const end of ["fail", "abort"] as const) {
      const spool = new MemorySpool();
      const open = new OpenStream();
      const controller = new AbortController();
      const prepared = prepareBody(post(open.stream, { signal: controller.signal }), limits(spool));
      open.write(patternBytes(2000));
      await turns();
      const reason = new Error(end);
      if (end === "fail") open.fail(reason);
      else controller.abort(reason);
      await expect(prepared).rejects.toBe(reason);
      expect(spool.closed).toBe(1);
    }
  });

  it("prepareBody gives up when the request is aborted while the spool hangs, and closes one that comes too late", async () => {
    const reason = new Error("Enough");
    const late = deferred<Spool>();
    const hanging: [stage: string, openSpool: PrepareBodyOptions["openSpool"]][] = [
      ["opening", () => late.promise],
      ["writing", async () => Object.assign(new MemorySpool(), { write: () => never })],
      ["closing", async () => Object.assign(new MemorySpool(), { write: () => never, close: () => never })],
    ];
    for (const [stage, openSpool] of hanging) {
      const controller = new AbortController();
      const body = streamOf(patternBytes(2000));
      const prepared = prepareBody(post(body, { signal: controller.signal }), limits(openSpool));
      await turns();
      controller.abort(reason);
      await expect(prepared, stage).rejects.toBe(reason);
    }
    const spool = new MemorySpool();
    late.resolve(spool);
    await turns();
    expect(spool.closed).toBe(1);
  });

  it("prepareBody rejects with what has failed when the spool can't be closed either", async () => {
    const spool = new MemorySpool();
    spool.failure = new Error("ENOSPC: no space left on device, write");
    spool.close = () => Promise.reject(new Error("EIO: i/o error, close"));
    await expect(prepareBody(post(streamOf(patternBytes(2000))), limits(spool))).rejects.toMatchObject({
      code: "spoolFailed",
      cause: spool.failure,
    });
  });

  it("prepareBody gives a body that fails with spoolFailed when the spool can't be read", async () => {
    const spool = new MemorySpool();
    const body = await prepareBody(post(streamOf(patternBytes(2000))), limits(spool));
    spool.failure = new Error("EIO: i/o error, read");
    await expect(bytesOf(body)).rejects.toMatchObject({ code: "spoolFailed", cause: spool.failure });
  });
});

describe("FastCgiHttpClient with a spool", () => {
  it("FastCgiHttpClient closes the spool when the response has ended, and not before", async () => {
    const spool = new MemorySpool();
    const answered = deferred();
    const fetched = clientWith(spool, answered.promise).fetch(post(streamOf(latin1("body"))));
    await turns(50);
    expect([spool.pieces.length, spool.closed]).toEqual([1, 0]);
    answered.resolve();
    expect(await (await fetched).text()).toBe("answer");
    await turns();
    expect(spool.closed).toBe(1);
  });
});

describe("FastCgiHttpClient: which spool, and what becomes of it", () => {
  const request = (): Request => post(streamOf(latin1("body")));
  const small = { maxBufferedRequestBytes: 1 };
  const answers = (): ScriptedConnector =>
    new ScriptedConnector(async (application) => {
      const { requestId } = (await application.request())!;
      await application.send(answer(requestId, "\r\nanswer"));
    });

  it("FastCgiHttpClient takes the spool of its connector's preset, unless it is given one", async () => {
    const [preset, own] = [new MemorySpool(), new MemorySpool()];
    const connector = Object.assign(answers(), { preset: { openSpool: async () => preset } });
    for (const options of [small, { ...small, openSpool: async () => own }]) {
      await (await closing(new FastCgiHttpClient(connector, options)).fetch(request())).text();
    }
    expect([preset.pieces.length, own.pieces.length]).toEqual([1, 1]);
  });

  it("FastCgiHttpClient closes the spool when the request can't be sent", async () => {
    const spool = new MemorySpool();
    const connector = { connect: () => Promise.reject(new Error("nobody")) };
    const client = closing(new FastCgiHttpClient(connector, { ...small, openSpool: async () => spool }));
    await expect(client.fetch(request())).rejects.toMatchObject({ code: "connectFailed" });
    await turns();
    expect(spool.closed).toBe(1);
  });
});

describe("prepareBody: requestBodyTimeout", () => {
  useFakeTime();

  function collecting(open: OpenStream, spool: Spool, headers = {}): Promise<unknown> {
    const options = { ...limits(spool), requestBodyTimeout: 60_000 };
    return prepareBody(post(open.stream, { headers }), options).catch((reason) => reason);
  }

  it("prepareBody fails with timeout when a body gives nothing for too long, before its first piece and after it", async () => {
    for (const given of [0, 10, 2000]) {
      const spool = new MemorySpool();
      const open = new OpenStream();
      const prepared = collecting(open, spool, { "content-length": "5000" });
      if (given > 0) {
        await pass(59_000);
        open.write(patternBytes(given));
      }
      await pass(59_999);
      expect(await isSettled(prepared)).toBe(false);
      await pass(1);
      const error = await prepared;
      expect(error).toMatchObject({ code: "timeout", limit: "requestBodyTimeout", gatewayStatus: 408 });
      expect((error as Error).message).toBe("Cannot send the request: its body gave nothing for 60000 ms");
      expect(open.cancelled).toBe(error);
      expect(spool.closed).toBe(given > 1000 ? 1 : 0);
    }
  });

  it("prepareBody does not count an empty piece as progress, and waits for a slow body", async () => {
    const open = new OpenStream();
    const prepared = collecting(open, new MemorySpool());
    for (let count = 0; count < 5; count++) {
      open.write(patternBytes(1));
      await pass(50_000);
    }
    open.write("");
    await pass(10_000);
    expect(await prepared).toMatchObject({ limit: "requestBodyTimeout" });
  });

  it("prepareBody does not count the time that the spool takes", async () => {
    const written = deferred();
    const spool = new MemorySpool();
    spool.write = async () => written.promise;
    const open = new OpenStream();
    const prepared = collecting(open, spool);
    open.write(patternBytes(2000));
    await pass(600_000);
    expect(await isSettled(prepared)).toBe(false);
    written.resolve();
    open.close();
    expect(await prepared).toMatchObject({ length: 2000 });
    expect(vi.getTimerCount()).toBe(0);
  });
});
