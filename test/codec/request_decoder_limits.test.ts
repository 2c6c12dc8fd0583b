import { expect, it } from "vitest";
import { RecordDecoder } from "../../src/codec/record_decoder.ts";
import { encodeRecords } from "../../src/codec/record_encoder.ts";
import { REQUEST_DECODER_DEFAULTS } from "../../src/codec/request_decoder_options.ts";
import { RecordType, Role } from "../../src/protocol/constants.ts";
import { encodeNameValuePairs } from "../../src/protocol/name_value_pairs.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { chunksOf, hexOf, latin1 } from "../support/bytes.ts";
import { caught, DrivenRequestDecoder, started } from "../support/decoders.ts";
import { heldBytes } from "../support/memory.ts";
import { begin, params, record, request, stdin, textOf } from "../support/records.ts";
import { drain, failureOf, isSettled, textFrom } from "../support/streams.ts";

const { AbortRequest, Data, EndRequest, Params, Stdin, Stdout } = RecordType;

/** The status of the CGI response in some records. */
function statusOf(replies: readonly FastCgiRecord[]): string | undefined {
  return /^Status: (\d+) /.exec(Buffer.from(replies[0]!.contentData).toString("latin1"))?.[1];
}

it("RequestDecoder takes exactly maxParamsBytes of params and answers 431 to one byte more", () => {
  const pairs = encodeNameValuePairs([["A", "x".repeat(95)]]);
  for (const size of [98, 50, 1]) {
    const records = [...chunksOf(pairs, size)].map((piece) => record(Params, 1, piece));
    const enough = new DrivenRequestDecoder({ maxParamsBytes: 98 });
    enough.send(begin(1), records, record(Params, 1));
    expect(enough.requests).toHaveLength(1);
    const tooFew = new DrivenRequestDecoder({ maxParamsBytes: 97 });
    tooFew.send(begin(1), records, record(Params, 1));
    expect(tooFew.requests).toEqual([]);
    expect(statusOf(tooFew.replies)).toBe("431");
    expect(tooFew.reports).toHaveLength(1);
    expect(tooFew.reports[0]).toMatchObject({ code: "limit", limit: "maxParamsBytes", requestId: 1 });
  }
});

it("RequestDecoder answers 431 when there are more pairs than maxParams", () => {
  const pairs = Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`N${index}`, ""]));
  const enough = new DrivenRequestDecoder({ maxParams: 5 });
  enough.send(started(1, pairs));
  expect(enough.requests).toHaveLength(1);
  const tooFew = new DrivenRequestDecoder({ maxParams: 4 });
  tooFew.send(started(1, pairs));
  expect(tooFew.requests).toEqual([]);
  expect(statusOf(tooFew.replies)).toBe("431");
  expect(tooFew.reports[0]).toMatchObject({ code: "limit", limit: "maxParams", requestId: 1 });
});

it("RequestDecoder has finite defaults for what a peer can grow", () => {
  const { maxStdinBytes, maxDataBytes, ...finite } = REQUEST_DECODER_DEFAULTS;
  // Bodies are not collected: maxQueuedBytes bounds what is held of them.
  expect([maxStdinBytes, maxDataBytes]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  for (const [name, value] of Object.entries(finite)) expect(Number.isFinite(Number(value)), name).toBe(true);
});

it("RequestDecoder goes on with other requests when one was refused for its params", () => {
  const driver = new DrivenRequestDecoder({ maxParamsBytes: 10 });
  driver.send(begin(1), begin(2, { keepConn: false }), record(Params, 2, "x".repeat(11)), record(Params, 2, "more"));
  expect(statusOf(driver.replies)).toBe("431");
  expect(driver.closes).toEqual([true]);
  expect([driver.decoder.activeRequests, driver.requests.length]).toEqual([1, 0]);
  driver.send(record(Params, 2), record(Stdin, 2), params(1, { A: "b" }));
  expect(driver.requests.map(({ requestId }) => requestId)).toEqual([1]);
  expect(driver.reports).toHaveLength(1);
});

it("RequestDecoder holds little memory when params come as one byte a record, with padding", () => {
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1));
  const records = new RecordDecoder();
  const controller = { enqueue: (piece: FastCgiRecord): void => void driver.send(piece) };
  const chunk = encodeRecords(Array(248).fill({ ...record(Params, 1, "x"), paddingLength: 255 }));
  const before = heldBytes();
  // 250,000 bytes of params in 65 MB of input.
  for (let count = 0; count < 1000; count++) records.transform(chunk.slice(), controller);
  expect(heldBytes() - before).toBeLessThan(4 * 1024 * 1024);
  expect([driver.decoder.activeRequests, driver.requests.length]).toEqual([1, 0]);
});

