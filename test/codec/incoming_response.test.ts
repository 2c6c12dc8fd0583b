import { expect, it } from "vitest";
import {
  IncomingResponse,
  type IncomingResponseHooks,
  type IncomingResponseLimits,
} from "../../src/codec/incoming_response.ts";
import { RESPONSE_DECODER_DEFAULTS } from "../../src/codec/response_decoder_options.ts";
import { FastCgiError } from "../../src/protocol/errors.ts";
import { latin1 } from "../support/bytes.ts";
import { drain, failureOf, isSettled, textFrom } from "../support/streams.ts";

function incoming(options: Partial<IncomingResponseLimits> & IncomingResponseHooks = {}): IncomingResponse {
  return new IncomingResponse(7, { ...RESPONSE_DECODER_DEFAULTS, ...options }, options);
}

it("IncomingResponse ends its streams and resolves end when the request is complete", async () => {
  const response = incoming();
  response.stdoutQueue.push(latin1("Status: 200 OK\r\n\r\n"));
  response.pushStderr(latin1("PHP Notice"));
  expect(await isSettled(response.end)).toBe(false);
  response.complete({ appStatus: 3, protocolStatus: 0 });
  expect(await textFrom(response.stdout)).toBe("Status: 200 OK\r\n\r\n");
  expect(await textFrom(response.stderr)).toBe("PHP Notice");
  expect(await response.end).toEqual({ appStatus: 3, protocolStatus: 0 });
});

/** FastCGI 5.5. */
const REFUSALS = [
  [1, "cantMultiplex", "it takes one request at a time on a connection"],
  [2, "overloaded", "it is overloaded"],
  [3, "unknownRole", "it does not know the role"],
  [4, "protocol", "of protocol status 4"],
  [255, "protocol", "of protocol status 255"],
] as const;

it.each(REFUSALS)(
  "IncomingResponse fails stdout when the protocol status is %i, with code %s",
  async (protocolStatus, code, reason) => {
    const response = incoming();
    response.pushStderr(latin1("no \u00c3\u00a9\n"));
    response.complete({ appStatus: 1, protocolStatus });
    const message = `Cannot run the request: the application refused it because ${reason}`;
    const error = { code, protocolStatus, requestId: 7, stderr: "no é\n", message };
    expect(await failureOf(response.stdout)).toMatchObject(error);
    expect(await response.end).toEqual({ appStatus: 1, protocolStatus });
    expect(await textFrom(response.stderr)).toBe("no \u00c3\u00a9\n");
  },
);

it("IncomingResponse fails stdout behind what came, and rejects end, when it is failed", async () => {
  const response = incoming();
  const error = new FastCgiError("connectionClosed", "The application is gone");
  response.stdoutQueue.push(latin1("half"));
  response.pushStderr(latin1("Segmentation fault"));
  response.fail(error);
  expect(await drain(response.stdout)).toEqual({ bytes: latin1("half"), error });
  await expect(response.end).rejects.toBe(error);
  expect(await textFrom(response.stderr)).toBe("Segmentation fault");
});

it("IncomingResponse leaves no unhandled rejection when it fails and nobody looks at end", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  incoming().fail(new Error("gone"));
  await isSettled(Promise.resolve());
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});

it("IncomingResponse keeps stderr up to maxStderrBytes and says that the rest is missing", async () => {
  const seen: string[] = [];
  const onStderr = (piece: Uint8Array): void => void seen.push(Buffer.from(piece).toString("latin1"));
  const response = incoming({ maxStderrBytes: 5, onStderr });
  response.pushStderr(latin1("abc"));
  response.pushStderr(latin1("de"));
  expect(response.stderrTruncated).toBe(false);
  response.pushStderr(latin1("f"));
  expect(response.stderrTruncated).toBe(true);
  response.complete({ appStatus: 0, protocolStatus: 0 });
  expect(response.stderrText).toBe("abcde");
  expect(await textFrom(response.stderr)).toBe("abcde");
  expect(seen).toEqual(["abc", "de"]);
});

it("IncomingResponse cuts the piece of stderr that passes maxStderrBytes", async () => {
  const response = incoming({ maxStderrBytes: 5 });
  response.pushStderr(latin1("abcdefgh"));
  expect(response.stderrText).toBe("abcde");
  expect(response.stderrTruncated).toBe(true);
});

