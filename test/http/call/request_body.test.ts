import { describe, expect, it } from "vitest";
import {
  bodyAtHand,
  checkRequestBuffering,
  type PrepareBodyOptions,
  type PreparedBody,
  prepareBody,
  wholeBodyOf,
} from "../../../src/http/call/request_body.ts";
import { latin1 } from "../../support/bytes.ts";
import { OpenStream } from "../../support/open_stream.ts";
import { patternBytes, patternChunks } from "../../support/pattern.ts";
import { drain, isSettled, streamOf } from "../../support/streams.ts";
import { transferred } from "../../support/transferred.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const limit = 1000;
const limits: PrepareBodyOptions = {
  requestBuffering: "collect",
  maxBufferedRequestBytes: limit,
  maxSpooledRequestBytes: 5 * limit,
  requestBodyTimeout: Number.POSITIVE_INFINITY,
};

function post(body?: BodyInit | ReadableStream<unknown> | null, init: RequestInit = {}): Request {
  return new Request("http://example.com/", { method: "POST", body, duplex: "half", ...init } as RequestInit);
}

function announcing(length: number | string, body: ReadableStream<unknown>): Request {
  return post(body, { headers: { "content-length": String(length) } });
}

async function bytesOf({ source }: PreparedBody): Promise<Uint8Array> {
  return source instanceof Uint8Array ? source : (await drain(source as ReadableStream<Uint8Array>)).bytes;
}

