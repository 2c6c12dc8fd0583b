import { describe, expect, it } from "vitest";
import { type MeasuredBody, measureBody } from "../../src/http/request_body.ts";
import type { Spool } from "../../src/http/spool.ts";
import type { ByteReader } from "../../src/index.ts";
import { OpenStream } from "../support/open_stream.ts";
import { patternBytes, patternChunks } from "../support/pattern.ts";
import { streamOf } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

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
      async read() {
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

function limits(spool: Spool | Error): Parameters<typeof measureBody>[1] {
  const openSpool = async (): Promise<Spool> => {
    if (spool instanceof Error) throw spool;
    return spool;
  };
  return { maxBufferedRequestBytes: 1000, maxSpooledRequestBytes: 5000, openSpool };
}

function post(body: ReadableStream<unknown>, init: RequestInit = {}): Request {
  return new Request("http://example.com/", { method: "POST", body, duplex: "half", ...init } as RequestInit);
}

async function bytesOf({ source }: MeasuredBody): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const { done, value } = await (source as ByteReader).read();
    if (done) return Buffer.concat(pieces);
    pieces.push(value!);
  }
}

describe("measureBody with a spool", () => {
  it("measureBody opens no spool when the body fits in memory", async () => {
    const body = await measureBody(post(streamOf(...patternChunks(1000, 100))), limits(new Error("opened")));
    expect(body).toMatchObject({ length: 1000, source: patternBytes(1000) });
    await body.dispose?.();
  });

  it("measureBody keeps a body in the spool, in order, when it is too large for memory", async () => {
    for (const length of [1001, 5000]) {
      const spool = new MemorySpool();
      const body = await measureBody(post(streamOf(...patternChunks(length, 77))), limits(spool));
      expect(body.length).toBe(length);
      expect(Buffer.compare(await bytesOf(body), patternBytes(length))).toBe(0);
      expect(spool.closed).toBe(0);
      await body.dispose?.();
      expect(spool.closed).toBe(1);
    }
  });

  it("measureBody rejects, and closes the spool, when the body is larger than both may keep", async () => {
    const spool = new MemorySpool();
    const open = new OpenStream();
    const measured = measureBody(post(open.stream), limits(spool));
    open.write(patternBytes(4000));
    open.write(patternBytes(1001));
    await expect(measured).rejects.toMatchObject({ code: "lengthRequired", limit: "maxSpooledRequestBytes" });
    expect(spool.closed).toBe(1);
    expect(open.cancelled).toMatchObject({ code: "lengthRequired" });
  });

  it("measureBody rejects with spoolFailed when the spool can't be opened or written", async () => {
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    await expect(measureBody(post(streamOf(patternBytes(2000))), limits(full))).rejects.toMatchObject({
      code: "spoolFailed",
      cause: full,
    });
    const spool = new MemorySpool();
    spool.failure = full;
    await expect(measureBody(post(streamOf(patternBytes(2000))), limits(spool))).rejects.toMatchObject({
      code: "spoolFailed",
      message: expect.stringContaining("no space left"),
    });
    expect(spool.closed).toBe(1);
  });

  it("measureBody closes the spool when the body fails or the request is aborted", async () => {
    for (const end of ["fail", "abort"] as const) {
      const spool = new MemorySpool();
      const open = new OpenStream();
      const controller = new AbortController();
      const measured = measureBody(post(open.stream, { signal: controller.signal }), limits(spool));
      open.write(patternBytes(2000));
      await turns();
      const reason = new Error(end);
      if (end === "fail") open.fail(reason);
      else controller.abort(reason);
      await expect(measured).rejects.toBe(reason);
      expect(spool.closed).toBe(1);
    }
  });
});
