import { describe, expect, it } from "vitest";
import { type ByteReadResult, readerOf } from "../../src/codec/byte_source.ts";
import type { RecordSink, WrittenRecords } from "../../src/codec/record_sink.ts";
import { encodeRequestHead } from "../../src/codec/request_head.ts";
import {
  checkedParams,
  type FastCgiRequestParts,
  RequestSender,
  sendableRequest,
} from "../../src/codec/request_sender.ts";
import {
  type ByteReader,
  decodeBeginRequestBody,
  decodeNameValuePairs,
  type FastCgiRecord,
  type NameValuePair,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { fromStreams } from "../../src/transport/from_streams.ts";
import { RecordWriter } from "../../src/transport/record_writer.ts";
import { joined, latin1, sha256 } from "../support/bytes.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { patternBytes } from "../support/pattern.ts";
import { recordsIn } from "../support/records.ts";
import { isSettled, streamOf } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const requestId = 5;

/** A sender, and the records that it has written. */
function senderOf(request: FastCgiRequestParts, keepConn = false): { sender: RequestSender; records: FastCgiRecord[] } {
  const records: FastCgiRecord[] = [];
  const writable = new WritableStream<Uint8Array>({ write: (bytes) => void records.push(...recordsIn(bytes)) });
  const writer = new RecordWriter(fromStreams({ readable: new ReadableStream(), writable, close() {} }), {
    options: { writeTimeout: 10_000 },
    isShared: false,
    onWriteError() {},
  });
  return {
    sender: new RequestSender(writer, requestId, sendableRequest(request, [...request.params]), { keepConn }),
    records,
  };
}

/** A sink that notes each write: types and lengths, and whether it was to leave at once. */
function notedSink({ isShared = false, taken = undefined as Promise<void> | undefined } = {}) {
  const writes: [shape: string, atOnce: boolean][] = [];
  const written = { taken, hasLeft: false };
  const write = (records: readonly FastCgiRecord[], atOnce = false): WrittenRecords => {
    writes.push([records.map(({ type, contentData }) => `${type}:${contentData.length}`).join(" "), atOnce]);
    return written;
  };
  const sink: RecordSink = { isShared, write, writeEncoded: (bytes, atOnce) => write(recordsIn(bytes), atOnce) };
  return { sink, writes, written };
}

async function recordsOf(request: FastCgiRequestParts, keepConn = false): Promise<FastCgiRecord[]> {
  const { sender, records } = senderOf(request, keepConn);
  expect(await sender.send()).toBe(true);
  await turns();
  return records;
}

/** Types and content lengths in order. */
function shapeOf(records: readonly FastCgiRecord[]): [type: number, contentLength: number][] {
  return records.map(({ type, contentData }) => [type, contentData.length]);
}

function contentOf(records: readonly FastCgiRecord[], type: number): Uint8Array {
  return joined(...records.filter((record) => record.type === type).map(({ contentData }) => contentData));
}

const { BeginRequest, Params, Stdin, Data } = RecordType;
const params: NameValuePair[] = [["REQUEST_METHOD", "GET"]];
const paramsLength = 2 + 14 + 3;

describe("RequestSender", () => {
  it("RequestSender sends params and an empty stdin for a request without a body", async () => {
    const records = await recordsOf({ params });
    expect(shapeOf(records)).toEqual([
      [BeginRequest, 8],
      [Params, paramsLength],
      [Params, 0],
      [Stdin, 0],
    ]);
    expect(records.every((record) => record.requestId === requestId)).toBe(true);
    expect(decodeNameValuePairs(records[1]!.contentData)).toEqual(params);
  });

  it("RequestSender has sent a request without a body when send returns, if the transport takes it at once", () => {
    const pieces: Uint8Array[] = [];
    const channel = { start() {}, pause() {}, resume() {}, write: (given: Uint8Array[]) => void pieces.push(...given) };
    const writer = new RecordWriter(
      { ...channel, async end() {}, close() {} },
      { options: { writeTimeout: 1 }, isShared: false, onWriteError() {} },
    );
    const sender = new RequestSender(writer, requestId, sendableRequest({}, params), { keepConn: true });
    expect(sender.send()).toBe(true);
    expect(pieces).toEqual([encodeRequestHead({ requestId, role: 1, keepConn: true, params, endsStdin: true })]);
  });

  it("RequestSender says in FCGI_BEGIN_REQUEST what role it wants and whether the connection is kept", async () => {
    for (const role of [Role.Responder, Role.Authorizer, Role.Filter]) {
      for (const keepConn of [true, false]) {
        const [begin] = await recordsOf({ params, role }, keepConn);
        expect(decodeBeginRequestBody(begin!.contentData, true)).toEqual({ role, keepConn });
        expect([...begin!.contentData.subarray(3)]).toEqual([0, 0, 0, 0, 0]);
      }
    }
  });

  it("RequestSender sends no FCGI_PARAMS but their end where there are no params", async () => {
    expect(shapeOf(await recordsOf({ params: [] }))).toEqual([
      [BeginRequest, 8],
      [Params, 0],
      [Stdin, 0],
    ]);
  });

  it("RequestSender takes params from pairs and from a Map", async () => {
    for (const iterable of [params, new Map(params)]) {
      const records = await recordsOf({ params: iterable });
      expect(decodeNameValuePairs(contentOf(records, Params))).toEqual(params);
    }
  });

  it("RequestSender cuts params between pairs, and inside one only where it is larger than a record", async () => {
    const fat = Array.from({ length: 20 }, (_, index): NameValuePair => [`X_${index}`, "v".repeat(7000)]);
    const records = await recordsOf({ params: fat });
    const parts = records.filter(({ type, contentData }) => type === Params && contentData.length > 0);
    expect(parts.length).toBe(3);
    expect(parts.flatMap(({ contentData }) => decodeNameValuePairs(contentData))).toEqual(fat);

    const huge: NameValuePair = ["X", "v".repeat(100_000)];
    const cut = await recordsOf({ params: [...params, huge, ...params] });
    expect(decodeNameValuePairs(contentOf(cut, Params))).toEqual([...params, huge, ...params]);
    for (const { contentData } of cut) expect(contentData.length).toBeLessThanOrEqual(0xfff8);
  });

  it("RequestSender sends stdin of any kind, cut into records, and its end", async () => {
    const bytes = patternBytes(150_000);
    const reader = (): ByteReader => streamOf(bytes).getReader();
    for (const stdin of [bytes, streamOf(bytes.subarray(0, 70_000), bytes.subarray(70_000)), reader()]) {
      const records = await recordsOf({ params, stdin });
      expect(sha256(contentOf(records, Stdin))).toBe(sha256(bytes));
      expect(records.at(-1)).toMatchObject({ type: Stdin, contentData: new Uint8Array(0) });
      expect(records.filter(({ contentData }) => contentData.length === 0).length).toBe(2);
    }
  });

  it("RequestSender sends no stdin to an Authorizer", async () => {
    const stdin = new OpenStream();
    const records = await recordsOf({ params, role: Role.Authorizer, stdin: stdin.stream });
    expect(shapeOf(records)).toEqual([
      [BeginRequest, 8],
      [Params, paramsLength],
      [Params, 0],
    ]);
    expect(stdin.pulls).toBe(0);
  });

  it("RequestSender sends the data of a Filter behind stdin", async () => {
    const records = await recordsOf({ params, role: Role.Filter, stdin: latin1("ab"), data: latin1("file") });
    expect(shapeOf(records).slice(2)).toEqual([
      [Params, 0],
      [Stdin, 2],
      [Stdin, 0],
      [Data, 4],
      [Data, 0],
    ]);
    expect(shapeOf(await recordsOf({ params, role: Role.Filter })).slice(3)).toEqual([
      [Stdin, 0],
      [Data, 0],
    ]);
  });

  it("RequestSender sends no data for other roles", async () => {
    const records = await recordsOf({ params, data: latin1("file") });
    expect(records.some(({ type }) => type === Data)).toBe(false);
  });

  it("RequestSender fails, without an end of stdin, where it is not as long as CONTENT_LENGTH says", async () => {
    for (const [length, stdin] of [
      ["5", streamOf(latin1("12"), latin1("34"))],
      ["3", streamOf(latin1("12"), latin1("34"))],
    ] as const) {
      const { sender, records } = senderOf({ params: [["CONTENT_LENGTH", length]], stdin });
      await expect(sender.send()).rejects.toMatchObject({ code: "lengthMismatch" });
      await turns();
      expect(contentOf(records, Stdin).length, length).toBeLessThanOrEqual(Number(length));
      expect(shapeOf(records)).not.toContainEqual([Stdin, 0]);
    }
    const { sender, records } = senderOf({
      role: Role.Filter,
      params: [["FCGI_DATA_LENGTH", "5"]],
      data: streamOf(latin1("file")),
    });
    await expect(sender.send()).rejects.toMatchObject({ code: "lengthMismatch" });
    expect(shapeOf(records)).not.toContainEqual([Data, 0]);
  });

  it("RequestSender begins nothing where bytes at hand are not as long as announced", async () => {
    const requests: FastCgiRequestParts[] = [
      { params: [["CONTENT_LENGTH", "5"]], stdin: latin1("1234") },
      { params: [["CONTENT_LENGTH", "3"]], stdin: latin1("1234") },
      { params: [["CONTENT_LENGTH", "1"]], stdin: null },
      { role: Role.Filter, params: [["FCGI_DATA_LENGTH", "5"]], data: latin1("file") },
    ];
    for (const request of requests) {
      expect(() => senderOf(request)).toThrow(expect.objectContaining({ code: "lengthMismatch" }));
    }
    // No stdin is sent to an Authorizer, so its length is no matter.
    const [begin] = await recordsOf({
      role: Role.Authorizer,
      params: [["CONTENT_LENGTH", "5"]],
      stdin: latin1("1234"),
    });
    expect(begin!.type).toBe(BeginRequest);
  });

  it("RequestSender checks no length where the params have none", async () => {
    for (const length of ["", "-1"]) {
      const records = await recordsOf({ params: [["CONTENT_LENGTH", length]], stdin: latin1("1234") });
      expect(contentOf(records, Stdin)).toEqual(latin1("1234"));
    }
  });

  it("RequestSender fails with a source that fails, without an end of stdin", async () => {
    const open = new OpenStream();
    const { sender, records } = senderOf({ params, stdin: open.stream });
    const sent = sender.send();
    open.write("part");
    await turns();
    const reason = new Error("The disk is gone");
    open.fail(reason);
    await expect(sent).rejects.toBe(reason);
    await turns();
    expect(shapeOf(records).at(-1)).toEqual([Stdin, 4]);
  });

  it("RequestSender refuses params that are no byte strings", () => {
    expect(() => senderOf({ params: [["X", "☃"]] })).toThrow(TypeError);
    expect(() => checkedParams(7 as never)).toThrow(
      new TypeError("Cannot send the request: expected params to be pairs [name, value] or a Map, got 7"),
    );
  });

  it("sendableRequest refuses a role that has no place in FCGI_BEGIN_REQUEST, and what has no bytes", () => {
    for (const role of [0, 65_536, 1.5]) {
      expect(() => sendableRequest({ role: role as never }, [])).toThrow(
        new TypeError(`Cannot send the request: expected role to be an integer from 1 to 65535, got ${role}`),
      );
    }
    for (const role of [1, 65_535]) expect(sendableRequest({ role: role as never }, []).role).toBe(role);
    expect(() => sendableRequest({ stdin: 7 as never }, [])).toThrow("Cannot send stdin: ");
    expect(() => sendableRequest({ data: 7 as never }, [])).toThrow("Cannot send data: ");
  });

  it("RequestSender sends nothing more when it is stopped, and cancels what is being read", async () => {
    const open = new OpenStream();
    const { sender, records } = senderOf({ params, stdin: open.stream });
    const sent = sender.send();
    await turns();
    const reason = new Error("Enough");
    sender.stop(reason);
    sender.stop(new Error("Again"));
    expect(await sent).toBe(false);
    expect(open.cancelled).toBe(reason);
    await turns();
    expect(shapeOf(records)).not.toContainEqual([Stdin, 0]);
  });

  it("RequestSender cancels a stream whose turn has not come when it is stopped", async () => {
    const [stdin, data] = [new OpenStream(), new OpenStream()];
    const { sender } = senderOf({ role: Role.Filter, params, stdin: stdin.stream, data: data.stream });
    const sent = sender.send();
    await turns();
    const reason = new Error("Enough");
    sender.stop(reason);
    expect(await sent).toBe(false);
    expect([stdin.cancelled, data.cancelled]).toEqual([reason, reason]);
  });

  it("RequestSender sends no data of a Filter when it is stopped while stdin is read", async () => {
    const stdin = new OpenStream();
    const { sender, records } = senderOf({ role: Role.Filter, params, stdin: stdin.stream, data: latin1("file") });
    const sent = sender.send();
    await stdin.pulled();
    sender.stop(new Error("Enough"));
    expect(await sent).toBe(false);
    await turns();
    expect(shapeOf(records).map(([type]) => type)).toEqual([BeginRequest, Params, Params]);
  });

  it("RequestSender cancels each source once when it is stopped, also one that is being read", async () => {
    const cancelled: unknown[][] = [[], []];
    const [stdin, data] = cancelled.map((reasons): ByteReader => {
      const { promise, resolve } = deferred<ByteReadResult>();
      return {
        read: () => promise,
        cancel(reason) {
          reasons.push(reason);
          resolve({ done: true });
        },
      };
    });
    const { sender } = senderOf({ role: Role.Filter, params, stdin: stdin!, data: data! });
    const sent = sender.send();
    await turns();
    sender.stop("Enough");
    sender.stop("Again");
    expect(await sent).toBe(false);
    expect(cancelled).toEqual([["Enough"], ["Enough"]]);
  });

  it("RequestSender that is stopped before it sends cancels its streams, and says that not all was sent", async () => {
    for (const stdin of [undefined, new OpenStream()]) {
      const { sender } = senderOf({ params, stdin: stdin?.stream });
      sender.stop("Enough");
      expect(await sender.send()).toBe(false);
      expect(stdin?.cancelled).toBe(stdin === undefined ? undefined : "Enough");
    }
  });

  it("RequestSender.hasWholeBody is whether what is left of the body is at hand", async () => {
    const open = (): OpenStream["stream"] => new OpenStream().stream;
    const whole: readonly (readonly [hasWholeBody: boolean, request: Partial<FastCgiRequestParts>])[] = [
      [false, {}],
      [true, { stdin: "text" }],
      [true, { stdin: new Blob(["text"]) }],
      [false, { stdin: open() }],
      [true, { role: Role.Filter }],
      [false, { role: Role.Filter, data: open() }],
      [false, { role: Role.Filter, stdin: open(), data: "file" }],
    ];
    for (const [hasWholeBody, request] of whole) {
      const { sender } = senderOf({ params, ...request });
      expect(sender.hasWholeBody).toBe(hasWholeBody);
      sender.stop("Enough");
      expect(sender.hasWholeBody).toBe(false);
    }
    const [stdin, data] = [new OpenStream(), new OpenStream()];
    const { sender } = senderOf({ role: Role.Filter, params, stdin: stdin.stream, data: data.stream });
    const sent = sender.send();
    for (const body of [stdin, data]) {
      expect(sender.hasWholeBody).toBe(false);
      body.close();
      await turns();
    }
    expect(await sent).toBe(true);
    expect(sender.hasWholeBody).toBe(true);
  });

  it("RequestSender.stdin counts what was sent of stdin, not of the data of a Filter", async () => {
    const { sender } = senderOf({ role: Role.Filter, params, stdin: latin1("ab"), data: latin1("file") });
    expect(sender.stdin).toBeNull();
    await sender.send();
    expect(sender.stdin!.sent).toBe(2);
  });

  it("RequestSender reads what is no bytes by its option, and names whose bytes they are", async () => {
    const read: string[] = [];
    const request = { role: Role.Filter, params, stdin: streamOf(latin1("ab")), data: streamOf(latin1("file")) };
    const { sink, writes } = notedSink();
    const sender = new RequestSender(sink, requestId, sendableRequest(request, params), {
      keepConn: true,
      read(source, name) {
        read.push(name);
        return readerOf(source);
      },
    });
    expect(await sender.send()).toBe(true);
    expect(read).toEqual(["the request body", "the data"]);
    expect(writes.map(([shape]) => shape).slice(1)).toEqual(["5:2", "5:0", "8:4", "8:0"]);
  });

  it("RequestSender says whose bytes are not as long as announced", () => {
    expect(() => senderOf({ params: [["CONTENT_LENGTH", "5"]], stdin: "1234" })).toThrow(
      "Cannot send the request body: expected 5 bytes, got 4",
    );
    expect(() => senderOf({ role: Role.Filter, params: [["FCGI_DATA_LENGTH", "5"]], data: null })).toThrow(
      "Cannot send the data: expected 5 bytes, got 0",
    );
    expect(() => checkedParams(7 as never, "ask the application")).toThrow(
      "Cannot ask the application: expected params to be pairs",
    );
  });

  it("RequestSender sends at once what has no body, unless others write as well", async () => {
    const cases: readonly (readonly [stdin: string | null, isShared: boolean, atOnce: boolean])[] = [
      [null, false, true],
      [null, true, false],
      ["body", false, false],
      ["body", true, false],
    ];
    for (const [stdin, isShared, atOnce] of cases) {
      const { sink, writes } = notedSink({ isShared });
      await new RequestSender(sink, requestId, sendableRequest({ stdin }, params), { keepConn: true }).send();
      expect(writes[0]![1]).toBe(atOnce);
    }
  });

  it("RequestSender.hasLeft is whether its head has left, and send waits for that", async () => {
    for (const stdin of [null, "body"]) {
      const taken = deferred();
      const { sink, written } = notedSink({ taken: taken.promise });
      const sender = new RequestSender(sink, requestId, sendableRequest({ stdin }, params), { keepConn: true });
      expect(sender.hasLeft).toBe(false);
      const sent = sender.send();
      expect(sender.hasLeft).toBe(false);
      written.hasLeft = true;
      expect(sender.hasLeft).toBe(true);
      expect(await isSettled(Promise.resolve(sent))).toBe(false);
      taken.resolve();
      expect(await sent).toBe(true);
    }
  });
});