describe("prepareBody", () => {
  it("prepareBody has no length for a GET or HEAD, and 0 for other methods without a body", async () => {
    for (const [method, length] of [
      ["GET", null],
      ["HEAD", null],
      ["POST", 0],
      ["PUT", 0],
      ["DELETE", 0],
      ["OPTIONS", 0],
    ] as const) {
      for (const requestBuffering of ["collect", "measure", "stream"] as const) {
        const request = new Request("http://example.com/", { method });
        const body = await prepareBody(request, { ...limits, requestBuffering });
        expect(body, method).toMatchObject({ length, source: new Uint8Array(0) });
      }
    }
  });

  it("prepareBody ignores Content-Length when there is no body", async () => {
    const request = post(null, { headers: { "content-length": "5" } });
    expect((await prepareBody(request, limits)).length).toBe(0);
  });

  it("prepareBody collects a body before it is sent, whether its length is announced or not", async () => {
    for (const announced of [true, false]) {
      const open = new OpenStream();
      const prepared = prepareBody(announced ? announcing(4, open.stream) : post(open.stream), limits);
      open.write("ab");
      expect(await isSettled(prepared)).toBe(false);
      open.write("cd");
      expect(await isSettled(prepared)).toBe(false);
      open.close();
      expect(await prepared).toMatchObject({ length: 4, source: latin1("abcd") });
    }
  });

  it("prepareBody counts every kind of body", async () => {
    const kinds: [body: BodyInit | ReadableStream<unknown>, length: number][] = [
      ["text", 4],
      ["é", 2],
      ["", 0],
      [latin1("\0\xff"), 2],
      [new Blob(["a", "b"]), 2],
      [new URLSearchParams({ a: "1" }), 3],
      [streamOf(latin1("ab"), latin1(""), latin1("c")), 3],
      [streamOf(...patternChunks(limit, 7)), limit],
    ];
    for (const [kind, length] of kinds) {
      const body = await prepareBody(post(kind), limits);
      expect(body.length).toBe(length);
      expect((await bytesOf(body)).length).toBe(length);
    }
    const body = await prepareBody(post(streamOf(...patternChunks(limit, 7))), limits);
    expect(await bytesOf(body)).toEqual(patternBytes(limit));
  });

  it("prepareBody counts where the Content-Length is no number", async () => {
    for (const value of ["", "x", "-1", "5, 5"]) {
      expect((await prepareBody(announcing(value, streamOf(latin1("abc"))), limits)).length, value).toBe(3);
    }
  });

  it("prepareBody refuses a body that is not as long as its Content-Length, as soon as that is clear", async () => {
    for (const pieces of [["abc"], []]) {
      const short = prepareBody(announcing(4, streamOf(...pieces.map((piece) => latin1(piece)))), limits);
      await expect(short).rejects.toMatchObject({
        code: "lengthMismatch",
        message: `Cannot send the request body: expected 4 bytes, got ${pieces.join().length}`,
      });
    }
    const open = new OpenStream();
    const long = prepareBody(announcing(4, open.stream), limits).catch((reason) => reason);
    open.write("abc");
    open.write("de");
    const error = await long;
    expect(error).toMatchObject({ code: "lengthMismatch", gatewayStatus: 400 });
    expect(error.message).toBe("Cannot send the request body: expected 4 bytes, got at least 5");
    await turns();
    expect(open.cancelled).toBe(error);
  });

  it("prepareBody refuses bytes that are not as long as the Content-Length", async () => {
    const headers = new Headers({ "content-length": "4" });
    for (const text of ["abc", "abcde", ""]) {
      const request = { method: "POST", headers, body: latin1(text), bodyUsed: false, signal: undefined };
      await expect(prepareBody(request, limits)).rejects.toMatchObject({ code: "lengthMismatch" });
      expect(() => bodyAtHand(request)).toThrow(`expected 4 bytes, got ${text.length}`);
    }
    for (const fields of [{}, { "content-length": "3" }]) {
      const body = latin1("abc");
      const request = { method: "POST", headers: new Headers(fields), body, bodyUsed: false, signal: undefined };
      expect(bodyAtHand(request)).toEqual({ length: 3, source: body });
      expect(bodyAtHand(request)!.source).toBe(body);
    }
    const blob = new Blob([patternBytes(2 * limit)]);
    const right = post(blob, { headers: { "content-length": String(2 * limit) } });
    expect(await prepareBody(right, { ...limits, whole: blob })).toEqual({ length: 2 * limit, source: blob });
    const lying = post(blob, { headers: { "content-length": String(limit) } });
    await expect(prepareBody(lying, { ...limits, whole: blob })).rejects.toThrow("expected 1000 bytes, got 2000");
  });

  it("prepareBody refuses a longer body of unknown length and says what to do about it, where there is no spool", async () => {
    const open = new OpenStream();
    const prepared = prepareBody(post(open.stream), limits);
    open.write(patternBytes(limit));
    open.write(patternBytes(1));
    const error = await prepared.catch((reason) => reason);
    expect(error).toMatchObject({ code: "lengthRequired", limit: "maxBufferedRequestBytes" });
    expect(error.message).toBe(
      "Cannot send the request: its body has no Content-Length and more than 1000 bytes; give it a Content-Length header or raise maxBufferedRequestBytes",
    );
    await turns();
    expect(open.cancelled).toBe(error);
  });

  it("prepareBody streams a longer body of known length, where there is no spool", async () => {
    for (const [length, isStreamed] of [
      [limit, false],
      [limit + 1, true],
      [100 * limit, true],
    ] as const) {
      const open = new OpenStream();
      const prepared = prepareBody(announcing(length, open.stream), limits);
      expect(await isSettled(prepared), String(length)).toBe(isStreamed);
      if (isStreamed) expect((await prepared).length).toBe(length);
      // A stream asks for its first piece by itself when it is wrapped; nothing has read that.
      else open.fail(new Error("Enough"));
      await prepared.catch(() => {});
    }
  });

  it("prepareBody refuses more than may be kept in all, before it reads where that is announced", async () => {
    const openSpool = (): never => {
      throw new Error("opened");
    };
    const open = new OpenStream();
    const announced = prepareBody(announcing(5 * limit + 1, open.stream), { ...limits, openSpool });
    await expect(announced).rejects.toMatchObject({
      code: "limit",
      limit: "maxSpooledRequestBytes",
      gatewayStatus: 413,
      message: "Cannot send the request: its body is longer than 5000 bytes",
    });
    expect(open.stream.locked).toBe(false);
    // Also where memory would hold more than may be kept in all.
    const small = { ...limits, maxSpooledRequestBytes: 10, openSpool };
    await expect(prepareBody(post(streamOf(patternBytes(11))), small)).rejects.toMatchObject({ gatewayStatus: 413 });
  });

  it("prepareBody fails with a body that fails", async () => {
    for (const announced of [true, false]) {
      const open = new OpenStream();
      const prepared = prepareBody(announced ? announcing(5, open.stream) : post(open.stream), limits);
      open.write("ab");
      const reason = new Error("The client has left");
      open.fail(reason);
      await expect(prepared).rejects.toBe(reason);
    }
  });

  it("prepareBody gives up when the request is aborted, also while it waits", async () => {
    const controller = new AbortController();
    const open = new OpenStream();
    const prepared = prepareBody(post(open.stream, { signal: controller.signal }), limits);
    open.write("ab");
    await open.pulled();
    const reason = new Error("Enough");
    controller.abort(reason);
    await expect(prepared).rejects.toBe(reason);
    expect(open.cancelled).toBe(reason);
  });

  it("prepareBody gives up when the request is aborted, also where the body can't be cancelled", async () => {
    const controller = new AbortController();
    const never = new Promise<never>(() => {});
    const reader = { read: () => never, cancel: () => never };
    const body = { locked: false, getReader: () => reader, cancel: () => never };
    const request = {
      method: "POST",
      headers: new Headers(),
      body: body as unknown as ReadableStream<Uint8Array>,
      bodyUsed: false,
      signal: controller.signal,
    };
    const prepared = prepareBody(request, limits);
    const reason = new Error("Enough");
    controller.abort(reason);
    await expect(prepared).rejects.toBe(reason);
  });

  it("prepareBody refuses a body that was read already", async () => {
    const used = post("text");
    await used.text();
    await expect(prepareBody(used, limits)).rejects.toThrow("its body was read already");
    const locked = post("text", { headers: { "content-length": "4" } });
    locked.body!.getReader();
    await expect(prepareBody(locked, limits)).rejects.toThrow("its body was read already");
    const cancelled = post(streamOf(latin1("text")));
    await cancelled.body!.cancel();
    await expect(prepareBody(cancelled, limits)).rejects.toThrow("its body was read already");
  });

  it("prepareBody refuses pieces that are no bytes, instead of sending something else", async () => {
    for (const piece of ["text", [1, 2], 5]) {
      await expect(prepareBody(post(streamOf<unknown>(latin1("a"), piece)), limits)).rejects.toThrow(
        "Cannot send the request body: expected chunks that are Uint8Arrays",
      );
    }
    const cut = streamOf(new Uint8Array(1), transferred(new Uint8Array(2)));
    await expect(prepareBody(post(cut), limits)).rejects.toThrow("got those of a buffer that was transferred");
  });
});

