// Recorded conversations with bytes flipped, cut out, put in and repeated. Whatever comes, a decoder throws nothing but a
// FastCgiError, stays dead after it, leaves nobody waiting and holds no more than its limits allow.
import fc from "fast-check";
import { expect, it } from "vitest";
import { RecordDecoder } from "../../src/codec/record_decoder.ts";
import { encodeRecords } from "../../src/codec/record_encoder.ts";
import { composeStages, type Stage } from "../../src/codec/stage.ts";
import { FastCgiError } from "../../src/protocol/errors.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { chunksOf, joined } from "../support/bytes.ts";
import { caught, DrivenRequestDecoder, DrivenResponseDecoder } from "../support/decoders.ts";
import { drain } from "../support/streams.ts";
import { loadBackends, loadFrontends } from "../support/vectors.ts";

const MAX_BYTES = 16 * 1024;
const RUNS = 1000;

const distinct = (conversations: readonly Uint8Array[]): Uint8Array[] => [
  ...new Map(conversations.map((bytes) => [Buffer.from(bytes).toString("latin1"), bytes])).values(),
];

/** The whole records in some bytes; none if they are of another version. */
function recordsOf(bytes: Uint8Array): FastCgiRecord[] {
  const records: FastCgiRecord[] = [];
  try {
    new RecordDecoder().transform(bytes, { enqueue: (record) => records.push(record) });
  } catch {}
  return records;
}
const short = (bytes: Uint8Array): boolean => bytes.length <= MAX_BYTES && recordsOf(bytes).length > 0;
const requestBytes = distinct([
  ...loadFrontends().map(({ bytes }) => bytes),
  ...loadBackends().map((each) => each.requestBytes),
]).filter(short);
const responseBytes = distinct(loadBackends().map(({ bytes }) => bytes)).filter(short);

/** One change of some bytes. Places are fractions, so that they fit whatever the earlier changes left. */
type Mutation = (bytes: Uint8Array) => Uint8Array;

const place = fc.nat(9999).map((part) => part / 10_000);
const at = (bytes: Uint8Array, fraction: number): number => Math.floor(fraction * bytes.length);

const flip: fc.Arbitrary<Mutation> = fc.tuple(place, fc.nat(7)).map(([where, bit]) => (bytes) => {
  const changed = bytes.slice();
  if (changed.length > 0) changed[at(bytes, where)]! ^= 1 << bit;
  return changed;
});
const cut: fc.Arbitrary<Mutation> = fc.tuple(place, fc.nat(300)).map(([where, length]) => (bytes) => {
  const start = at(bytes, where);
  return joined(bytes.subarray(0, start), bytes.subarray(start + length));
});
const insert: fc.Arbitrary<Mutation> = fc
  .tuple(place, fc.uint8Array({ maxLength: 40 }))
  .map(([where, more]) => (bytes) => {
    const start = at(bytes, where);
    return joined(bytes.subarray(0, start), more, bytes.subarray(start));
  });
/** A header of a known version in a random place: bytes alone would seldom be one. */
const header: fc.Arbitrary<Mutation> = fc
  .tuple(place, fc.nat(12), fc.nat(4), fc.nat(600), fc.nat(255))
  .map(([where, type, id, length, padding]) => (bytes) => {
    const start = at(bytes, where);
    const record = Uint8Array.of(1, type, 0, id, length >> 8, length & 0xff, padding, 0);
    return joined(bytes.subarray(0, start), record, bytes.subarray(start));
  });
const repeat: fc.Arbitrary<Mutation> = fc.tuple(place, place).map(([from, to]) => (bytes) => {
  const [start, end] = [at(bytes, from), at(bytes, to)].sort((a, b) => a - b) as [number, number];
  return joined(bytes.subarray(0, end), bytes.subarray(start));
});

const byteMutations = fc.array(fc.oneof(flip, cut, insert, header, repeat), { maxLength: 3 });

/** One change of some records: bytes alone seldom change anything but the framing. */
type RecordMutation = (records: readonly FastCgiRecord[]) => FastCgiRecord[];

const recordMutation: fc.Arbitrary<RecordMutation> = fc
  .tuple(fc.constantFrom("drop", "repeat", "move", "retype", "readdress", "empty"), place, place, fc.nat(12), fc.nat(4))
  .map(([what, where, elsewhere, type, requestId]) => (records) => {
    const index = Math.floor(where * records.length);
    const record = records[index];
    if (record === undefined) return [...records];
    if (what === "drop") return records.toSpliced(index, 1);
    if (what === "repeat") return records.toSpliced(index, 0, record);
    if (what === "move")
      return records.toSpliced(index, 1).toSpliced(Math.floor(elsewhere * records.length), 0, record);
    if (what === "retype") return records.with(index, { ...record, type });
    if (what === "readdress") return records.with(index, { ...record, requestId });
    return records.with(index, { ...record, contentData: new Uint8Array(0) });
  });
const recordMutations = fc.array(recordMutation, { maxLength: 6 });

