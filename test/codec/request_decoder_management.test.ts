import { expect, it } from "vitest";
import { encodeRecords } from "../../src/codec/record_encoder.ts";
import { RequestDecoder } from "../../src/codec/request_decoder.ts";
import { RecordType } from "../../src/protocol/constants.ts";
import { decodeNameValuePairs, encodeNameValuePairs } from "../../src/protocol/name_value_pairs.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { hex, hexOf, latin1 } from "../support/bytes.ts";
import { caught, DrivenRequestDecoder, started } from "../support/decoders.ts";
import { begin, params, record, request, stdin } from "../support/records.ts";
import { textFrom } from "../support/streams.ts";
import { unhandledRejectionsOf } from "../support/unhandled_rejections.ts";

const { BeginRequest, GetValues, GetValuesResult, Stdin, UnknownType } = RecordType;

function question(...names: readonly string[]): FastCgiRecord {
  return record(GetValues, 0, encodeNameValuePairs(names.map((name) => [name, ""])));
}

/** What is answered to one record on id 0. */
function answerTo(asked: FastCgiRecord, options = {}): Record<string, string> {
  const driver = new DrivenRequestDecoder(options);
  driver.send(asked);
  expect(driver.replies).toHaveLength(1);
  expect(driver.replies[0]).toMatchObject({ type: GetValuesResult, requestId: 0 });
  expect(driver.closes).toEqual([false]);
  expect([driver.requests, driver.reports]).toEqual([[], []]);
  return Object.fromEntries(decodeNameValuePairs(driver.replies[0]!.contentData));
}

const ALL = ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"];

it("RequestDecoder answers GET_VALUES from its limits", () => {
  expect(answerTo(question(...ALL), { maxConnections: 17, maxConcurrentRequests: 5 })).toEqual({
    FCGI_MAX_CONNS: "17",
    FCGI_MAX_REQS: "5",
    FCGI_MPXS_CONNS: "1",
  });
});

it("RequestDecoder answers FCGI_MPXS_CONNS=0 and FCGI_MAX_REQS from maxConnections when multiplexing is off", () => {
  expect(answerTo(question(...ALL), { maxConnections: 17, maxConcurrentRequests: 5, multiplexing: false })).toEqual({
    FCGI_MAX_CONNS: "17",
    FCGI_MAX_REQS: "17",
    FCGI_MPXS_CONNS: "0",
  });
});

it("RequestDecoder writes the answer to HAProxy's question byte by byte as FastCGI 4.1 has it", () => {
  // HAProxy 2.6.12 with get-values, the first record of every connection.
  const driver = new DrivenRequestDecoder({ maxConcurrentRequests: 50 });
  driver.send(record(GetValues, 0, latin1("\x0d\0FCGI_MAX_REQS\x0f\0FCGI_MPXS_CONNS")));
  expect(Buffer.from(encodeRecords(driver.replies)).toString("latin1")).toBe(
    "\x01\x0a\0\0\0\x23\x05\0\x0d\x02FCGI_MAX_REQS50\x0f\x01FCGI_MPXS_CONNS1\0\0\0\0\0",
  );
});

it("RequestDecoder answers only the names that were asked for, once each", () => {
  expect(answerTo(question("FCGI_MAX_REQS"), { maxConcurrentRequests: 5 })).toEqual({ FCGI_MAX_REQS: "5" });
  const driver = new DrivenRequestDecoder();
  driver.send(question("FCGI_MPXS_CONNS", "FCGI_MPXS_CONNS"));
  expect(decodeNameValuePairs(driver.replies[0]!.contentData)).toEqual([["FCGI_MPXS_CONNS", "1"]]);
});

it("RequestDecoder leaves unknown names out of the answer, whatever they are called", () => {
  // Recorder, get-values-unknown-name; node-fastcgi 2.0.0 crashes on "constructor".
  const odd = ["X_NO_SUCH", "constructor", "__proto__", "toString", "", "fcgi_max_reqs", "FCGI_MAX_REQS\0", "\xff"];
  expect(answerTo(question(...odd))).toEqual({});
  expect(answerTo(question(...odd, "FCGI_MPXS_CONNS"))).toEqual({ FCGI_MPXS_CONNS: "1" });
});

it("RequestDecoder ignores values in the question", () => {
  const asked = record(GetValues, 0, encodeNameValuePairs([["FCGI_MPXS_CONNS", "0"]]));
  expect(answerTo(asked)).toEqual({ FCGI_MPXS_CONNS: "1" });
});

it("RequestDecoder answers an empty question with an empty GET_VALUES_RESULT", () => {
  // Recorder, get-values-empty.
  expect(answerTo(record(GetValues, 0))).toEqual({});
});