it("IncomingResponse keeps stderr in memory of its own", async () => {
  const chunk = latin1("abcdef");
  const response = incoming();
  response.pushStderr(chunk.subarray(0, 3));
  chunk.fill(0);
  response.complete({ appStatus: 0, protocolStatus: 0 });
  const reader = response.stderr.getReader();
  const { value } = await reader.read();
  expect(value).toEqual(latin1("abc"));
  expect(value!.buffer.byteLength).toBe(3);
});

it("IncomingResponse tells onStderr of stderr in memory of its own, whatever kind of Uint8Array it comes in", () => {
  const pieces: Uint8Array[] = [];
  const response = incoming({ onStderr: (piece) => pieces.push(piece) });
  const chunk = Buffer.from("abcdef");
  response.pushStderr(chunk.subarray(0, 3));
  chunk.fill(0);
  expect(pieces).toEqual([latin1("abc")]);
});

it("IncomingResponse reads UTF-8 in stderr that is cut across records", () => {
  const response = incoming();
  response.pushStderr(latin1("caf\u00c3"));
  response.pushStderr(latin1("\u00a9"));
  expect(response.stderrText).toBe("café");
});

it("IncomingResponse tells its connection when nobody will read the rest of stdout", async () => {
  const reasons: unknown[] = [];
  const response = incoming({ onAbandoned: (reason) => reasons.push(reason) });
  await response.stderr.cancel("not interested");
  expect(reasons).toEqual([]);
  await response.stdout.cancel("enough");
  expect(reasons).toEqual(["enough"]);
});

it("IncomingResponse tells its connection of each piece of output, and of what its reader knows", () => {
  const told: unknown[] = [];
  const hooks: IncomingResponseHooks = {
    onOutput: (type) => told.push(type),
    onDetached: () => told.push("detached"),
    onDistrusted: () => told.push("distrusted"),
    onComplete: (body) => told.push(body),
  };
  const response = incoming();
  // Without hooks nothing is told, and nothing fails.
  response.pushStderr(latin1("a"));
  response.detach();
  response.distrust();
  response.abandon("enough");
  response.bind(9, hooks);
  expect(response.requestId).toBe(9);
  expect(response.pushStdout(latin1("b"))).toBe(false);
  response.pushStderr(latin1("c"));
  response.detach();
  response.distrust();
  const body = { appStatus: 0, protocolStatus: 0 };
  response.complete(body);
  expect(told).toEqual(["stdout", "stderr", "detached", "distrusted", body]);
});

it("IncomingResponse is completed when the application completes the request, and not when that refuses it", async () => {
  const complete = incoming();
  complete.complete({ appStatus: 5, protocolStatus: 0 });
  expect(await complete.completed()).toBeUndefined();
  const refused = incoming();
  const waiting = refused.completed();
  refused.complete({ appStatus: 0, protocolStatus: 2 });
  await expect(waiting).rejects.toMatchObject({ code: "overloaded", protocolStatus: 2 });
  const failed = incoming();
  failed.fail(new Error("Gone"));
  await expect(failed.completed()).rejects.toThrow("Gone");
});

const refusal = { appStatus: 0, protocolStatus: 2 };

/** What makes a failure of a response one that comes too late to send its request again. */
const TOO_LATE: readonly (readonly [what: string, before: (response: IncomingResponse) => unknown])[] = [
  ["some of stdout came", (response) => response.pushStdout(latin1("a"))],
  ["some of stderr came", (response) => response.pushStderr(latin1("a"))],
  ["its reader has gone", (response) => response.stdout.cancel()],
  ["it is over", (response) => response.complete({ appStatus: 0, protocolStatus: 0 })],
];

it.each(TOO_LATE)("IncomingResponse does not ask to be sent again when %s", (_, before) => {
  const response = incoming();
  const asked: unknown[] = [];
  before(response);
  response.onEarlyFailure = (error) => asked.push(error) > 0;
  response.fail(new Error("Gone"));
  response.complete(refusal);
  expect(asked).toEqual([]);
});