const mutated = (conversations: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(fc.constantFrom(...conversations), recordMutations, fc.oneof(fc.constant([]), byteMutations))
    .map(([conversation, ofRecords, ofBytes]) => {
      const records = ofRecords.reduce((changed, mutate) => mutate(changed), recordsOf(conversation));
      return ofBytes.reduce((changed, mutate) => mutate(changed), encodeRecords(records));
    });
const chunkSize = fc.integer({ min: 1, max: 5000 });

/** Feeds chunks and calls `afterChunk` with whether a pause was asked for. Returns what was thrown, which stays. */
function feed<Output>(
  stage: Stage<Uint8Array, Output>,
  chunks: Iterable<Uint8Array>,
  enqueue: (output: Output) => void,
  afterChunk: (paused: boolean) => void,
): FastCgiError | null {
  for (const chunk of chunks) {
    try {
      const pause = stage.transform(chunk, { enqueue });
      afterChunk(pause !== undefined);
    } catch (error) {
      if (!(error instanceof FastCgiError)) throw error;
      expect(caught(() => void stage.transform(chunk, { enqueue }))).toBe(error);
      return error;
    }
  }
  return null;
}

const LIMITS = { maxParamsBytes: 8192, maxQueuedBytes: 4096, maxConcurrentRequests: 4, maxDrainBytes: 32_768 };
/** A chunk of 5,000 bytes holds at most 556 records with content, which count for 256 bytes each. */
const ONE_CHUNK = 556 * 256;

it("RequestDecoder throws nothing but FastCgiErrors and keeps its limits when recorded requests are mutated", async () => {
  await fc.assert(
    fc.asyncProperty(mutated(requestBytes), chunkSize, async (bytes, size) => {
      const driver = new DrivenRequestDecoder(LIMITS);
      const { decoder, requests } = driver;
      const stage = composeStages(new RecordDecoder(), decoder);
      const error = feed(
        stage,
        chunksOf(bytes, size),
        (request) => void requests.push(request as (typeof requests)[number]),
        (paused) => {
          expect(decoder.activeRequests).toBeLessThanOrEqual(LIMITS.maxConcurrentRequests);
          expect(decoder.waitingForParams).toBeLessThanOrEqual(decoder.activeRequests);
          for (const { requestId, stdinQueue, dataQueue } of requests) {
            const queues = [stdinQueue, dataQueue];
            // What has ended grows no more, and asks for no pause.
            const cost = Math.max(...queues.map((queue) => (queue.done ? 0 : queue.cost)));
            expect(cost).toBeLessThan(LIMITS.maxQueuedBytes + (paused ? ONE_CHUNK : 0));
            for (const queue of queues) expect(queue.cost).toBeLessThan(LIMITS.maxQueuedBytes + ONE_CHUNK);
            // The handler answers without reading its body.
            if (cost >= LIMITS.maxQueuedBytes) decoder.end(requestId);
          }
        },
      );
      decoder.abortAll(error ?? new FastCgiError("connectionClosed", "The input ended"));
      for (const { stdinQueue, dataQueue, paramPairs } of requests) {
        expect([stdinQueue.done, dataQueue.done]).toEqual([true, true]);
        expect(paramPairs.reduce((sum, [name, value]) => sum + name.length + value.length, 0)).toBeLessThanOrEqual(
          LIMITS.maxParamsBytes,
        );
        for (const queue of [stdinQueue, dataQueue]) {
          const { error: failure } = await drain(queue);
          if (failure !== null) expect(failure).toBeInstanceOf(FastCgiError);
        }
      }
    }),
    { numRuns: RUNS },
  );
});

it("ResponseDecoder throws nothing but FastCgiErrors and keeps its limits when recorded responses are mutated", async () => {
  await fc.assert(
    fc.asyncProperty(mutated(responseBytes), chunkSize, fc.boolean(), async (bytes, size, expecting) => {
      const driver = new DrivenResponseDecoder({ maxQueuedBytes: 4096, maxStderrBytes: 1000 });
      const { decoder, responses } = driver;
      if (expecting) responses.push(decoder.expect(1));
      const stage = composeStages(new RecordDecoder(), decoder);
      const error = feed(
        stage,
        chunksOf(bytes, size),
        (response) => void responses.push(response as (typeof responses)[number]),
        (paused) => {
          for (const { stdoutQueue, stderrText } of responses) {
            expect(stdoutQueue.cost).toBeLessThan(4096 + (paused ? ONE_CHUNK : 0));
            expect(stderrText.length).toBeLessThanOrEqual(1000);
            // Nobody wants the rest.
            if (stdoutQueue.cost >= 4096) stdoutQueue.abandon("enough");
          }
        },
      );
      decoder.failAll(error ?? new FastCgiError("connectionClosed", "The input ended"));
      expect(decoder.activeResponses).toBe(0);
      for (const { stdoutQueue, end, stderr } of responses) {
        expect(stdoutQueue.done).toBe(true);
        const { error: failure } = await drain(stdoutQueue);
        if (failure !== null) expect(failure).toBeInstanceOf(FastCgiError);
        expect((await drain(stderr)).error).toBeNull();
        await end.catch((reason: unknown) => expect(reason).toBeInstanceOf(FastCgiError));
      }
    }),
    { numRuns: RUNS },
  );
});

it("RecordDecoder throws nothing but FastCgiErrors when it reads any bytes at all", () => {
  const anything = fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 });
  fc.assert(
    fc.property(anything, (chunks) => {
      const lengths: number[] = [];
      feed(
        new RecordDecoder(),
        chunks,
        ({ contentData }) => void lengths.push(contentData.length),
        () => {},
      );
      const content = lengths.reduce((sum, length) => sum + length, 0);
      expect(content).toBeLessThanOrEqual(chunks.reduce((sum, { length }) => sum + length, 0));
    }),
    { numRuns: RUNS },
  );
});
