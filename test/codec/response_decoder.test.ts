import { expect, it } from "vitest";
import { RecordDecoder } from "../../src/codec/record_decoder.ts";
import { encodeRecords } from "../../src/codec/record_encoder.ts";
import { ResponseDecoder } from "../../src/codec/response_decoder.ts";
import { RESPONSE_DECODER_DEFAULTS } from "../../src/codec/response_decoder_options.ts";
import { RecordType } from "../../src/protocol/constants.ts";
import { FastCgiError } from "../../src/protocol/errors.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { hex, latin1 } from "../support/bytes.ts";
import { caught, DrivenResponseDecoder, end } from "../support/decoders.ts";
import { heldBytes } from "../support/memory.ts";
import { record } from "../support/records.ts";
import { drain, failureOf, isSettled, textFrom } from "../support/streams.ts";
import { unhandledRejectionsOf } from "../support/unhandled_rejections.ts";

const { EndRequest, GetValuesResult, Stderr, Stdout, UnknownType } = RecordType;

it("ResponseDecoder emits a response with its first record and feeds it to its end", async () => {
  const driver = new DrivenResponseDecoder();
  driver.send(record(Stdout, 1, "Status: 200 OK\r\n\r\n"));
  const [response] = driver.responses;
  expect(response!.requestId).toBe(1);
  expect(driver.decoder.activeResponses).toBe(1);
  driver.send(record(Stdout, 1, "Hello"), record(Stdout, 1));
  expect(await isSettled(response!.end)).toBe(false);
  driver.send(end(1, { appStatus: 3 }));
  expect(await textFrom(response!.stdout)).toBe("Status: 200 OK\r\n\r\nHello");
  expect(await textFrom(response!.stderr)).toBe("");
  expect(await response!.end).toEqual({ appStatus: 3, protocolStatus: 0 });
  expect(driver.decoder.activeResponses).toBe(0);
  expect(driver.responses).toHaveLength(1);
});

it("ResponseDecoder ends stdout at END_REQUEST when the empty STDOUT never comes", async () => {
  // php-fpm and php-cgi 8.2.36 never send it.
  const driver = new DrivenResponseDecoder();
  driver.send(record(Stdout, 1, "page"), end(1));
  expect(await textFrom(driver.responses[0]!.stdout)).toBe("page");
});

it("ResponseDecoder does not end stdout at the empty STDOUT: END_REQUEST may still refuse or fail to come", async () => {
  const driver = new DrivenResponseDecoder();
  driver.send(record(Stdout, 1, "page"), record(Stdout, 1));
  const text = textFrom(driver.responses[0]!.stdout);
  expect(await isSettled(text)).toBe(false);
  driver.send(end(1));
  expect(await text).toBe("page");
});

it("ResponseDecoder collects STDERR apart from STDOUT when it comes before, between and behind", async () => {
  // php-fpm 8.2.36, script-log; libfcgi 2.4.2 ends STDERR, app-stderr.
  const driver = new DrivenResponseDecoder();
  driver.send(record(Stderr, 1, "a"), record(Stdout, 1, "x"), record(Stderr, 1, "b"), record(Stdout, 1, "y"));
  driver.send(record(Stdout, 1), record(Stderr, 1, "c"), record(Stderr, 1), end(1));
  expect(await textFrom(driver.responses[0]!.stdout)).toBe("xy");
  expect(await textFrom(driver.responses[0]!.stderr)).toBe("abc");
});

it("ResponseDecoder keeps responses apart when their records are interleaved", async () => {
  // Go net/http/fcgi 1.19, mpx-4-out-of-order.
  const driver = new DrivenResponseDecoder();
  driver.send(record(Stdout, 3, "c"), record(Stdout, 1, "a"), record(Stderr, 3, "!"), record(Stdout, 3, "cc"));
  driver.send(end(3), record(Stdout, 1, "aa"), record(Stdout, 65_535, "z"), end(1), end(65_535));
  expect(driver.responses.map(({ requestId }) => requestId)).toEqual([3, 1, 65_535]);
  expect(await Promise.all(driver.responses.map((each) => textFrom(each.stdout)))).toEqual(["ccc", "aaa", "z"]);
});