it("RequestDecoder answers a padded question", () => {
  // Recorder, get-values-padded.
  expect(answerTo({ ...question("FCGI_MPXS_CONNS"), paddingLength: 7 })).toEqual({ FCGI_MPXS_CONNS: "1" });
});

it("RequestDecoder answers GET_VALUES at any time, also between the records of a request", async () => {
  // Recorder, get-values-during-request.
  const driver = new DrivenRequestDecoder();
  const asked = question("FCGI_MPXS_CONNS");
  const [first, ...more] = params(1, { A: "b" });
  driver.send(asked, begin(1), asked, first!, asked, more, asked, record(Stdin, 1, "bo"), asked);
  driver.send(record(Stdin, 1, "dy"), record(Stdin, 1), asked);
  expect(await textFrom(driver.requests[0]!.stdin)).toBe("body");
  driver.decoder.end(1);
  driver.send(asked);
  expect(driver.replies.map(({ type }) => type)).toEqual(Array(7).fill(GetValuesResult));
  expect([...driver.requests[0]!.params]).toEqual([["A", "b"]]);
});

it("RequestDecoder throws protocol when the pairs of GET_VALUES are cut", () => {
  const driver = new DrivenRequestDecoder();
  expect(caught(() => driver.send(record(GetValues, 0, hex("0f 00 46 43 47 49"))))).toMatchObject({ code: "protocol" });
  expect(driver.replies).toEqual([]);
});

it("RequestDecoder answers every other type on id 0 with UNKNOWN_TYPE, and reports it", () => {
  // Recorder, unknown-management-type, and libfcgi's answer to it.
  for (let type = 0; type <= 255; type++) {
    if (type === GetValues) continue;
    const driver = new DrivenRequestDecoder();
    driver.send(record(type, 0, "what?"));
    expect(driver.replies.map((reply) => [reply.type, reply.requestId])).toEqual([[UnknownType, 0]]);
    expect(hexOf(driver.replies[0]!.contentData)).toBe(`${hexOf(Uint8Array.of(type))} 00 00 00 00 00 00 00`);
    expect(driver.closes).toEqual([false]);
    expect(driver.reports).toHaveLength(1);
    expect(driver.reports[0]).toMatchObject({ code: "protocol" });
    driver.send(request(1));
    expect(driver.requests).toHaveLength(1);
  }
});

it("RequestDecoder begins nothing when BEGIN_REQUEST has id 0", () => {
  // Recorder, begin-id-0.
  const driver = new DrivenRequestDecoder();
  driver.send(started(0), stdin(0, "body"));
  expect(driver.decoder.activeRequests).toBe(0);
  expect(driver.requests).toEqual([]);
  expect(driver.replies.map(({ contentData }) => contentData[0])).toEqual([BeginRequest, 4, 4, Stdin, Stdin]);
});

it.each([
  ["GET_VALUES", 9],
  ["GET_VALUES_RESULT", 10],
  ["UNKNOWN_TYPE", 11],
  ["type 0", 0],
  ["type 12", 12],
  ["type 77", 77],
  ["type 255", 255],
])("RequestDecoder ignores and reports %s for an active request, and does not answer", async (_, type) => {
  // Recorder, unknown-type-active-request. nginx and Apache fail a request on an answer they did not ask for.
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1), record(type, 1, "zzz"), params(1, {}), record(type, 1), stdin(1, "body"), record(type, 1));
  expect(driver.replies).toEqual([]);
  expect(driver.reports).toHaveLength(3);
  expect(driver.reports[0]).toMatchObject({ code: "protocol", requestId: 1 });
  expect(await textFrom(driver.requests[0]!.stdin)).toBe("body");
});

it("RequestDecoder drops in silence when its outlet has no report", async () => {
  const replies: FastCgiRecord[] = [];
  const decoder = new RequestDecoder({ reply: (records) => replies.push(...records) });
  const rejections = await unhandledRejectionsOf(async () => {
    decoder.transform(record(77, 0), { enqueue: (): never => expect.unreachable() });
  });
  expect([replies.length, rejections]).toEqual([1, []]);
});

it("RequestDecoder goes on when its outlet's report throws, and when its reply does", async () => {
  const broken = new Error("broken");
  const replies: FastCgiRecord[] = [];
  let fails = true;
  const decoder = new RequestDecoder({
    reply(records) {
      if (fails) throw broken;
      replies.push(...records);
    },
    report() {
      throw broken;
    },
  });
  const none = { enqueue: (): never => expect.unreachable() };
  expect(() => decoder.transform(question(...ALL), none)).toThrow(broken);
  fails = false;
  const rejections = await unhandledRejectionsOf(async () => decoder.transform(record(77, 0), none));
  expect(rejections).toEqual([broken]);
  decoder.transform(question(...ALL), none);
  expect(replies.map(({ type }) => type)).toEqual([UnknownType, GetValuesResult]);
});
