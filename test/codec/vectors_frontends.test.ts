// What real web servers sent, through RecordDecoder and RequestDecoder: whole, in pieces and cut at every point. What has to
// come out was read by an independent decoder; see test/vectors/README.md.
import { describe, expect, it } from "vitest";
import { parseLength } from "../../src/cgi/params.ts";
import { RecordType } from "../../src/protocol/constants.ts";
import { decodeNameValuePairs } from "../../src/protocol/name_value_pairs.ts";
import { sha256, splitsOf } from "../support/bytes.ts";
import { recordRuns } from "../support/record_runs.ts";
import {
  byServer,
  CUT_STEP,
  piecesOf,
  type ReplayedRequest,
  replayRequests,
  requestsDiffer,
} from "../support/replay.ts";
import { type ExpectedRequest, type FrontendCase, loadFrontends } from "../support/vectors.ts";

/** Cut at every point when smaller. */
const SMALL_BYTES = 4096;

/** Around the eight bytes of a header, and what a small read brings. */
const PIECES = [1, 2, 3, 7, 8, 9, 4096];

const withTraffic = loadFrontends().filter(({ noTraffic }) => noTraffic === null);

/** The params as RFC 9110 5.3 and PHP have them, worked out from the recorded list in another way than params.ts does. */
function mergedParams({ paramsList, duplicateParamNames }: ExpectedRequest): Map<string, string> {
  const merged = new Map(paramsList);
  for (const name of duplicateParamNames) {
    const values = paramsList.filter((pair) => pair[0] === name).map((pair) => pair[1]);
    const isHeader = name.startsWith("HTTP_") && name !== "HTTP_HOST";
    merged.set(name, isHeader ? values.join(name === "HTTP_COOKIE" ? "; " : ", ") : values.at(-1)!);
  }
  return merged;
}

/** How the body has to end: null for well. */
function expectedFailure({
  role,
  contentLength,
  stdinBytes,
  stdinClosed,
  abortRequestSeen,
}: ExpectedRequest): string | null {
  if (role === "AUTHORIZER") return null;
  if (!stdinClosed) return abortRequestSeen ? "aborted" : "connectionClosed";
  const announced = parseLength(contentLength ?? undefined);
  return announced === null || announced === stdinBytes ? null : "lengthMismatch";
}

/** Requests of one id in the order they were begun: interleaved ones may come out in another order. */
function byId<Item>(items: readonly Item[], idOf: (item: Item) => number): Item[] {
  return items.toSorted((a, b) => idOf(a) - idOf(b));
}

function expectRequest({ request, stdin, data }: ReplayedRequest, expected: ExpectedRequest, name: string): void {
  expect(request, name).toMatchObject({
    requestId: expected.requestId,
    role: expected.roleNumber,
    keepConn: expected.keepConn,
  });
  expect(request.paramPairs, name).toEqual(expected.paramsList);
  expect(request.params, name).toEqual(mergedParams(expected));
  expect(request.abortReason?.code === "aborted", name).toBe(expected.abortRequestSeen);
  expect(
    stdin.pieces.reduce((sum, { length }) => sum + length, 0),
    name,
  ).toBe(expected.stdinBytes);
  expect(sha256(...stdin.pieces), name).toBe(expected.stdinSha256);
  expect(stdin.failure, name).toBe(expectedFailure(expected));
  expect(data, name).toEqual({ pieces: [], failure: null });
}

async function expectWhole({ name, bytes, expected }: FrontendCase): Promise<void> {
  const replay = await replayRequests([bytes]);
  expect(recordRuns(replay.records), name).toEqual(expected!.records);
  expect(replay.records.length, name).toBe(expected!.recordCount);
  expect(expected!.trailingBytes, name).toBe(0);
  // Web servers break no rule: nothing is thrown, dropped or refused.
  expect(replay.failure, name).toBeNull();
  expect(replay.reports, name).toEqual([]);
  const requests = byId(replay.messages, ({ request }) => request.requestId);
  const expectedRequests = byId(expected!.requests, ({ requestId }) => requestId);
  expect(requests.length, name).toBe(expectedRequests.length);
  for (const [index, request] of requests.entries()) expectRequest(request, expectedRequests[index]!, name);
  expect(
    replay.management.map(({ type }) => type),
    name,
  ).toEqual(expected!.management.map(() => RecordType.GetValuesResult));
  for (const [index, { values }] of expected!.management.entries()) {
    const answered = decodeNameValuePairs(replay.management[index]!.contentData).map((pair) => pair[0]);
    expect(answered.toSorted(), name).toEqual(Object.keys(values!).toSorted());
  }
}

describe.each(byServer(withTraffic))("frontends/%s", (_, cases) => {
  it("RequestDecoder emits the recorded requests when the bytes come whole", async () => {
    for (const each of cases) await expectWhole(each);
  });

  it("RequestDecoder emits the same requests when the bytes come in small pieces", async () => {
    for (const { name, bytes } of cases) {
      const whole = await replayRequests([bytes]);
      for (const size of PIECES) {
        const difference = requestsDiffer(await replayRequests(piecesOf(bytes, size, whole.records)), whole);
        expect(difference, `${name}, in pieces of ${size}`).toBeNull();
      }
    }
  });

  it("RequestDecoder emits the same requests when the bytes are cut at any point", async () => {
    for (const { name, bytes } of cases) {
      if (bytes.length >= SMALL_BYTES) continue;
      const whole = await replayRequests([bytes]);
      for (const split of splitsOf(bytes, CUT_STEP)) {
        const difference = requestsDiffer(await replayRequests(split), whole);
        if (difference !== null) expect.fail(`${name}, cut at ${split[0].length}: ${difference}`);
      }
    }
  });
});

it("vectors hold every front-end entry that the README counts", () => {
  expect(loadFrontends()).toHaveLength(783);
  expect(withTraffic).toHaveLength(783 - 35);
});
