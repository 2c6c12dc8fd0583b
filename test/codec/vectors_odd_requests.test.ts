// What the recorder sent to the backends, malformed in many ways, through RecordDecoder and RequestDecoder: what our server
// makes of the same bytes. See test/vectors/README.md and specifications/fastcgi.md, sections 4, 5 and 12.
import { describe, expect, it } from "vitest";
import { decodeNameValuePairs } from "../../src/protocol/name_value_pairs.ts";
import { decodeEndRequestBody, type FastCgiRecord } from "../../src/protocol/record.ts";
import {
  byServer,
  piecesOf,
  type Replay,
  type ReplayedRequest,
  replayRequests,
  requestsDiffer,
} from "../support/replay.ts";
import { loadBackends } from "../support/vectors.ts";

/** What came out, in short. */
interface Outcome {
  /** `id bytes`, with the code of the error behind the body if there is one. */
  requests: string[];
  /** What goes back without a handler. */
  replies: string[];
  /** Codes of what was dropped or refused. */
  reports: string[];
  /** The code of what ended the connection. */
  failure: string | null;
}

function describeReply({ type, requestId, contentData }: FastCgiRecord): string {
  if (type === 3) return `END_REQUEST ${requestId} ${decodeEndRequestBody(contentData).protocolStatus}`;
  if (type === 6)
    return `STDOUT ${requestId} ${/^Status: \d+|$/.exec(Buffer.from(contentData).toString("latin1"))![0]}`;
  if (type === 10) return `GET_VALUES_RESULT ${decodeNameValuePairs(contentData).map((pair) => pair.join("="))}`;
  return `type ${type} ${requestId}`;
}

function outcomeOf({ messages, management, reports, failure }: Replay<ReplayedRequest>): Outcome {
  return {
    requests: messages.map(({ request, stdin }) => {
      const bytes = stdin.pieces.reduce((sum, { length }) => sum + length, 0);
      return `${request.requestId} ${bytes}${stdin.failure === null ? "" : ` ${stdin.failure}`}`;
    }),
    replies: management.map(describeReply),
    reports: reports.map(({ code }) => code),
    failure,
  };
}

const whole = (...requests: string[]): Outcome => ({ requests, replies: [], reports: [], failure: null });
const broken = (failure: string, ...requests: string[]): Outcome => ({ ...whole(...requests), failure });

const MANY = "FCGI_MAX_CONNS=1024,FCGI_MAX_REQS=128,FCGI_MPXS_CONNS=1";
const REFUSED = ["STDOUT 1 Status: 400", "STDOUT 1 ", "END_REQUEST 1 0"];

