import { expect, it } from "vitest";
import { RecordType, Role } from "../../src/protocol/constants.ts";
import { latin1 } from "../support/bytes.ts";
import { DrivenRequestDecoder, started } from "../support/decoders.ts";
import { begin, params, record, stdin, textOf } from "../support/records.ts";
import { drain, failureOf, textFrom } from "../support/streams.ts";

const { AbortRequest, Data, EndRequest, Params, Stdin, Stdout } = RecordType;

const TIMEOUTS = { paramsTimeout: 100, readTimeout: 1000 };

it("RequestDecoder.inputDue is when the first of the requests that wait for input has waited too long", () => {
  const driver = new DrivenRequestDecoder();
  const due = (now: number): number => driver.decoder.inputDue(now, TIMEOUTS);
  expect(due(5)).toBe(Number.POSITIVE_INFINITY);
  driver.send(begin(1));
  expect(due(10)).toBe(110);
  // Params that come piece by piece have one time for all of them, and a request that begins later waits longer.
  driver.send(record(Params, 1, "\x01"), begin(2));
  expect(due(50)).toBe(110);
  driver.send(record(Params, 1, "\x01Ab"), record(Params, 1));
  expect(due(60)).toBe(150);
  driver.send(params(2, {}));
  expect(due(70)).toBe(1060);
  // Each piece of a body begins the time anew.
  driver.send(record(Stdin, 1, "x"));
  expect(due(80)).toBe(1070);
  driver.send(stdin(2));
  expect(due(90)).toBe(1080);
  driver.send(stdin(1));
  expect(due(100)).toBe(Number.POSITIVE_INFINITY);
});

it("RequestDecoder.inputDue counts from each piece of a Filter's data, and from the end of its stdin", () => {
  const driver = new DrivenRequestDecoder();
  const due = (now: number): number => driver.decoder.inputDue(now, TIMEOUTS);
  driver.send(started(1, {}, Role.Filter));
  expect(due(10)).toBe(1010);
  driver.send(stdin(1));
  expect(due(20)).toBe(1020);
  driver.send(record(Data, 1, "x"));
  expect(due(30)).toBe(1030);
  driver.send(record(Data, 1));
  expect(due(40)).toBe(Number.POSITIVE_INFINITY);
});

it("RequestDecoder.inputDue is never for a request whose input nobody reads any more", async () => {
  const driver = new DrivenRequestDecoder();
  driver.send(started(1), started(2), record(AbortRequest, 1));
  await driver.requests[1]!.stdin.cancel();
  expect(driver.decoder.inputDue(10, TIMEOUTS)).toBe(Number.POSITIVE_INFINITY);
  driver.decoder.timeOutInput(5000, TIMEOUTS);
  expect(await failureOf(driver.requests[0]!.stdin)).toMatchObject({ code: "aborted" });
  expect(driver.reports).toEqual([]);
});

it("RequestDecoder.timeOutInput answers 408 to late params, fails a late body, and leaves what is in time", async () => {
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1), begin(2, { keepConn: false }), started(3), started(4));
  driver.decoder.inputDue(0, TIMEOUTS);
  // Nothing is due a moment before.
  driver.decoder.timeOutInput(99, TIMEOUTS);
  expect(driver.reports).toEqual([]);
  driver.send(record(Stdin, 4, "x"), begin(5));
  driver.decoder.inputDue(500, TIMEOUTS);
  // One that began since the last look has not waited yet.
  driver.send(begin(6));
  driver.decoder.timeOutInput(1000, { ...TIMEOUTS, paramsTimeout: 501 });
  expect(driver.reports).toMatchObject(
    [1, 2].map((requestId) => ({
      code: "timeout",
      message: `Cannot accept request ${requestId}: its params were not complete after 501 ms`,
      requestId,
      limit: "paramsTimeout",
    })),
  );
  expect(driver.replies.map(({ type, requestId }) => [type, requestId])).toEqual(
    [1, 2].flatMap((requestId) => [Stdout, Stdout, EndRequest].map((type) => [type, requestId])),
  );
  expect(textOf(driver.replies, Stdout, 1)).toMatch(/^Status: 408 Request Timeout\r\n/);
  expect(driver.closes).toEqual([false, true]);
  expect(await failureOf(driver.requests[0]!.stdin)).toMatchObject({
    code: "timeout",
    message: "Cannot read the request: nothing more of its input came for 1000 ms",
    requestId: 3,
    limit: "readTimeout",
  });
  driver.send(stdin(4, "y"), params(5, {}), params(6, {}));
  expect(await textFrom(driver.requests[1]!.stdin)).toBe("xy");
  expect(driver.requests.map(({ requestId }) => requestId)).toEqual([3, 4, 5, 6]);
});