it("RequestDecoder holds no more than some times maxQueuedBytes when nobody reads stdin", () => {
  const driver = new DrivenRequestDecoder({ maxQueuedBytes: 256 * 1024 });
  driver.send(started(1));
  const records = new RecordDecoder();
  let pause: Promise<void> | undefined;
  const controller = {
    enqueue(piece: FastCgiRecord): void {
      pause = driver.send(piece) ?? pause;
    },
  };
  // A small body in each large chunk: views would keep all the chunks alive.
  const chunk = encodeRecords([record(Stdin, 1, "x"), record(Stdin, 9, new Uint8Array(60_000))]);
  const before = heldBytes();
  let chunks = 0;
  for (; pause === undefined; chunks++) records.transform(chunk.slice(), controller);
  expect(chunks).toBe(1024);
  expect(heldBytes() - before).toBeLessThan(4 * 256 * 1024);
});

it("RequestDecoder fails stdin with limit when it passes maxStdinBytes, and drains the rest", async () => {
  const driver = new DrivenRequestDecoder({ maxStdinBytes: 5 });
  driver.send(started(1), record(Stdin, 1, "12345"), record(Stdin, 1, "6"), record(Stdin, 1, "7"), record(Stdin, 1));
  expect(await drain(driver.requests[0]!.stdin)).toMatchObject({
    bytes: latin1("12345"),
    error: { code: "limit", limit: "maxStdinBytes", requestId: 1 },
  });
  expect(driver.decoder.expectsInput).toBe(false);
});

it("RequestDecoder fails data with limit when it passes maxDataBytes", async () => {
  const driver = new DrivenRequestDecoder({ maxDataBytes: 5 });
  driver.send(started(1, {}, Role.Filter), stdin(1, "longer"), record(Data, 1, "123456"), record(Data, 1));
  expect(await textFrom(driver.requests[0]!.stdin)).toBe("longer");
  expect(await failureOf(driver.requests[0]!.data)).toMatchObject({ code: "limit", limit: "maxDataBytes" });
});

it("RequestDecoder answers 503 when maxConcurrentRequests are active, and takes one again when one has ended", () => {
  for (const keepConn of [true, false]) {
    const driver = new DrivenRequestDecoder({ maxConcurrentRequests: 2 });
    // One that waits for its params counts as well.
    driver.send(request(1), begin(2));
    driver.send(begin(3, { keepConn }), params(3, {}), stdin(3, "body"));
    expect(driver.requests).toHaveLength(1);
    expect(statusOf(driver.replies)).toBe("503");
    expect(textOf(driver.replies, Stdout, 3)).toContain("\r\nRetry-After: 1\r\n");
    expect(hexOf(driver.replies.at(-1)!.contentData)).toBe("00 00 00 00 00 00 00 00");
    expect(driver.closes).toEqual([!keepConn]);
    expect(driver.reports[0]).toMatchObject({ code: "limit", limit: "maxConcurrentRequests", requestId: 3 });
    driver.decoder.end(1);
    driver.send(request(3));
    expect(driver.requests).toHaveLength(2);
  }
});

it("RequestDecoder refuses a second request with CANT_MPX_CONN when multiplexing is off", async () => {
  for (const keepConn of [true, false]) {
    const driver = new DrivenRequestDecoder({ multiplexing: false });
    driver.send(started(1));
    driver.send(begin(2, { keepConn }), params(2, {}), stdin(2, "other"));
    expect(driver.replies.map(({ type, requestId }) => [type, requestId])).toEqual([[EndRequest, 2]]);
    expect(hexOf(driver.replies[0]!.contentData)).toBe("00 00 00 00 01 00 00 00");
    // The connection is the first request's.
    expect(driver.closes).toEqual([false]);
    expect(driver.reports[0]).toMatchObject({ code: "cantMultiplex", requestId: 2 });
    driver.send(stdin(1, "mine"));
    expect(await textFrom(driver.requests[0]!.stdin)).toBe("mine");
    expect(driver.requests).toHaveLength(1);
    driver.decoder.end(1);
    driver.send(request(2));
    expect(driver.requests).toHaveLength(2);
  }
});

it("RequestDecoder drops a second request without an answer when respondCantMpxConn is off", () => {
  const driver = new DrivenRequestDecoder({ multiplexing: false, respondCantMpxConn: false });
  driver.send(started(1), request(2, { body: "other" }), stdin(1));
  expect(driver.requests.map(({ requestId }) => requestId)).toEqual([1]);
  // Not even an empty answer.
  expect([driver.replies, driver.closes]).toEqual([[], []]);
  expect(driver.reports[0]).toMatchObject({ code: "cantMultiplex", requestId: 2 });
});

it("RequestDecoder throws limit when more than maxDrainBytes came for inactive ids", () => {
  const driver = new DrivenRequestDecoder({ maxDrainBytes: 90 });
  for (let count = 0; count < 10; count++) driver.send(record(Stdin, 5, "123456789"));
  const error = caught(() => driver.send(record(Stdin, 5)));
  expect(error).toMatchObject({ code: "limit", limit: "maxDrainBytes" });
  expect(caught(() => driver.send(begin(1)))).toBe(error);
});

it("RequestDecoder counts the headers of empty records when it drains", () => {
  const driver = new DrivenRequestDecoder({ maxDrainBytes: 80 });
  for (let count = 0; count < 10; count++) driver.send(record(Stdin, 5));
  expect(caught(() => driver.send(record(Stdin, 5)))).toMatchObject({ limit: "maxDrainBytes" });
});

