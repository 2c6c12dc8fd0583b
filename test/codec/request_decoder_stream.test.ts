import { expect, it } from "vitest";

import { RecordDecoderStream, RequestDecoderStream } from "../../src/codec/streams.ts";
import { RecordType } from "../../src/protocol/constants.ts";
import { FastCgiError } from "../../src/protocol/errors.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { chunksOf, latin1 } from "../support/bytes.ts";
import { started } from "../support/decoders.ts";
import { begin, bytesOf, record, request, stdin, textOf } from "../support/records.ts";
import { collected, drain, isSettled, streamOf, textFrom } from "../support/streams.ts";

it("RequestDecoderStream emits requests when bytes are piped through RecordDecoderStream and it", async () => {
  const bytes = bytesOf(request(1, { uri: "/a", body: "first" }), request(2, { uri: "/b", body: "second" }));
  const stream = streamOf(...chunksOf(bytes, 10))
    .pipeThrough(new RecordDecoderStream())
    .pipeThrough(new RequestDecoderStream());
  const seen: string[] = [];
  for await (const each of stream) seen.push(`${each.params.get("REQUEST_URI")} ${await textFrom(each.stdin)}`);
  expect(seen).toEqual(["/a first", "/b second"]);
});

it("RequestDecoderStream emits requests that a spread copies whole", async () => {
  const stream = streamOf(...request(1, { body: "body" })).pipeThrough(new RequestDecoderStream());
  const { done, value } = await stream.getReader().read();
  expect(done).toBe(false);
  const copy = { ...value! };
  expect(await textFrom(copy.stdin)).toBe("body");
  expect(copy.signal).toBe(value!.signal);
  expect([copy.requestId, copy.params, copy.paramPairs.length]).toEqual([1, value!.params, 4]);
});

it("RequestDecoderStream.replies has the answers and refusals, and ends with the input", async () => {
  const decoder = new RequestDecoderStream();
  const requests = streamOf(record(9, 0), begin(1, { role: 9 }), record(77, 0)).pipeThrough(decoder);
  expect(await collected(requests)).toEqual([]);
  expect((await collected(decoder.replies)).map(({ type }) => type)).toEqual([10, 3, 11]);
});

it("RequestDecoderStream.end makes an id free for the next request", async () => {
  const decoder = new RequestDecoderStream();
  const writer = decoder.writable.getWriter();
  const reader = decoder.readable.getReader();
  for (let count = 0; count < 3; count++) {
    const written = Promise.all(request(1).map((each) => writer.write(each)));
    expect((await reader.read()).value).toMatchObject({ requestId: 1 });
    await written;
    decoder.end(1);
  }
});

it("RequestDecoderStream feeds bodies of requests that were read when others wait to be", async () => {
  const records = [...started(1), ...started(2), ...started(3), ...stdin(3, "c"), ...stdin(1, "a"), ...stdin(2, "b")];
  const bodies: string[] = [];
  // One after the other, while the records of all are interleaved.
  for await (const each of streamOf(...records).pipeThrough(new RequestDecoderStream())) {
    bodies.push(await textFrom(each.stdin));
  }
  expect(bodies).toEqual(["a", "b", "c"]);
});

it("RequestDecoderStream refuses requests beyond maxConcurrentRequests when nobody reads them", async () => {
  const decoder = new RequestDecoderStream({ maxConcurrentRequests: 2 });
  const requests = streamOf(...[1, 2, 3].flatMap((id) => request(id))).pipeThrough(decoder);
  expect(textOf(await collected(decoder.replies), RecordType.Stdout, 3)).toMatch(/^Status: 503 /);
  expect((await collected(requests)).map(({ requestId }) => requestId)).toEqual([1, 2]);
});

it("RequestDecoderStream stops its writer when nobody reads replies", async () => {
  const decoder = new RequestDecoderStream();
  const writer = decoder.writable.getWriter();
  const writes = Array.from({ length: 100 }, () => writer.write(record(77, 0)));
  // Of 64 that wait, the last one asks for a pause.
  expect(await isSettled(writes[62]!)).toBe(true);
  expect(await isSettled(writes[63]!)).toBe(false);
  void decoder.replies.pipeTo(new WritableStream());
  expect(await isSettled(writes[99]!)).toBe(true);
});