describe("prepareBody: requestBuffering", () => {
  async function preparedBy(
    requestBuffering: PrepareBodyOptions["requestBuffering"],
    headers: Record<string, string> = {},
  ): Promise<PreparedBody | null> {
    const open = new OpenStream();
    const prepared = prepareBody(post(open.stream, { headers }), { ...limits, requestBuffering });
    if (await isSettled(prepared)) {
      expect(open.pulls).toBe(0);
      return prepared;
    }
    open.fail(new Error("Enough"));
    await prepared.catch(() => {});
    return null;
  }

  it("prepareBody streams a body of announced length, whatever the limit, when requestBuffering is measure", async () => {
    for (const length of [1, 100 * limit]) {
      const body = await preparedBy("measure", { "content-length": String(length) });
      expect(body?.length).toBe(length);
      expect(body?.source).toBeInstanceOf(ReadableStream);
    }
    expect(await preparedBy("measure")).toBeNull();
  });

  it("prepareBody reads nothing of a body that is streamed", async () => {
    const body = await preparedBy("stream");
    expect(body?.length).toBe("unknown");
    expect(body?.source).toBeInstanceOf(ReadableStream);
    expect((await preparedBy("stream", { "content-length": "5" }))?.length).toBe(5);
    const known = await prepareBody(post("text"), { ...limits, requestBuffering: "stream", whole: latin1("text") });
    expect(known.length).toBe(4);
  });

  it("prepareBody sends a body that is complete already as it is, whatever the limit", async () => {
    for (const requestBuffering of ["collect", "measure", "stream"] as const) {
      for (const length of [limit, 10 * limit]) {
        for (const whole of [new Blob([patternBytes(length)]), patternBytes(length)]) {
          const request = post(whole);
          const body = await prepareBody(request, { ...limits, requestBuffering, whole });
          expect(body.length).toBe(length);
          expect(body.source).toBe(whole);
          expect(request.bodyUsed).toBe(false);
        }
      }
    }
  });
});

it("checkRequestBuffering takes the three ways, and names them where it is given anything else", () => {
  for (const value of ["collect", "measure", "stream"]) expect(() => checkRequestBuffering(value)).not.toThrow();
  for (const [value, shown] of [
    ["none", '"none"'],
    [["collect"], "Array"],
    [undefined, "undefined"],
  ]) {
    const message = `Cannot use requestBuffering: expected one of "collect", "measure", "stream", got ${shown}`;
    expect(() => checkRequestBuffering(value)).toThrow(new TypeError(message));
  }
});

describe("wholeBodyOf", () => {
  it("wholeBodyOf returns the bytes that fetch sends when they are complete", async () => {
    const form = new FormData();
    form.set("a", "b");
    const kinds: [body: BodyInit | ReadableStream<unknown> | null, isWhole: boolean][] = [
      ["", true],
      ["é☃\ud800x", true],
      [new URLSearchParams({ a: "é &" }), true],
      [new Blob(["é", "b"]), true],
      [patternBytes(7), true],
      [patternBytes(7).buffer, true],
      [new Uint16Array(3).subarray(1), true],
      [new DataView(new ArrayBuffer(9), 2, 3), true],
      [form, false],
      [streamOf(latin1("ab")), false],
      [null, false],
    ];
    for (const [body, isWhole] of kinds) {
      const whole = wholeBodyOf(body);
      expect(whole !== null, String(body)).toBe(isWhole);
      if (whole === null) continue;
      const sent = new Uint8Array(await post(body).arrayBuffer());
      expect(new Uint8Array(await new Response(whole as BodyInit).arrayBuffer()), String(body)).toEqual(sent);
    }
    expect(wholeBodyOf(undefined)).toBeNull();
  });
});