it("IncomingResponse does not ask to be sent again when it is complete without output", async () => {
  const response = incoming();
  const asked: unknown[] = [];
  response.onEarlyFailure = (error) => asked.push(error) > 0;
  response.complete({ appStatus: 0, protocolStatus: 0 });
  expect(asked).toEqual([]);
  expect(await response.stdoutQueue.read()).toEqual({ done: true });
});

it("IncomingResponse.end is one promise, whenever it is asked for", async () => {
  const response = incoming();
  const { end } = response;
  expect(response.end).toBe(end);
  response.complete({ appStatus: 1, protocolStatus: 0 });
  expect(response.end).toBe(end);
  expect(await end).toEqual({ appStatus: 1, protocolStatus: 0 });
});

it("IncomingResponse.stderr waits for more until the response has ended", async () => {
  const response = incoming();
  const reader = response.stderr.getReader();
  const first = reader.read();
  expect(await isSettled(first)).toBe(false);
  response.pushStderr(latin1("a"));
  expect(await first).toEqual({ done: false, value: latin1("a") });
  const second = reader.read();
  expect(await isSettled(second)).toBe(false);
  response.complete({ appStatus: 0, protocolStatus: 0 });
  expect(await second).toEqual({ done: true, value: undefined });
});

it("IncomingResponse.copyable has all members as its own, so that a copy has them", () => {
  const response = incoming();
  const copy = { ...response.copyable };
  const { requestId, stdout, stderr, stderrTruncated, end } = response;
  expect([copy.requestId, copy.stderrTruncated]).toEqual([requestId, stderrTruncated]);
  expect(copy.stdout).toBe(stdout);
  expect(copy.stderr).toBe(stderr);
  expect(copy.end).toBe(end);
});

it("IncomingResponse goes on when its request is sent again, and fails when it is not", async () => {
  const gone = new Error("Gone");
  const asked: unknown[] = [];
  const completed: unknown[] = [];
  const response = incoming({ onComplete: (body) => completed.push(body) });
  response.onEarlyFailure = (error) => asked.push(error) < 3;
  response.fail(gone);
  response.complete(refusal);
  expect(asked).toEqual([gone, expect.objectContaining({ code: "overloaded" })]);
  expect([response.stdoutQueue.isDone, await isSettled(response.end), completed]).toEqual([false, false, [refusal]]);
  response.fail(gone);
  expect(await drain(response.stdout)).toMatchObject({ error: gone });
  await expect(response.end).rejects.toBe(gone);
});

it("IncomingResponse keeps its first end", async () => {
  const response = incoming();
  response.complete({ appStatus: 1, protocolStatus: 0 });
  response.fail(new Error("Gone"));
  response.complete({ appStatus: 2, protocolStatus: 0 });
  expect(await response.end).toEqual({ appStatus: 1, protocolStatus: 0 });
  expect(await textFrom(response.stdout)).toBe("");
});

it("IncomingResponse has an empty stderr when it is asked for behind the end, and text of none before", async () => {
  const response = incoming();
  expect(response.stderrText).toBe("");
  response.complete({ appStatus: 0, protocolStatus: 0 });
  expect(await textFrom(response.stderr)).toBe("");
});

it("IncomingResponse tells onStderr of the response that programs get, and of no piece that was dropped", () => {
  const seen: unknown[] = [];
  const response = incoming({ maxStderrBytes: 2, onStderr: (piece, about) => seen.push([piece.length, about]) });
  for (const text of ["a", "bc", "d", ""]) response.pushStderr(latin1(text));
  expect(seen).toEqual([
    [1, response.copyable],
    [1, response.copyable],
  ]);
  expect(response.copyable).toBe(response.copyable);
});

it("IncomingResponse fails with limit when stdout passes maxStdoutBytes", async () => {
  const reasons: unknown[] = [];
  const response = incoming({ maxStdoutBytes: 3, onAbandoned: (reason) => reasons.push(reason) });
  response.stdoutQueue.push(latin1("abcd"));
  const error = await failureOf(response.stdout);
  const message = "Cannot read stdout: more than 3 bytes";
  expect(error).toMatchObject({ code: "limit", limit: "maxStdoutBytes", requestId: 7, message });
  expect(reasons).toEqual([error]);
});

it("IncomingResponse says that nothing of stderr is missing where none came", () => {
  expect(incoming().stderrTruncated).toBe(false);
});