it("RequestDecoderStream takes the options of its stage, and how many replies may wait", async () => {
  const reported: string[] = [];
  const report = ({ code }: FastCgiError): void => void reported.push(code);
  const decoder = new RequestDecoderStream({ maxWaitingReplies: 2, maxConcurrentRequests: 1, report });
  const writer = decoder.writable.getWriter();
  const writes = [...request(1), ...request(2), record(77, 0)].map((each) => writer.write(each));
  writes.push(writer.write(record(77, 0)));
  expect(await isSettled(writes.at(-1)!)).toBe(false);
  expect(reported).toContain("limit");
  void decoder.replies.pipeTo(new WritableStream());
  expect(await isSettled(writes.at(-1)!)).toBe(true);
  expect(() => new RequestDecoderStream({ maxWaitingReplies: 0 })).toThrow(RangeError);
});

it("RequestDecoderStream goes on when replies is cancelled", async () => {
  const decoder = new RequestDecoderStream();
  const questions = Array<FastCgiRecord>(200).fill(record(77, 0));
  const requests = streamOf(...questions, ...request(1)).pipeThrough(decoder);
  await decoder.replies.cancel();
  expect(await collected(requests)).toHaveLength(1);
});

it("RequestDecoderStream stops its writer when nobody reads a body", async () => {
  const decoder = new RequestDecoderStream({ maxQueuedBytes: 1000 });
  const writer = decoder.writable.getWriter();
  const reader = decoder.readable.getReader();
  const writes = [...started(1), record(5, 1, new Uint8Array(1000)), record(5, 1)].map((each) => writer.write(each));
  const { value: incoming } = await reader.read();
  // The next request may be read, and still nothing moves.
  void reader.read();
  expect(await isSettled(writes.at(-1)!)).toBe(false);
  const body = await drain(incoming!.stdin);
  expect(body.bytes.length).toBe(1000);
  expect(await isSettled(writes.at(-1)!)).toBe(true);
});

/** A decoder with one request under way, whose body has come half. */
async function halfway() {
  const decoder = new RequestDecoderStream();
  const writer = decoder.writable.getWriter();
  const reader = decoder.readable.getReader();
  const replies = collected(decoder.replies);
  replies.catch(() => {});
  const writes = [...started(1), record(5, 1, "half")].map((each) => writer.write(each));
  const { value } = await reader.read();
  void reader.read().catch(() => {});
  await Promise.all(writes);
  return { writer, reader, replies, request: value! };
}

/** Ways in which a connection ends under a request. */
const ENDS: readonly (readonly [
  what: string,
  end: (stream: Awaited<ReturnType<typeof halfway>>) => Promise<unknown>,
  reason: object,
])[] = [
  ["closes", ({ writer }) => writer.close(), { code: "connectionClosed" }],
  [
    "breaks",
    ({ writer }) => writer.abort(new Error("ECONNRESET")),
    { code: "connectionClosed", message: "Cannot finish the request: its connection failed" },
  ],
  [
    "breaks the protocol",
    ({ writer }) => writer.write(begin(1)),
    { code: "connectionClosed", cause: { code: "protocol" } },
  ],
  ["is given up by the application", ({ reader }) => reader.cancel(), { code: "connectionClosed" }],
];

it.each(ENDS)(
  "RequestDecoderStream aborts what is active and ends replies when the connection %s",
  async (_, end, reason) => {
    const { replies, request: incoming, ...stream } = await halfway();
    const { signal } = incoming;
    await end({ ...stream, replies, request: incoming }).catch(() => {});
    expect(signal.aborted).toBe(true);
    expect(signal.reason.cause).toMatchObject(reason);
    expect(await drain(incoming.stdin)).toMatchObject({ bytes: latin1("half"), error: reason });
    expect(await isSettled(replies)).toBe(true);
  },
);

it("RequestDecoderStream passes on what broke the connection as the cause", async () => {
  const { writer, request: incoming } = await halfway();
  const { signal } = incoming;
  const error = new Error("ECONNRESET");
  await writer.abort(error);
  expect(signal.reason.cause).toBeInstanceOf(FastCgiError);
  expect((signal.reason.cause as FastCgiError).cause).toBe(error);
});

it("RequestDecoderStream fails with the protocol error when the records are out of order", async () => {
  const records: FastCgiRecord[] = [begin(1), begin(1)];
  const failed = collected(streamOf(...records).pipeThrough(new RequestDecoderStream()));
  await expect(failed).rejects.toMatchObject({ code: "protocol" });
});
