import { afterEach, expect, it, vi } from "vitest";
import { paramsFromPairs } from "../../src/cgi/params.ts";
import { GivenVariables } from "../../src/cgi/variables.ts";
import { copyable, IncomingRequest } from "../../src/codec/incoming_request.ts";
import { REQUEST_DECODER_DEFAULTS } from "../../src/codec/request_decoder_options.ts";
import { Role } from "../../src/protocol/constants.ts";
import { FastCgiError } from "../../src/protocol/errors.ts";
import { latin1 } from "../support/bytes.ts";
import { drain, failureOf, textFrom } from "../support/streams.ts";

const NO_LIMITS = REQUEST_DECODER_DEFAULTS;

function incoming(
  params: Record<string, string> = {},
  { role = Role.Responder as Role, limits = NO_LIMITS } = {},
): IncomingRequest {
  return new IncomingRequest(7, role, true, new GivenVariables(new Map(Object.entries(params))), limits);
}

const aborted = (): FastCgiError => new FastCgiError("aborted", "The web server aborted it", { requestId: 7 });

afterEach(() => {
  vi.unstubAllGlobals();
});

it("IncomingRequest has the pairs as they came and the params merged", () => {
  const pairs = [
    ["HTTP_COOKIE", "a=1"],
    ["HTTP_COOKIE", "b=2"],
  ] as const;
  const request = new IncomingRequest(
    7,
    Role.Responder,
    true,
    new GivenVariables(paramsFromPairs(pairs), pairs),
    NO_LIMITS,
  );
  expect(request).toMatchObject({ requestId: 7, role: Role.Responder, keepConn: true });
  expect(request.paramPairs).toEqual(pairs);
  expect([...request.params]).toEqual([["HTTP_COOKIE", "a=1; b=2"]]);
  expect(request.params).toBe(request.params);
});

it("IncomingRequest makes no AbortController before its signal is asked for", () => {
  const made: AbortController[] = [];
  const Original = AbortController;
  vi.stubGlobal(
    "AbortController",
    class extends Original {
      constructor() {
        super();
        made.push(this);
      }
    },
  );
  const request = incoming();
  request.onAbort(() => {});
  request.abort(aborted());
  expect(made).toEqual([]);
  expect(request.signal).toBe(made[0]!.signal);
  expect(request.signal).toBe(made[0]!.signal);
  expect(made).toHaveLength(1);
});

it("IncomingRequest.signal fires with the reason when the request is aborted", () => {
  const request = incoming();
  const { signal } = request;
  expect(signal.aborted).toBe(false);
  const reason = aborted();
  request.abort(reason);
  expect(signal.aborted).toBe(true);
  expect(signal.reason).toBeInstanceOf(Error);
  expect(signal.reason).toMatchObject({ name: "AbortError", message: reason.message });
  // As that of an Error that was made with a cause.
  const made = Object.getOwnPropertyDescriptor(new Error("made", { cause: reason }), "cause");
  expect(Object.getOwnPropertyDescriptor(signal.reason, "cause")).toEqual(made);
  expect(() => signal.throwIfAborted()).toThrow(signal.reason);
});

it("IncomingRequest.signal has fired when it is asked for after the abort", () => {
  const request = incoming();
  const reason = aborted();
  request.abort(reason);
  expect(request.signal.aborted).toBe(true);
  expect(request.signal.reason.cause).toBe(reason);
});

it("IncomingRequest.abort keeps the first reason when it is called again", () => {
  const request = incoming();
  const reasons: unknown[] = [];
  request.onAbort((reason) => reasons.push(reason));
  const first = aborted();
  request.abort(first);
  request.abort(new FastCgiError("connectionClosed", "The connection is gone"));
  expect(request.abortReason).toBe(first);
  expect(request.signal.reason.cause).toBe(first);
  expect(reasons).toEqual([first]);
});

it("IncomingRequest.onAbort calls back at once when the request was aborted before", () => {
  const request = incoming();
  const reason = aborted();
  request.abort(reason);
  const reasons: unknown[] = [];
  request.onAbort((given) => reasons.push(given));
  expect(reasons).toEqual([reason]);
});

it("IncomingRequest.abort fails the streams that are still arriving", async () => {
  const request = incoming({}, { role: Role.Filter });
  request.stdinQueue.push(latin1("half"));
  const reason = aborted();
  request.abort(reason);
  expect(await drain(request.stdin)).toEqual({ bytes: latin1("half"), error: reason });
  expect(await drain(request.data)).toEqual({ bytes: latin1(""), error: reason });
});

it("IncomingRequest.abort leaves a body alone when it is complete", async () => {
  const request = incoming({ CONTENT_LENGTH: "5" });
  request.stdinQueue.push(latin1("whole"));
  request.stdinQueue.end();
  request.abort(aborted());
  expect(await textFrom(request.stdin)).toBe("whole");
});

it("IncomingRequest awaits input until all of its streams are done or it is aborted", () => {
  const filter = incoming({}, { role: Role.Filter });
  expect(filter.awaitsInput).toBe(true);
  filter.stdinQueue.end();
  expect(filter.awaitsInput).toBe(true);
  filter.dataQueue.end();
  expect(filter.awaitsInput).toBe(false);
  const responder = incoming();
  expect(responder.awaitsInput).toBe(true);
  responder.stdinQueue.drop();
  expect(responder.awaitsInput).toBe(false);
  const gone = incoming();
  gone.abort(aborted());
  expect([gone.awaitsInput, incoming({}, { role: Role.Authorizer }).awaitsInput]).toEqual([false, false]);
});