/** By the recorder's name of the case: what our server makes of it. */
const ODD: Readonly<Record<string, Outcome>> = {
  // FastCGI 3.3: the version.
  "version-0": broken("protocol"),
  "version-2": broken("protocol"),
  "http-instead": broken("protocol"),
  // The input ends early: connectionClosed if inside a record.
  "eof-at-once": whole(),
  "eof-mid-header": broken("connectionClosed"),
  "eof-mid-params": broken("connectionClosed"),
  "eof-mid-stdin": broken("connectionClosed", "1 0 connectionClosed"),
  "no-stdin-record": whole("1 0 connectionClosed"),
  "no-stdin-record-then-halfclose": whole("1 0 connectionClosed"),
  // FastCGI 5.1: BEGIN_REQUEST.
  "begin-short": broken("protocol"),
  "begin-long": whole("1 0"),
  "begin-flags-ff": whole("1 0"),
  "begin-id-0": { ...whole(), replies: ["type 11 0"], reports: ["protocol"] },
  "same-id-twice": broken("protocol", "1 0 connectionClosed"),
  "role-0": { ...whole(), replies: ["END_REQUEST 1 3"], reports: ["unknownRole"] },
  "role-9": { ...whole(), replies: ["END_REQUEST 1 3"], reports: ["unknownRole"] },
  "role-9-keepconn-then-request": { ...whole("1 0"), replies: ["END_REQUEST 1 3"], reports: ["unknownRole"] },
  "role-authorizer": whole("1 0"),
  "role-authorizer-with-stdin": whole("1 0"),
  "role-filter": whole("1 16"),
  "app-filter": whole("1 3"),
  // FastCGI 6.1: the order of the streams.
  "app-filter-data-before-stdin-end": broken("protocol", "1 3 connectionClosed"),
  "no-empty-params-record": broken("protocol"),
  "data-record-for-responder": { ...whole("1 0"), reports: ["protocol"] },
  // FastCGI 3.4: pairs.
  "params-overrun": { ...whole(), replies: REFUSED, reports: ["protocol"] },
  "params-none": whole("1 0"),
  "params-empty-name": whole("1 0"),
  "params-duplicate": whole("1 0"),
  "params-forced-4-byte-lengths": whole("1 0"),
  "params-1-byte-records": whole("1 0"),
  "params-split-17": whole("1 0"),
  "params-one-value-70k": whole("1 0"),
  "params-100k": whole("1 0"),
  "params-65530-padding-6": whole("1 0"),
  "padded-input": whole("1 16"),
  // FastCGI 3.3: inactive ids.
  "end-request-from-client": whole(),
  "unknown-type-idle": whole(),
  "abort-unknown-id": whole("1 0"),
  "stdin-unknown-id": whole("1 0"),
  "params-unknown-id": whole("1 0"),
  "other-id-during-request": whole("1 16"),
  // FastCGI 4: management records.
  "get-values": { ...whole(), replies: [`GET_VALUES_RESULT ${MANY}`] },
  "get-values-empty": { ...whole(), replies: ["GET_VALUES_RESULT "] },
  "get-values-padded": { ...whole(), replies: ["GET_VALUES_RESULT FCGI_MPXS_CONNS=1"] },
  "get-values-unknown-name": {
    ...whole(),
    replies: ["GET_VALUES_RESULT FCGI_MAX_CONNS=1024,FCGI_MPXS_CONNS=1"],
  },
  "get-values-during-request": { ...whole("1 16"), replies: ["GET_VALUES_RESULT FCGI_MPXS_CONNS=1"] },
  "get-values-then-request": { ...whole("1 0"), replies: ["GET_VALUES_RESULT FCGI_MAX_REQS=128,FCGI_MPXS_CONNS=1"] },
  "get-values-with-request": { ...whole("1 0"), replies: ["GET_VALUES_RESULT FCGI_MAX_REQS=128,FCGI_MPXS_CONNS=1"] },
  "unknown-management-type": { ...whole(), replies: ["type 11 0"], reports: ["protocol"] },
  "unknown-management-type-then-request": { ...whole("1 0"), replies: ["type 11 0"], reports: ["protocol"] },
  "unknown-type-active-request": { ...whole("1 0"), reports: ["protocol"] },
  // FastCGI 5.4: aborts. The body is there in full when the abort comes behind it.
  "abort-in-params": { ...whole(), replies: ["END_REQUEST 1 0"] },
  "abort-in-stdin": whole("1 3 aborted"),
  "abort-in-stdin-keepconn": whole("1 3 aborted", "1 0"),
  "abort-while-running": whole("1 0"),
  "abort-while-running-keepconn": whole("1 0", "1 0"),
  // FastCGI 6.2: CONTENT_LENGTH.
  "post-body-too-long": whole("1 0 lengthMismatch"),
  "post-body-too-long-keepconn": whole("1 0 lengthMismatch", "1 0"),
  "post-body-too-short": whole("1 16 lengthMismatch"),
  "post-empty-content-length": whole("1 16"),
  "post-no-content-length": whole("1 16"),
  "content-length-negative": whole("1 3"),
  "content-length-garbage": whole("1 3"),
  // FastCGI 3.3: several requests on a connection.
  "keepconn-3-same-id": whole("1 0", "1 16", "1 0"),
  "keepconn-3-ids": whole("7 0", "65535 0", "256 0"),
  "keepconn-pipelined-same-id": whole("1 0", "1 0"),
  "begin-while-active": whole("1 16", "2 0"),
  "mpx-2-interleaved": whole("1 3", "2 3"),
  "mpx-4-out-of-order": whole("1 0", "2 0", "3 0", "4 4"),
};

const cases = loadBackends();

describe.each(Object.entries(ODD))("requests/%s", (name, expected) => {
  it("RequestDecoder comes to the documented outcome when it reads every recording", async () => {
    const recorded = cases.filter((each) => each.case === name);
    expect(recorded.length).toBeGreaterThan(0);
    for (const { server, requestBytes } of recorded) {
      expect(outcomeOf(await replayRequests([requestBytes])), server).toEqual(expected);
    }
  });
});

describe.each(byServer(cases))("requests/%s", (_, recorded) => {
  it("RequestDecoder emits requests and nothing else when the case is not odd", async () => {
    for (const { name, case: caseName, requestBytes } of recorded) {
      if (ODD[caseName] !== undefined) continue;
      const { requests, ...rest } = outcomeOf(await replayRequests([requestBytes]));
      expect(requests.length, name).toBeGreaterThan(0);
      expect(rest, name).toEqual({ replies: [], reports: [], failure: null });
    }
  });

  it("RequestDecoder comes to the same outcome when the bytes come in small pieces", async () => {
    for (const { name, requestBytes } of recorded) {
      const whole = await replayRequests([requestBytes]);
      for (const size of [1, 7, 8, 4096]) {
        const difference = requestsDiffer(await replayRequests(piecesOf(requestBytes, size, whole.records)), whole);
        expect(difference, `${name}, in pieces of ${size}`).toBeNull();
      }
    }
  });
});