it("ResponseDecoder emits a response that is nothing but END_REQUEST", async () => {
  const driver = new DrivenResponseDecoder();
  driver.send(end(1, { protocolStatus: 1 }));
  expect(await failureOf(driver.responses[0]!.stdout)).toMatchObject({ code: "cantMultiplex", requestId: 1 });
});

it("ResponseDecoder emits an id again as a response of its own when nothing was expected", async () => {
  // Go net/http/fcgi 1.19, abort-in-stdin-keepconn: STDOUT and END_REQUEST come a second time.
  const driver = new DrivenResponseDecoder();
  driver.send(end(1), record(Stdout, 1, "late"), end(1));
  expect(await Promise.all(driver.responses.map((each) => textFrom(each.stdout)))).toEqual(["", "late"]);
});

it("ResponseDecoder feeds the responses that are expected and emits none", async () => {
  const driver = new DrivenResponseDecoder();
  const [first, second] = [driver.decoder.expect(1), driver.decoder.expect(2)];
  expect(driver.decoder.activeResponses).toBe(2);
  driver.send(record(Stdout, 2, "b"), record(Stdout, 1, "a"), end(1), end(2));
  expect(await textFrom(first.stdout)).toBe("a");
  expect(await textFrom(second.stdout)).toBe("b");
  expect(driver.responses).toEqual([]);
});

it("ResponseDecoder passes the hooks of an expected response on", async () => {
  const driver = new DrivenResponseDecoder();
  const seen: unknown[] = [];
  const response = driver.decoder.expect(1, {
    onStderr: (piece) => seen.push(Buffer.from(piece).toString()),
    onAbandoned: (reason) => seen.push(reason),
  });
  driver.send(record(Stderr, 1, "PHP Notice"));
  await response.stdout.cancel("enough");
  expect(seen).toEqual(["PHP Notice", "enough"]);
});

it("ResponseDecoder throws protocol when a record comes for an id that nobody began", () => {
  for (const stray of [record(Stdout, 2, "x"), record(Stderr, 2, "x"), record(Stdout, 2), end(2)]) {
    const driver = new DrivenResponseDecoder();
    driver.decoder.expect(1);
    expect(caught(() => driver.send(stray))).toMatchObject({ code: "protocol", requestId: 2 });
  }
});

it("ResponseDecoder reports and drops what comes for an expected id that is over", () => {
  const driver = new DrivenResponseDecoder();
  driver.decoder.expect(1);
  driver.send(end(1), record(Stdout, 1, "late"), record(Stderr, 1, "x"), end(1));
  expect(driver.responses).toEqual([]);
  expect(driver.reports.map(({ code, requestId, message }) => [code, requestId, message])).toEqual([
    ["protocol", 1, "Dropped STDOUT: request 1 is over"],
    ["protocol", 1, "Dropped STDERR: request 1 is over"],
    ["protocol", 1, "Dropped END_REQUEST: request 1 is over"],
  ]);
});

it("ResponseDecoder feeds an id again when it is expected again", async () => {
  const driver = new DrivenResponseDecoder();
  driver.decoder.expect(1);
  driver.send(record(Stdout, 1, "first"), end(1));
  const again = driver.decoder.expect(1);
  driver.send(record(Stdout, 1, "second"), end(1));
  expect(await textFrom(again.stdout)).toBe("second");
  expect(driver.reports).toEqual([]);
});

it("ResponseDecoder tolerates the end of a stream when it comes again", async () => {
  const driver = new DrivenResponseDecoder();
  driver.send(record(Stdout, 1, "a"), record(Stdout, 1), record(Stdout, 1), record(Stderr, 1), record(Stderr, 1));
  driver.send(end(1));
  expect(await textFrom(driver.responses[0]!.stdout)).toBe("a");
});

it("ResponseDecoder throws protocol when STDOUT goes on behind its end", () => {
  const driver = new DrivenResponseDecoder();
  driver.send(record(Stdout, 1, "a"), record(Stdout, 1));
  const error = caught(() => driver.send(record(Stdout, 1, "b")));
  expect(error).toMatchObject({ code: "protocol", requestId: 1 });
  expect(error.message).toBe("Cannot read STDOUT: request 1 is in state stdout ended");
});

