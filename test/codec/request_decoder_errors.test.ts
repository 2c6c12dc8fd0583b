import { expect, it } from "vitest";
import { RequestDecoder } from "../../src/codec/request_decoder.ts";
import type { RequestDecoderOptions } from "../../src/codec/request_decoder_options.ts";
import { ProtocolStatus, RecordType, Role } from "../../src/protocol/constants.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { hex, hexOf } from "../support/bytes.ts";
import { caught, DrivenRequestDecoder, started } from "../support/decoders.ts";
import { begin, params, record, request, stdin } from "../support/records.ts";
import { failureOf } from "../support/streams.ts";

const { AbortRequest, BeginRequest, Data, EndRequest, Params, Stderr, Stdin, Stdout } = RecordType;

const { Responder, Authorizer, Filter } = Role;

/** Records in an order that FastCGI 6.1 to 6.4 do not have. */
const OUT_OF_ORDER: readonly (readonly [what: string, role: number, records: FastCgiRecord[]])[] = [
  ["STDIN before the end of PARAMS of a Responder", Responder, [record(Stdin, 1, "x")]],
  ["an empty STDIN before the end of PARAMS of a Responder", Responder, [record(Stdin, 1)]],
  ["PARAMS behind their end of a Responder", Responder, [record(Params, 1), record(Params, 1, "x")]],
  ["STDIN behind its end of a Responder", Responder, [record(Params, 1), ...stdin(1), record(Stdin, 1, "x")]],
  [
    "PARAMS behind the end of STDIN of a Responder",
    Responder,
    [record(Params, 1), ...stdin(1), record(Params, 1, "x")],
  ],
  ["DATA before the end of PARAMS of a Filter", Filter, [record(Data, 1, "x")]],
  ["DATA before the end of STDIN of a Filter", Filter, [record(Params, 1), record(Data, 1, "x")]],
  ["an empty DATA before the end of STDIN of a Filter", Filter, [record(Params, 1), record(Data, 1)]],
  ["STDIN behind its end of a Filter", Filter, [record(Params, 1), ...stdin(1), record(Stdin, 1, "x")]],
  ["DATA behind its end of a Filter", Filter, [record(Params, 1), ...stdin(1), record(Data, 1), record(Data, 1, "x")]],
  ["PARAMS behind their end of an Authorizer", Authorizer, [record(Params, 1), record(Params, 1, "x")]],
];

it.each(OUT_OF_ORDER)("RequestDecoder throws protocol when there is %s", (_, role, records) => {
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1, { role }), records.slice(0, -1));
  const error = caught(() => driver.send(records.at(-1)!));
  expect(error).toMatchObject({ code: "protocol", requestId: 1 });
  expect(error.message).toMatch(/^Cannot read [A-Za-z ]+: request 1 is in state [a-z]+$/);
});

it.each([
  ["STDOUT", Stdout],
  ["STDERR", Stderr],
  ["END_REQUEST", EndRequest],
])("RequestDecoder throws protocol when %s comes for an active request: only applications send it", (_, type) => {
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1));
  expect(caught(() => driver.send(record(type, 1, hex("00 00 00 00 00 00 00 00"))))).toMatchObject({
    code: "protocol",
    requestId: 1,
  });
});

it("RequestDecoder throws protocol when BEGIN_REQUEST comes for an active id", () => {
  // Recorder, same-id-twice.
  for (const records of [[begin(1)], started(1), request(1)]) {
    const driver = new DrivenRequestDecoder();
    driver.send(records);
    const error = caught(() => driver.send(begin(1)));
    expect(error).toMatchObject({ code: "protocol", requestId: 1, message: "Cannot begin request 1: it is active" });
  }
});

it("RequestDecoder throws protocol when the body of BEGIN_REQUEST is short", () => {
  for (let length = 0; length < 8; length++) {
    const driver = new DrivenRequestDecoder();
    expect(caught(() => driver.send(record(BeginRequest, 1, new Uint8Array(length)))).code).toBe("protocol");
  }
});

it("RequestDecoder takes a long body of BEGIN_REQUEST unless strictBeginBodySize is set", () => {
  const long = record(BeginRequest, 1, hex("00 01 01 00 00 00 00 00 ff ff ff ff ff ff ff ff"));
  const lenient = new DrivenRequestDecoder();
  lenient.send(long, params(1, {}));
  expect(lenient.requests[0]).toMatchObject({ role: 1, keepConn: true });
  const strict = new DrivenRequestDecoder({ strictBeginBodySize: true });
  expect(caught(() => strict.send(long)).message).toContain("expected 8 bytes, got 16");
  const exact = new DrivenRequestDecoder({ strictBeginBodySize: true });
  exact.send(begin(1));
  expect(exact.decoder.activeRequests).toBe(1);
});

it("RequestDecoder refuses an unknown role with UNKNOWN_ROLE and drops what comes for it", () => {
  // Recorder, role-0 and role-9.
  for (const role of [0, 4, 9, 256, 65_535]) {
    for (const keepConn of [true, false]) {
      const driver = new DrivenRequestDecoder();
      driver.send(begin(1, { role, keepConn }), params(1, { A: "b" }), stdin(1, "x"));
      expect(driver.requests).toEqual([]);
      expect(driver.replies.map(({ type, requestId }) => [type, requestId])).toEqual([[EndRequest, 1]]);
      expect(driver.replies[0]!.contentData[4]).toBe(ProtocolStatus.UnknownRole);
      expect(driver.closes).toEqual([!keepConn]);
      expect(driver.reports).toHaveLength(1);
      expect(driver.reports[0]).toMatchObject({ code: "unknownRole", requestId: 1 });
      driver.send(request(1));
      expect(driver.requests).toHaveLength(1);
    }
  }
});

