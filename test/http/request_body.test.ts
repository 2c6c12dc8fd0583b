import { describe, expect, it } from "vitest";
import { lengthOfBodyInit, type MeasuredBody, measureBody } from "../../src/http/request_body.ts";
import { latin1 } from "../support/bytes.ts";
import { OpenStream } from "../support/open_stream.ts";
import { patternBytes, patternChunks } from "../support/pattern.ts";
import { drain, streamOf } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const limit = 1000;
const limits = { maxBufferedRequestBytes: limit, maxSpooledRequestBytes: 5 * limit };

function post(body?: BodyInit | ReadableStream<unknown> | null, init: RequestInit = {}): Request {
  return new Request("http://example.com/", { method: "POST", body, duplex: "half", ...init } as RequestInit);
}

async function bytesOf({ source }: MeasuredBody): Promise<Uint8Array> {
  return source instanceof Uint8Array ? source : (await drain(source as ReadableStream<Uint8Array>)).bytes;
}

describe("measureBody", () => {
  it("measureBody has no length for a GET or HEAD, and 0 for other methods without a body", async () => {
    for (const [method, length] of [
      ["GET", null],
      ["HEAD", null],
      ["POST", 0],
      ["PUT", 0],
      ["DELETE", 0],
      ["OPTIONS", 0],
    ] as const) {
      const body = await measureBody(new Request("http://example.com/", { method }), limits);
      expect(body, method).toMatchObject({ length, source: new Uint8Array(0) });
    }
  });

  it("measureBody believes no Content-Length where there is no body", async () => {
    const request = post(null, { headers: { "content-length": "5" } });
    expect((await measureBody(request, limits)).length).toBe(0);
  });

  it("measureBody streams a body of announced length, whatever the limit", async () => {
    const open = new OpenStream();
    const body = await measureBody(post(open.stream, { headers: { "content-length": "5000" } }), limits);
    expect(body.length).toBe(5000);
    expect(body.source).toBeInstanceOf(ReadableStream);
    expect(open.pulls).toBe(0);
  });

  it("measureBody counts a body of unknown length up to the limit", async () => {
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
      const body = await measureBody(post(kind), limits);
      expect(body.length).toBe(length);
      expect((await bytesOf(body)).length).toBe(length);
    }
    const body = await measureBody(post(streamOf(...patternChunks(limit, 7))), limits);
    expect(await bytesOf(body)).toEqual(patternBytes(limit));
  });

  it("measureBody measures where the Content-Length is no number", async () => {
    for (const value of ["", "x", "-1", "5, 5"]) {
      const request = post(streamOf(latin1("abc")), { headers: { "content-length": value } });
      expect((await measureBody(request, limits)).length, value).toBe(3);
    }
  });

  it("measureBody refuses a longer body and says what to do about it", async () => {
    const open = new OpenStream();
    const measured = measureBody(post(open.stream), limits);
    open.write(patternBytes(limit));
    open.write(patternBytes(1));
    const error = await measured.catch((reason) => reason);
    expect(error).toMatchObject({ code: "lengthRequired", limit: "maxBufferedRequestBytes" });
    expect(error.message).toBe(
      "Cannot send the request: its body has no Content-Length and more than 1000 bytes; give it a Content-Length header or raise maxBufferedRequestBytes",
    );
    await turns();
    expect(open.cancelled).toBe(error);
  });

  it("measureBody fails with a body that fails", async () => {
    const open = new OpenStream();
    const measured = measureBody(post(open.stream), limits);
    open.write("ab");
    const reason = new Error("The disk is gone");
    open.fail(reason);
    await expect(measured).rejects.toBe(reason);
  });

  it("measureBody gives up when the request is aborted, also while it waits", async () => {
    const controller = new AbortController();
    const open = new OpenStream();
    const measured = measureBody(post(open.stream, { signal: controller.signal }), limits);
    open.write("ab");
    await open.pulled();
    const reason = new Error("Enough");
    controller.abort(reason);
    await expect(measured).rejects.toBe(reason);
    expect(open.cancelled).toBe(reason);
  });

  it("measureBody reads nothing when a body of unknown length is to be streamed", async () => {
    const open = new OpenStream();
    const body = await measureBody(post(open.stream), { ...limits, requestBuffering: "stream" });
    expect(body.length).toBe("unknown");
    expect(body.source).toBeInstanceOf(ReadableStream);
    expect(open.pulls).toBe(0);
    const announced = post(new OpenStream().stream, { headers: { "content-length": "5" } });
    expect((await measureBody(announced, { ...limits, requestBuffering: "stream" })).length).toBe(5);
    const known = await measureBody(post("text"), { ...limits, requestBuffering: "stream", knownLength: 4 });
    expect(known.length).toBe(4);
    for (const method of ["GET", "POST"]) {
      const none = await measureBody(new Request("http://a.test/", { method }), {
        ...limits,
        requestBuffering: "stream",
      });
      expect(none.length).toBe(method === "GET" ? null : 0);
    }
  });

  it("measureBody reads a body whose kind knows its length only when that fits in memory", async () => {
    for (const length of [limit, limit + 1, 10 * limit]) {
      const blob = new Blob([patternBytes(length)]);
      const body = await measureBody(post(blob), { ...limits, knownLength: blob.size });
      expect(body.length).toBe(length);
      expect(body.source instanceof Uint8Array, String(length)).toBe(length <= limit);
      expect(Buffer.compare(await bytesOf(body), patternBytes(length))).toBe(0);
    }
  });

  it("measureBody refuses a body that was read already", async () => {
    const used = post("text");
    await used.text();
    await expect(measureBody(used, limits)).rejects.toThrow("its body was read already");
    const locked = post("text", { headers: { "content-length": "4" } });
    locked.body!.getReader();
    await expect(measureBody(locked, limits)).rejects.toThrow("its body was read already");
  });

  it("measureBody refuses pieces that are no bytes, instead of sending something else", async () => {
    for (const piece of ["text", [1, 2], 5]) {
      await expect(measureBody(post(streamOf<unknown>("a", piece)), limits)).rejects.toThrow(TypeError);
    }
  });
});

describe("lengthOfBodyInit", () => {
  it("lengthOfBodyInit is as long as what fetch sends, where it is known", async () => {
    const form = new FormData();
    form.set("a", "b");
    const kinds: [body: BodyInit | ReadableStream<unknown> | null, isKnown: boolean][] = [
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
    for (const [body, isKnown] of kinds) {
      const length = lengthOfBodyInit(body);
      const sent = isKnown ? (await post(body).arrayBuffer()).byteLength : null;
      expect(length, String(body)).toBe(sent);
    }
    expect(lengthOfBodyInit(undefined)).toBeNull();
  });
});