it("ResponseDecoder throws protocol when END_REQUEST is shorter than eight bytes", () => {
  const driver = new DrivenResponseDecoder();
  expect(caught(() => driver.send(record(EndRequest, 1, new Uint8Array(7))))).toMatchObject({ code: "protocol" });
});

it("ResponseDecoder never looks at the reserved bytes of END_REQUEST", async () => {
  // php-fpm 8.2.36, begin-while-active.
  const driver = new DrivenResponseDecoder();
  driver.send(record(Stdout, 1, "page"), record(EndRequest, 1, hex("00 00 00 00 00 31 00 ff")));
  expect(await driver.responses[0]!.end).toEqual({ appStatus: 0, protocolStatus: 0 });
  expect(await textFrom(driver.responses[0]!.stdout)).toBe("page");
});

it.each([1, 2, 4, 5, 8, 9, 10, 11, 0, 12, 77, 255])(
  "ResponseDecoder throws protocol when type %i comes for a request: applications do not send it",
  (type) => {
    const driver = new DrivenResponseDecoder();
    driver.decoder.expect(1);
    expect(caught(() => driver.send(record(type, 1, "x")))).toMatchObject({ code: "protocol", requestId: 1 });
  },
);

it("ResponseDecoder hands on the answers to management records, padding and all", () => {
  // libfcgi 2.4.2, get-values-padded: the padding holds what was on its stack. Go 1.19 sends a second, empty answer.
  const bytes = hex(`
    01 0a 00 00 00 12 06 00 0f 01 46 43 47 49 5f 4d 50 58 53 5f 43 4f 4e 4e 53 30 00 dc fa 7f 00 00
    01 0a 00 00 00 00 00 00
    01 0b 00 00 00 08 00 00 4d 00 00 00 00 00 00 00`);
  const driver = new DrivenResponseDecoder();
  new RecordDecoder().transform(bytes, { enqueue: (piece) => void driver.send(piece) });
  expect(driver.management).toEqual([
    { type: GetValuesResult, requestId: 0, contentData: latin1("\x0f\x01FCGI_MPXS_CONNS0"), paddingLength: 6 },
    { type: GetValuesResult, requestId: 0, contentData: hex(""), paddingLength: 0 },
    { type: UnknownType, requestId: 0, contentData: hex("4d 00 00 00 00 00 00 00"), paddingLength: 0 },
  ]);
  expect(driver.responses).toEqual([]);
});

it("ResponseDecoder hands on management records in the middle of a response", async () => {
  const driver = new DrivenResponseDecoder();
  driver.send(record(Stdout, 1, "a"), record(GetValuesResult, 0), record(Stdout, 1, "b"), end(1));
  expect(driver.management).toHaveLength(1);
  expect(await textFrom(driver.responses[0]!.stdout)).toBe("ab");
});

it("ResponseDecoder throws protocol when any other type has id 0", () => {
  for (let type = 0; type <= 255; type++) {
    if (type === GetValuesResult || type === UnknownType) continue;
    const driver = new DrivenResponseDecoder();
    expect(
      caught(() => driver.send(record(type, 0, "x"))),
      String(type),
    ).toMatchObject({ code: "protocol" });
  }
});

it("ResponseDecoder keeps STDERR up to maxStderrBytes and stalls nothing", async () => {
  const driver = new DrivenResponseDecoder({ maxStderrBytes: 10, maxQueuedBytes: 10 });
  for (let count = 0; count < 5; count++) expect(driver.send(record(Stderr, 1, "12345678"))).toBeUndefined();
  driver.send(record(Stdout, 1, "page"), end(1));
  const [response] = driver.responses;
  expect(response!.stderrTruncated).toBe(true);
  expect(await textFrom(response!.stderr)).toBe("1234567812");
  expect(await textFrom(response!.stdout)).toBe("page");
});

it("ResponseDecoder holds little memory when an application floods STDERR", () => {
  const driver = new DrivenResponseDecoder();
  const records = new RecordDecoder();
  const controller = { enqueue: (piece: FastCgiRecord): void => void driver.send(piece) };
  const chunk = encodeRecords(Array<FastCgiRecord>(1000).fill(record(Stderr, 1, "x".repeat(64))));
  const before = heldBytes();
  for (let count = 0; count < 500; count++) records.transform(chunk.slice(), controller);
  expect(heldBytes() - before).toBeLessThan(8 * 1024 * 1024);
});