it("RequestDecoder.forgive extends the waits that have begun", () => {
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1));
  driver.decoder.inputDue(10, TIMEOUTS);
  driver.send(started(2));
  driver.decoder.forgive(500);
  expect(driver.decoder.inputDue(600, TIMEOUTS)).toBe(610);
  driver.decoder.end(1);
  expect(driver.decoder.inputDue(700, TIMEOUTS)).toBe(1600);
});

it("RequestDecoder.failStuck fails a body that has no room and was not read since the note, and no other", async () => {
  const driver = new DrivenRequestDecoder({ maxQueuedBytes: 1000 });
  driver.send(started(1), started(2), started(3), started(4, {}, Role.Filter), stdin(4));
  const full = new Uint8Array(1000);
  driver.send(record(Stdin, 1, full), record(Stdin, 2, full), record(Stdin, 2, full), record(Data, 4, full));
  driver.send(record(Stdin, 3, "little"));
  driver.decoder.noteReads();
  await driver.requests[1]!.stdinQueue.read();
  driver.decoder.failStuck(30);
  for (const [index, { bytes, error }] of [
    [0, await drain(driver.requests[0]!.stdin)],
    [3, await drain(driver.requests[3]!.data)],
  ] as const) {
    expect(bytes.length).toBe(1000);
    expect(error).toMatchObject({
      code: "timeout",
      message: "Cannot keep the request: its body was not read for 30 ms",
      requestId: index + 1,
      limit: "stallTimeout",
    });
  }
  driver.send(stdin(2), stdin(3));
  expect(await textFrom(driver.requests[1]!.stdin)).toHaveLength(1000);
  expect(await textFrom(driver.requests[2]!.stdin)).toBe("little");
});

it("RequestDecoder.failStuck fails a body that was read before the note, and not since", async () => {
  const driver = new DrivenRequestDecoder({ maxQueuedBytes: 1000 });
  const full = new Uint8Array(1000);
  // One without a body so far beside it.
  driver.send(begin(2), started(1), record(Stdin, 1, full), record(Stdin, 1, full));
  const { stdinQueue } = driver.requests[0]!;
  await stdinQueue.read();
  driver.decoder.failStuck(30);
  expect(stdinQueue.isDone).toBe(false);
  driver.decoder.noteReads();
  driver.decoder.failStuck(30);
  expect(stdinQueue.failure).toMatchObject({ code: "timeout", limit: "stallTimeout" });
});

it("RequestDecoder.keptBytes counts what may still be in use as a view, not what was dropped or copied", async () => {
  const driver = new DrivenRequestDecoder({ maxStdinBytes: 20 });
  const before = (): number => driver.decoder.keptBytes;
  driver.send(started(1));
  let kept = before();
  // It waits as a view into the input.
  driver.send(record(Stdin, 1, "12345"));
  expect(before() - kept).toBe(5);
  // A small part of a large buffer is copied.
  kept = before();
  driver.send(record(Stdin, 1, new Uint8Array(1000).subarray(0, 5)));
  // Beyond the limit, for a body that has failed, and for an id that is not active: dropped.
  driver.send(record(Stdin, 1, "x".repeat(11)), record(Stdin, 1, latin1("x")), record(Stdin, 9, "x"));
  expect(before() - kept).toBe(0);
});
