import { expect, it } from "vitest";

import { RecordDecoderStream, ResponseDecoderStream } from "../../src/codec/streams.ts";
import { RecordType } from "../../src/protocol/constants.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { chunksOf, latin1 } from "../support/bytes.ts";
import { end } from "../support/decoders.ts";
import { bytesOf, record } from "../support/records.ts";
import { collected, drain, isSettled, streamOf, textFrom } from "../support/streams.ts";

const { Stdout } = RecordType;

it("ResponseDecoderStream emits responses when bytes are piped through RecordDecoderStream and it", async () => {
  const bytes = bytesOf(
    record(Stdout, 1, "first"),
    record(Stdout, 2, "sec"),
    record(Stdout, 1),
    end(1),
    record(Stdout, 2, "ond"),
    end(2),
  );
  const stream = streamOf(...chunksOf(bytes, 10))
    .pipeThrough(new RecordDecoderStream())
    .pipeThrough(new ResponseDecoderStream());
  const seen: string[] = [];
  // One after the other, while the records of both are interleaved.
  for await (const each of stream) seen.push(`${each.requestId} ${await textFrom(each.stdout)}`);
  expect(seen).toEqual(["1 first", "2 second"]);
});

it("ResponseDecoderStream emits responses that a spread copies whole", async () => {
  const stream = streamOf(record(Stdout, 1, "answer"), end(1)).pipeThrough(new ResponseDecoderStream());
  const { value } = await stream.getReader().read();
  const copy = { ...value! };
  expect([copy.requestId, await textFrom(copy.stdout), await textFrom(copy.stderr)]).toEqual([1, "answer", ""]);
  expect(await copy.end).toMatchObject({ appStatus: 0 });
});

it("ResponseDecoderStream stops its writer when nobody reads a response", async () => {
  const decoder = new ResponseDecoderStream({ maxQueuedBytes: 1000 });
  const writer = decoder.writable.getWriter();
  const reader = decoder.readable.getReader();
  const writes = [record(Stdout, 1, new Uint8Array(1000)), end(1)].map((each) => writer.write(each));
  const { value: response } = await reader.read();
  void reader.read();
  expect(await isSettled(writes[1]!)).toBe(false);
  expect((await drain(response!.stdout)).bytes.length).toBe(1000);
  expect(await isSettled(writes[1]!)).toBe(true);
});

it("ResponseDecoderStream stops its writer when nobody reads the responses", async () => {
  const { readable, writable } = new ResponseDecoderStream();
  const writer = writable.getWriter();
  const writes = Array.from({ length: 200 }, (_, index) => writer.write(end(index + 1)));
  expect(await isSettled(writes[120]!)).toBe(true);
  expect(await isSettled(writes[130]!)).toBe(false);
  const all = collected(readable);
  void writer.close();
  expect(await all).toHaveLength(200);
});

it("ResponseDecoderStream takes the options and the outlet of its stage, and how many responses may wait", async () => {
  const managed: number[] = [];
  const management = ({ type }: FastCgiRecord): void => void managed.push(type);
  const { readable, writable } = new ResponseDecoderStream({ maxWaitingResponses: 2, maxStdoutBytes: 3, management });
  const writer = writable.getWriter();
  const records = [record(RecordType.GetValuesResult, 0), record(Stdout, 1, "four"), end(1), end(2), end(3), end(4)];
  const writes = records.map((each) => writer.write(each));
  expect(await isSettled(writes.at(-1)!)).toBe(false);
  expect(managed).toEqual([RecordType.GetValuesResult]);
  void writer.close();
  const responses = await collected(readable);
  expect(responses).toHaveLength(4);
  expect((await drain(responses[0]!.stdout)).error).toMatchObject({ limit: "maxStdoutBytes" });
  expect(() => new ResponseDecoderStream({ maxWaitingResponses: Number.NaN })).toThrow(RangeError);
});

/** A decoder with one response under way. */
async function halfway() {
  const decoder = new ResponseDecoderStream();
  const writer = decoder.writable.getWriter();
  const reader = decoder.readable.getReader();
  void writer.write(record(Stdout, 1, "half"));
  const { value } = await reader.read();
  void reader.read().catch(() => {});
  return { writer, reader, response: value! };
}

const broken = new Error("ECONNRESET");

/** Ways in which a connection ends under a response. */
const ENDS: readonly (readonly [
  what: string,
  end: (stream: Awaited<ReturnType<typeof halfway>>) => Promise<unknown>,
  reason: object,
])[] = [
  ["closes", ({ writer }) => writer.close(), { code: "connectionClosed" }],
  [
    "breaks",
    ({ writer }) => writer.abort(broken),
    { code: "connectionClosed", cause: broken, message: "Cannot read the response: its connection failed" },
  ],
  [
    "breaks the protocol",
    ({ writer }) => writer.write(record(4, 1)),
    { code: "connectionClosed", cause: { code: "protocol" } },
  ],
  ["is given up", ({ reader }) => reader.cancel(broken), { code: "connectionClosed", cause: broken }],
];

it.each(ENDS)("ResponseDecoderStream fails what is active when the connection %s", async (_, finish, reason) => {
  const { response, ...stream } = await halfway();
  await finish({ ...stream, response }).catch(() => {});
  expect(await drain(response.stdout)).toMatchObject({ bytes: latin1("half"), error: reason });
  await expect(response.end).rejects.toMatchObject(reason);
});