it("ResponseDecoder fails stdout with limit when it passes maxStdoutBytes", async () => {
  const driver = new DrivenResponseDecoder({ maxStdoutBytes: 5 });
  driver.send(record(Stdout, 1, "12345"), record(Stdout, 1, "6"), record(Stdout, 1, "7"), end(1));
  expect(await drain(driver.responses[0]!.stdout)).toMatchObject({
    bytes: latin1("12345"),
    error: { code: "limit", limit: "maxStdoutBytes", requestId: 1 },
  });
});

it("ResponseDecoder asks for a pause when a response holds maxQueuedBytes, and goes on when it was read", async () => {
  const driver = new DrivenResponseDecoder({ maxQueuedBytes: 1000 });
  expect(driver.send(record(Stdout, 1, new Uint8Array(999)))).toBeUndefined();
  const pause = driver.send(record(Stdout, 1, "x"))!;
  expect(await isSettled(pause)).toBe(false);
  await driver.responses[0]!.stdoutQueue.read();
  expect(await isSettled(pause)).toBe(true);
});

it("ResponseDecoder ends a pause when the response is cancelled or fails", async () => {
  for (const way of ["cancel", "failAll"] as const) {
    const driver = new DrivenResponseDecoder({ maxQueuedBytes: 1000 });
    const pause = driver.send(record(Stdout, 1, new Uint8Array(1000)))!;
    if (way === "cancel") await driver.responses[0]!.stdout.cancel();
    else driver.decoder.failAll(new Error("gone"));
    expect(await isSettled(pause)).toBe(true);
  }
});

it("ResponseDecoder.flush fails what has no END_REQUEST, with what STDERR said", async () => {
  // A killed worker: php-fpm 8.2.36, script-crash.
  const driver = new DrivenResponseDecoder();
  driver.send(record(Stdout, 1, "half"), record(Stderr, 1, "Segmentation fault"), record(Stdout, 2), record(Stdout, 3));
  driver.send(end(3));
  driver.decoder.flush();
  const [first, second, third] = driver.responses;
  const { bytes, error } = await drain(first!.stdout);
  expect(bytes).toEqual(latin1("half"));
  expect(error).toMatchObject({ code: "connectionClosed", requestId: 1, stderr: "Segmentation fault" });
  await expect(first!.end).rejects.toBe(error);
  // Its STDOUT was ended; only END_REQUEST says that it is whole.
  expect(await failureOf(second!.stdout)).toMatchObject({ code: "connectionClosed", requestId: 2 });
  expect(await textFrom(third!.stdout)).toBe("");
  expect(driver.decoder.activeResponses).toBe(0);
});

it("ResponseDecoder.failAll fails what is active with the reason that is given", async () => {
  const driver = new DrivenResponseDecoder();
  const [first, second] = [driver.decoder.expect(1), driver.decoder.expect(2)];
  const reason = new FastCgiError("timeout", "The application was silent");
  driver.decoder.failAll(reason);
  expect(await failureOf(first.stdout)).toBe(reason);
  await expect(second.end).rejects.toBe(reason);
  expect(driver.decoder.activeResponses).toBe(0);
});

it("ResponseDecoder throws the same error ever after when it has thrown one", () => {
  const driver = new DrivenResponseDecoder();
  const error = caught(() => driver.send(record(Stdout, 0, "x")));
  for (const each of [record(Stdout, 1, "x"), end(1), record(GetValuesResult, 0)]) {
    expect(caught(() => driver.send(each))).toBe(error);
  }
  expect([driver.responses, driver.management]).toEqual([[], []]);
});

it("ResponseDecoder has finite defaults for what an application can make it hold", () => {
  const { maxStdoutBytes, ...finite } = RESPONSE_DECODER_DEFAULTS;
  expect(maxStdoutBytes).toBe(Number.POSITIVE_INFINITY);
  expect(finite).toEqual({ maxStderrBytes: 262_144, maxQueuedBytes: 262_144 });
});

it("ResponseDecoder throws when an option is not a positive number", () => {
  expect(() => new DrivenResponseDecoder({ maxQueuedBytes: 0 })).toThrow(RangeError);
  expect(() => new DrivenResponseDecoder({ maxStderrBytes: Number.NaN })).toThrow(RangeError);
});