it("RequestDecoder answers 400 when a pair passes the end of the params, and the connection goes on", () => {
  // Recorder, params-overrun.
  for (const keepConn of [true, false]) {
    const driver = new DrivenRequestDecoder();
    driver.send(begin(1, { keepConn }), record(Params, 1, hex("01 05 41 62")), record(Params, 1), stdin(1));
    expect(driver.requests).toEqual([]);
    expect(driver.replies.map(({ type }) => type)).toEqual([Stdout, Stdout, EndRequest]);
    expect(Buffer.from(driver.replies[0]!.contentData).toString()).toMatch(/^Status: 400 Bad Request\r\n/);
    expect(hexOf(driver.replies[2]!.contentData)).toBe("00 00 00 00 00 00 00 00");
    expect(driver.closes).toEqual([!keepConn]);
    expect(driver.reports).toHaveLength(1);
    expect(driver.reports[0]).toMatchObject({ code: "protocol", requestId: 1 });
    expect(driver.decoder.activeRequests).toBe(0);
    driver.send(request(2));
    expect(driver.requests).toHaveLength(1);
  }
});

it("RequestDecoder throws the same error ever after when it has thrown one", () => {
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1));
  const error = caught(() => driver.send(begin(1)));
  for (const each of [begin(2), record(Params, 1), record(Stdin, 9, "x"), record(RecordType.GetValues, 0)]) {
    expect(caught(() => driver.send(each))).toBe(error);
  }
  expect([driver.requests, driver.replies]).toEqual([[], []]);
});

/** What comes, and what is reported of it. The connection goes on. */
const REPORTED: readonly (readonly [message: string, options: RequestDecoderOptions, records: FastCgiRecord[]])[] = [
  ["Cannot accept request 2: multiplexing is off", { multiplexing: false }, [begin(1), begin(2)]],
  ["Cannot accept request 1: expected a role from 1 to 3, got 4", {}, [begin(1, { role: 4 })]],
  ["Cannot accept request 2: 1 are active", { maxConcurrentRequests: 1 }, [begin(1), begin(2)]],
  ["Cannot accept request 1: more than 1 bytes of params", { maxParamsBytes: 1 }, [begin(1), record(Params, 1, "xx")]],
  ["Unexpected management record of type Stdin", {}, [record(Stdin, 0)]],
  ["Unexpected management record of type 77", {}, [record(77, 0)]],
  ["Dropped a record of type 77", {}, [begin(1), record(77, 1)]],
  ["Dropped 1 bytes of DATA: the role has no such stream", {}, [...started(1), record(Data, 1, "x")]],
];

it.each(REPORTED)("RequestDecoder reports %s", (message, options, records) => {
  const driver = new DrivenRequestDecoder(options);
  driver.send(records);
  expect(driver.reports.map((error) => error.message)).toEqual([message]);
  driver.send(request(9));
});

it("RequestDecoder reports what is dropped with the request that it was for", () => {
  const reports: unknown[][] = [];
  const requests: unknown[] = [];
  const decoder = new RequestDecoder({ reply() {}, report: (...report) => reports.push(report) });
  for (const each of [begin(1), record(77, 1), ...params(1, {}), record(77, 1)]) {
    decoder.transform(each, { enqueue: (one) => requests.push(one) });
  }
  expect(reports.map(([, about]) => about)).toEqual([undefined, requests[0]]);
});

it.each([
  ["Cannot read a Stdout record: only applications send it", {}, [begin(1), record(Stdout, 1, "x")]],
  [
    "Cannot go on reading: more than 3 bytes for requests that are not active",
    { maxDrainBytes: 3 },
    [record(Stdin, 1)],
  ],
] as const)("RequestDecoder throws %s", (message, options, records) => {
  const driver = new DrivenRequestDecoder(options);
  expect(caught(() => driver.send(...records)).message).toBe(message);
});

it("RequestDecoder says what ended a request whose input was still to come", async () => {
  const ways: readonly (readonly [message: string, way: (driver: DrivenRequestDecoder) => unknown])[] = [
    ["Cannot read the rest of the request: it was answered before", ({ decoder }) => decoder.end(1)],
    ["Cannot finish the request: the web server closed the connection", ({ decoder }) => decoder.flush()],
    ["Cannot finish the request: the web server aborted it", (driver) => driver.send(record(AbortRequest, 1))],
  ];
  for (const [message, way] of ways) {
    const driver = new DrivenRequestDecoder();
    driver.send(started(1));
    way(driver);
    expect(await failureOf(driver.requests[0]!.stdin)).toMatchObject({ message });
  }
});

it("RequestDecoder refuses what is no outlet and no record, and goes on", () => {
  const reply = (): void => {};
  expect(() => new RequestDecoder(null as never)).toThrow(
    new TypeError("Cannot decode requests: expected outlet to be an object with reply, got null"),
  );
  expect(() => new RequestDecoder({} as never)).toThrow(
    new TypeError("Cannot use reply: expected a function, got undefined"),
  );
  expect(() => new RequestDecoder({ reply, report: 7 as never })).toThrow(
    new TypeError("Cannot use report: expected a function, got 7"),
  );
  const driver = new DrivenRequestDecoder();
  expect(() => driver.send(7 as never)).toThrow(new TypeError("Cannot decode requests: expected a record, got 7"));
  driver.send(request(1));
  expect(driver.requests).toHaveLength(1);
});