it("RequestDecoder drains as many bytes when records come in pieces as when they come at once", () => {
  const bytes = encodeRecords([1, 2, 3].map(() => record(Stdin, 5, new Uint8Array(500))));
  for (const size of [1, 3, 100, bytes.length]) {
    const driver = new DrivenRequestDecoder({ maxDrainBytes: 1500 });
    // As a connection decodes: what is in a chunk becomes a record.
    const records = new RecordDecoder({ splitStreams: true });
    for (const chunk of chunksOf(bytes, size)) {
      records.transform(chunk, { enqueue: (piece) => void driver.send(piece) });
    }
    expect(caught(() => driver.send(record(Stdin, 5, "x")))).toMatchObject({ limit: "maxDrainBytes" });
  }
});

it("RequestDecoder counts anew when a request begins", () => {
  const driver = new DrivenRequestDecoder({ maxDrainBytes: 90 });
  for (let count = 0; count < 5; count++) {
    driver.send(record(Stdin, 5, new Uint8Array(90)), request(1));
    driver.decoder.end(1);
  }
  expect(driver.requests).toHaveLength(5);
});

/** Input that is of no use to a request that is active, and not free either. */
const USELESS: readonly (readonly [what: string, role: number, use: (driver: DrivenRequestDecoder) => void])[] = [
  ["a body whose reader has cancelled", Role.Responder, ({ requests }) => void requests[0]!.stdin.cancel()],
  ["a body that was aborted", Role.Responder, (driver) => driver.send(record(AbortRequest, 1))],
  ["a body for an Authorizer", Role.Authorizer, () => {}],
  ["a body that is over its limit", Role.Responder, (driver) => driver.send(record(Stdin, 1, "123456"))],
  ["a request that has ended", Role.Responder, ({ decoder }) => void decoder.end(1)],
];

it.each(USELESS)("RequestDecoder counts %s as drained", (_, role, use) => {
  const driver = new DrivenRequestDecoder({ maxDrainBytes: 1000, maxStdinBytes: 5 });
  driver.send(started(1, {}, role));
  use(driver);
  driver.send(record(Stdin, 1, new Uint8Array(1000)));
  expect(caught(() => driver.send(record(Stdin, 1, "x")))).toMatchObject({ code: "limit", limit: "maxDrainBytes" });
});

it("RequestDecoder throws when an option is not a positive number", () => {
  for (const name of ["maxParamsBytes", "maxQueuedBytes", "maxConcurrentRequests"]) {
    expect(() => new DrivenRequestDecoder({ [name]: 0 })).toThrow(RangeError);
    expect(() => new DrivenRequestDecoder({ [name]: "1" })).toThrow(TypeError);
  }
});

it("RequestDecoder asks for a pause when a request holds maxQueuedBytes, and goes on when it was read", async () => {
  const driver = new DrivenRequestDecoder({ maxQueuedBytes: 1000 });
  driver.send(started(1));
  expect(driver.send(record(Stdin, 1, new Uint8Array(999)))).toBeUndefined();
  const pause = driver.send(record(Stdin, 1, "x"))!;
  expect(await isSettled(pause)).toBe(false);
  await driver.requests[0]!.stdinQueue.read();
  expect(await isSettled(pause)).toBe(true);
});

it("RequestDecoder asks for a pause when DATA is not read", async () => {
  const driver = new DrivenRequestDecoder({ maxQueuedBytes: 1000 });
  driver.send(started(1, {}, Role.Filter), stdin(1));
  const pause = driver.send(record(Data, 1, new Uint8Array(1000)))!;
  expect(await isSettled(pause)).toBe(false);
  await driver.requests[0]!.dataQueue.read();
  expect(await isSettled(pause)).toBe(true);
});

it("RequestDecoder ends a pause when the request is ended, cancelled or aborted", async () => {
  const ways: readonly ((driver: DrivenRequestDecoder) => unknown)[] = [
    ({ decoder }) => decoder.end(1),
    ({ requests }) => requests[0]!.stdin.cancel(),
    ({ decoder }) => decoder.flush(),
  ];
  for (const way of ways) {
    const driver = new DrivenRequestDecoder({ maxQueuedBytes: 1000 });
    driver.send(started(1));
    const pause = driver.send(record(Stdin, 1, new Uint8Array(1000)))!;
    expect(await isSettled(pause)).toBe(false);
    way(driver);
    expect(await isSettled(pause)).toBe(true);
  }
});

it("RequestDecoder asks for no pause when nobody will read the body any more", async () => {
  const driver = new DrivenRequestDecoder({ maxQueuedBytes: 1000 });
  driver.send(started(1));
  await driver.requests[0]!.stdin.cancel();
  expect(driver.send(record(Stdin, 1, new Uint8Array(5000)))).toBeUndefined();
  expect(driver.requests[0]!.stdinQueue.cost).toBe(0);
});