it("ResponseDecoder goes on with the id that was expected last when ids count up, and drops what comes for lower ones", () => {
  const driver = new DrivenResponseDecoder();
  driver.decoder.expect(2);
  driver.decoder.expect(1);
  driver.send(end(2), record(Stdout, 2, "late"));
  expect(driver.reports.map(({ message }) => message)).toEqual(["Dropped STDOUT: request 2 is over"]);
});

it("ResponseDecoder.keptBytes counts what may still be in use as a view, not what was dropped or copied", () => {
  const driver = new DrivenResponseDecoder({ maxStdoutBytes: 10 });
  const kept: number[] = [];
  let before = 0;
  for (const each of [
    record(Stdout, 1, "12345"),
    // A small part of a large buffer is copied, and so is all of STDERR; what passes a limit is dropped.
    record(Stdout, 1, new Uint8Array(1000).subarray(0, 5)),
    record(Stderr, 1, "notice"),
    record(Stdout, 1, "x"),
    end(1),
  ]) {
    driver.send(each);
    kept.push(driver.decoder.keptBytes - before);
    before = driver.decoder.keptBytes;
  }
  expect(kept).toEqual([5, 0, 0, 0, 0]);
});

it.each([
  ["Cannot read a Stdout record: it has request id 0", record(Stdout, 0)],
  ["Cannot read a record of type 77: applications do not send it", record(77, 1)],
  ["Cannot read STDOUT: request 2 was not begun", record(Stdout, 2, "x")],
])("ResponseDecoder throws %s", (message, piece) => {
  const driver = new DrivenResponseDecoder();
  driver.decoder.expect(1);
  expect(caught(() => driver.send(piece)).message).toBe(message);
});

it("ResponseDecoder.flush says that the application closed the connection", async () => {
  const driver = new DrivenResponseDecoder();
  const { end: ended } = driver.decoder.expect(1);
  driver.decoder.flush();
  const message = "Cannot read the response: the application closed the connection before its end";
  await expect(ended).rejects.toMatchObject({ message });
});

it("ResponseDecoder refuses what is no outlet, hook, id or record, and goes on", () => {
  expect(() => new ResponseDecoder(7 as never)).toThrow(new TypeError("Cannot use outlet: expected an object, got 7"));
  for (const name of ["report", "management"]) {
    expect(() => new ResponseDecoder({ [name]: 7 })).toThrow(
      new TypeError(`Cannot use ${name}: expected a function, got 7`),
    );
  }
  const driver = new DrivenResponseDecoder();
  for (const id of [0, 65_536]) {
    expect(() => driver.decoder.expect(id)).toThrow(
      new RangeError(`Cannot expect a response: expected requestId to be an integer from 1 to 65535, got ${id}`),
    );
  }
  expect(() => driver.decoder.expect(1, 7 as never)).toThrow(
    new TypeError("Cannot use hooks: expected an object, got 7"),
  );
  expect(() => driver.send(7 as never)).toThrow(new TypeError("Cannot decode responses: expected a record, got 7"));
  expect(driver.decoder.activeResponses).toBe(0);
  driver.decoder.expect(1);
  driver.send(end(1));
});

it("ResponseDecoder goes on when what takes its responses or answers throws", () => {
  const full = new Error("The log is full");
  const decoder = new ResponseDecoder({
    management() {
      throw full;
    },
  });
  const enqueued: number[] = [];
  const output = {
    enqueue({ requestId }: { requestId: number }) {
      enqueued.push(requestId);
      if (requestId === 1) throw full;
    },
  };
  expect(() => decoder.transform(record(GetValuesResult, 0), output)).toThrow(full);
  expect(() => decoder.transform(record(Stdout, 1, "x"), output)).toThrow(full);
  decoder.transform(record(Stdout, 2, "y"), output);
  expect(enqueued).toEqual([1, 2]);
});

it("ResponseDecoder drops in silence when its outlet is empty", async () => {
  const decoder = new ResponseDecoder();
  decoder.expect(1);
  const unhandled = await unhandledRejectionsOf(async () => {
    for (const each of [record(GetValuesResult, 0), end(1), record(Stdout, 1, "late")]) {
      decoder.transform(each, { enqueue: () => expect.unreachable() });
    }
  });
  expect(unhandled).toEqual([]);
});