it("IncomingRequest knows the error with which any of its streams has failed", () => {
  for (const queue of ["stdinQueue", "dataQueue"] as const) {
    const request = incoming({}, { role: Role.Filter });
    const error = new Error("broken");
    expect(request.failedWith(error)).toBe(false);
    request[queue].fail(error);
    expect(request.failedWith(error)).toBe(true);
    expect(request.failedWith(new Error("broken"))).toBe(false);
  }
});

it("IncomingRequest is stuck when any of its streams has no room and is not read", async () => {
  const limits = { ...NO_LIMITS, maxQueuedBytes: 300 };
  for (const queue of ["stdinQueue", "dataQueue"] as const) {
    const request = incoming({}, { role: Role.Filter, limits });
    request[queue].push(latin1("a"));
    expect(request.isStuck).toBe(false);
    request[queue].push(latin1("b"));
    expect(request.isStuck).toBe(true);
    await request[queue].read();
    request[queue].push(latin1("c"));
    expect(request.isStuck).toBe(false);
    request.noteReads();
    expect(request.isStuck).toBe(true);
  }
});

it("IncomingRequest tells its watch of the first abort, and of a timeout as such", () => {
  for (const [code, outcome] of [
    ["timeout", "timeout"],
    ["aborted", "aborted"],
    ["connectionClosed", "aborted"],
  ] as const) {
    const request = incoming();
    const end = vi.fn();
    expect(request.watch).toBeNull();
    request.watch = { method: "GET", url: null, watched: (sink) => sink, end };
    const reason = new FastCgiError(code, "Gone");
    request.abort(reason);
    request.abort(aborted());
    expect(end.mock.calls).toEqual([[outcome, reason, request]]);
  }
});

it("IncomingRequest takes the params that a program sets, also those of its copyable form, and leaves copies alone", () => {
  const request = incoming({ A: "1" });
  const { copyable } = request;
  expect(copyable).toBe(request.copyable);
  expect([IncomingRequest.of(request), IncomingRequest.of(copyable)]).toEqual([request, request]);
  expect(IncomingRequest.of({ ...copyable })).toBeNull();
  const params = new Map([["B", "2"]]);
  request.params = params;
  expect([request.params, request.variables.get("B"), request.paramPairs]).toEqual([params, "2", [["B", "2"]]]);
  const child = Object.create(request) as IncomingRequest;
  child.params = new Map();
  expect([child.params.size, request.params]).toEqual([0, params]);
});

it("IncomingRequest.copyable has all members as its own, so that a copy has them", () => {
  const request = incoming({ A: "1" });
  const copy = { ...request.copyable };
  const { requestId, role, keepConn, params, paramPairs, stdin, data, signal } = request;
  expect(copy).toEqual({ requestId, role, keepConn, params, paramPairs, stdin, data, signal });
  expect([copy.stdin, copy.data, copy.signal]).toEqual([stdin, data, signal]);
});

it("copyable gives the copyable form of a request, and leaves what a program has made as it is", () => {
  const request = incoming();
  const copy = { ...request.copyable };
  expect(copyable(request)).toBe(request.copyable);
  expect(copyable(request.copyable)).toBe(request.copyable);
  expect(copyable(copy)).toBe(copy);
});

it("IncomingRequest compares stdin with CONTENT_LENGTH when it is a number", async () => {
  const request = incoming({ CONTENT_LENGTH: "6" });
  request.stdinQueue.push(latin1("short"));
  request.stdinQueue.end();
  expect(await failureOf(request.stdin)).toMatchObject({ code: "lengthMismatch", requestId: 7 });
});

it.each(["", "-1", "abc"])("IncomingRequest takes stdin of any length when CONTENT_LENGTH is %j", async (length) => {
  const request = incoming({ CONTENT_LENGTH: length });
  request.stdinQueue.push(latin1("any"));
  request.stdinQueue.end();
  expect(await textFrom(request.stdin)).toBe("any");
});

it("IncomingRequest has empty stdin and data when the role is Authorizer, whatever CONTENT_LENGTH says", async () => {
  // Apache's mod_authnz_fcgi and lighttpd send the length of the body they keep to themselves.
  const request = incoming({ CONTENT_LENGTH: "1048576", FCGI_DATA_LENGTH: "5" }, { role: Role.Authorizer });
  expect(request.stdinQueue.isEmpty).toBe(true);
  expect(await textFrom(request.stdin)).toBe("");
  expect(await textFrom(request.data)).toBe("");
});

it("IncomingRequest has empty data when the role is Responder", async () => {
  expect(await textFrom(incoming({ FCGI_DATA_LENGTH: "5" }).data)).toBe("");
});

it("IncomingRequest compares data with FCGI_DATA_LENGTH when the role is Filter", async () => {
  for (const [length, sound] of [
    ["4", true],
    ["3", false],
    ["5", false],
    ["", true],
  ] as const) {
    const request = incoming({ FCGI_DATA_LENGTH: length }, { role: Role.Filter });
    request.dataQueue.push(latin1("file"));
    request.dataQueue.end();
    const { error } = await drain(request.data);
    if (sound) expect(error).toBeNull();
    else expect(error).toMatchObject({ code: "lengthMismatch", requestId: 7 });
  }
});

it("IncomingRequest names the option when a stream passes its limit", async () => {
  const limits = { ...NO_LIMITS, maxStdinBytes: 2, maxDataBytes: 3 };
  const request = incoming({}, { role: Role.Filter, limits });
  request.stdinQueue.push(latin1("abc"));
  request.dataQueue.push(latin1("abcd"));
  expect(await failureOf(request.stdin)).toMatchObject({
    code: "limit",
    limit: "maxStdinBytes",
    message: "Cannot read stdin: more than 2 bytes",
  });
  expect(await failureOf(request.data)).toMatchObject({
    code: "limit",
    limit: "maxDataBytes",
    message: "Cannot read data: more than 3 bytes",
  });
});
