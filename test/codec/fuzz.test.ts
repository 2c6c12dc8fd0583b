// Recorded conversations with bytes flipped, cut out, put in and repeated. Whatever comes, a decoder throws nothing but a
// FastCgiError, stays dead after it, leaves no reader waiting and holds no more than its limits allow.
import fc from "fast-check";
import { expect, it } from "vitest";
import { RecordDecoder } from "../../src/codec/record_decoder.ts";
import { encodeRecords } from "../../src/codec/record_encoder.ts";
import { composeStages, type Stage } from "../../src/codec/stage.ts";
import { FastCgiError } from "../../src/protocol/errors.ts";
import { byteMutations, mutateBytes, mutateRecords, recordMutations } from "../fuzz/mutations.ts";
import { type Recording, recordedRequests, recordedResponses, wholeRecords } from "../fuzz/recordings.ts";
import { chunksOf } from "../support/bytes.ts";
import { caught, DrivenRequestDecoder, DrivenResponseDecoder } from "../support/decoders.ts";
import { drain } from "../support/streams.ts";

const RUNS = 1000;

const mutated = (recordings: readonly Recording[]): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(fc.constantFrom(...recordings), recordMutations, fc.oneof(fc.constant([]), byteMutations))
    .map(([{ bytes }, ofRecords, ofBytes]) =>
      mutateBytes(encodeRecords(mutateRecords(wholeRecords(bytes), ofRecords)), ofBytes),
    );
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
    fc.asyncProperty(mutated(recordedRequests()), chunkSize, async (bytes, size) => {
      const driver = new DrivenRequestDecoder(LIMITS);
      const { decoder, requests } = driver;
      const stage = composeStages(new RecordDecoder(), decoder);
      const error = feed(
        stage,
        chunksOf(bytes, size),
        (request) => void requests.push(request as (typeof requests)[number]),
        (paused) => {
          expect(decoder.activeRequests).toBeLessThanOrEqual(LIMITS.maxConcurrentRequests);
          for (const { requestId, stdinQueue, dataQueue } of requests) {
            const queues = [stdinQueue, dataQueue];
            // What has ended grows no more, and asks for no pause.
            const cost = Math.max(...queues.map((queue) => (queue.isDone ? 0 : queue.cost)));
            expect(cost).toBeLessThan(LIMITS.maxQueuedBytes + (paused ? ONE_CHUNK : 0));
            for (const queue of queues) expect(queue.cost).toBeLessThan(LIMITS.maxQueuedBytes + ONE_CHUNK);
            // The handler answers without reading its body.
            if (cost >= LIMITS.maxQueuedBytes) decoder.end(requestId);
          }
        },
      );
      decoder.abortAll(error ?? new FastCgiError("connectionClosed", "The input ended"));
      for (const { stdinQueue, dataQueue, paramPairs } of requests) {
        expect([stdinQueue.isDone, dataQueue.isDone]).toEqual([true, true]);
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
    fc.asyncProperty(mutated(recordedResponses()), chunkSize, fc.boolean(), async (bytes, size, expecting) => {
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
            // The reader gives up the rest.
            if (stdoutQueue.cost >= 4096) stdoutQueue.cancel("enough");
          }
        },
      );
      decoder.failAll(error ?? new FastCgiError("connectionClosed", "The input ended"));
      expect(decoder.activeResponses).toBe(0);
      for (const { stdoutQueue, end, stderr } of responses) {
        expect(stdoutQueue.isDone).toBe(true);
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
