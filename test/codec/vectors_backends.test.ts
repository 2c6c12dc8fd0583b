// What real applications answered, through RecordDecoder and ResponseDecoder: whole, in pieces and cut at every point. What
// has to come out was read by an independent decoder; see test/vectors/README.md.
import { describe, expect, it } from "vitest";
import { decodeNameValuePairs } from "../../src/protocol/name_value_pairs.ts";
import { decodeUnknownTypeBody, type FastCgiRecord } from "../../src/protocol/record.ts";
import { sha256, splitsOf } from "../support/bytes.ts";
import { recordRuns } from "../support/record_runs.ts";
import {
  byServer,
  CUT_STEP,
  piecesOf,
  type ReplayedResponse,
  replayResponses,
  responsesDiffer,
} from "../support/replay.ts";
import { drain } from "../support/streams.ts";
import {
  type BackendCase,
  type ExpectedManagementRecord,
  type ExpectedResponse,
  loadBackends,
} from "../support/vectors.ts";

/** Cut at every point when smaller. */
const SMALL_BYTES = 4096;

/** Around the eight bytes of a header, and what a small read brings. */
const PIECES = [1, 2, 3, 7, 8, 9, 4096];

/** How stdout has to end: null for well (FastCGI 5.5). */
function expectedFailure({ protocolStatus }: ExpectedResponse): string | null {
  if (protocolStatus === null) return "connectionClosed";
  return [null, "cantMultiplex", "overloaded", "unknownRole"][protocolStatus]!;
}

async function expectResponse({ response, stdout }: ReplayedResponse, expected: ExpectedResponse, name: string) {
  expect(response.requestId, name).toBe(expected.requestId);
  expect(
    stdout.pieces.reduce((sum, { length }) => sum + length, 0),
    name,
  ).toBe(expected.stdoutBytes);
  expect(sha256(...stdout.pieces), name).toBe(expected.stdoutSha256);
  expect(stdout.failure, name).toBe(expectedFailure(expected));
  const stderr = await drain(response.stderr);
  expect(stderr.error, name).toBeNull();
  expect(stderr.bytes.length, name).toBe(expected.stderrBytes);
  expect(Buffer.from(stderr.bytes.subarray(0, 8192)).toString("latin1"), name).toBe(expected.stderr);
  const { ended, appStatus, protocolStatus } = expected;
  if (ended) expect(await response.end, name).toEqual({ appStatus, protocolStatus });
  else await expect(response.end, name).rejects.toMatchObject({ code: "connectionClosed" });
}

function expectManagement(record: FastCgiRecord, expected: ExpectedManagementRecord, name: string): void {
  if (expected.unknownType !== undefined) {
    expect(decodeUnknownTypeBody(record.contentData), name).toBe(expected.unknownType);
  } else {
    expect(Object.fromEntries(decodeNameValuePairs(record.contentData)), name).toEqual(expected.values);
  }
}

async function expectWhole({ name, bytes, expected }: BackendCase): Promise<void> {
  const replay = await replayResponses([bytes]);
  expect(recordRuns(replay.records), name).toEqual(expected.records);
  expect(replay.failure, name).toBe(expected.trailingBytes > 0 ? "connectionClosed" : null);
  expect(replay.reports, name).toEqual([]);
  expect(replay.messages.length, name).toBe(expected.responses.length);
  for (const [index, message] of replay.messages.entries()) {
    await expectResponse(message, expected.responses[index]!, name);
  }
  expect(replay.management.length, name).toBe(expected.management.length);
  for (const [index, record] of replay.management.entries()) {
    expectManagement(record, expected.management[index]!, name);
  }
}

describe.each(byServer(loadBackends()))("backends/%s", (_, cases) => {
  it("ResponseDecoder emits the recorded responses when the bytes come whole", async () => {
    for (const each of cases) await expectWhole(each);
  });

  it("ResponseDecoder emits the same responses when the bytes come in small pieces", async () => {
    for (const { name, bytes } of cases) {
      const whole = await replayResponses([bytes]);
      for (const size of PIECES) {
        const difference = responsesDiffer(await replayResponses(piecesOf(bytes, size, whole.records)), whole);
        expect(difference, `${name}, in pieces of ${size}`).toBeNull();
      }
    }
  });

  it("ResponseDecoder emits the same responses when the bytes are cut at any point", async () => {
    for (const { name, bytes } of cases) {
      if (bytes.length >= SMALL_BYTES) continue;
      const whole = await replayResponses([bytes]);
      for (const split of splitsOf(bytes, CUT_STEP)) {
        const difference = responsesDiffer(await replayResponses(split), whole);
        if (difference !== null) expect.fail(`${name}, cut at ${split[0].length}: ${difference}`);
      }
    }
  });
});

it("vectors hold every backend entry that the README counts", () => {
  expect(loadBackends()).toHaveLength(679);
});
