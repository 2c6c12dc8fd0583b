import { expect, it } from "vitest";
import { FastCgiError, type FastCgiErrorCode, protocolError } from "../../src/protocol/errors.ts";

it("FastCgiError carries its facts when they are given", () => {
  const cause = new Error("below");
  const facts = { requestId: 7, limit: "maxParamsBytes", protocolStatus: 2, stderr: "PHP Warning", cause };
  const error = new FastCgiError("overloaded", "Cannot run the request: it is overloaded", facts);
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: "FastCgiError", code: "overloaded", ...facts });
  expect(String(error)).toBe("FastCgiError: Cannot run the request: it is overloaded");
});

it("FastCgiError has no facts when none are given", () => {
  const error = new FastCgiError("protocol", "Cannot decode a record");
  expect(error).toMatchObject({ requestId: undefined, limit: undefined, protocolStatus: undefined, stderr: undefined });
  expect("cause" in error).toBe(false);
});

it("protocolError makes an error of code protocol with the request it concerns", () => {
  expect(protocolError("Cannot read STDIN", 3)).toMatchObject({ code: "protocol", requestId: 3 });
  expect(protocolError("Cannot read STDIN").requestId).toBeUndefined();
});

/** RFC 9110 15.5, 15.6. */
const GATEWAY: readonly (readonly [code: FastCgiErrorCode, status: number])[] = [
  ["protocol", 502],
  ["limit", 502],
  ["timeout", 504],
  ["aborted", 502],
  ["connectionClosed", 502],
  ["connectFailed", 502],
  ["lengthMismatch", 400],
  ["lengthRequired", 411],
  ["spoolFailed", 500],
  ["malformedRequest", 400],
  ["malformedResponse", 502],
  ["overloaded", 503],
  ["cantMultiplex", 502],
  ["unknownRole", 502],
];

it.each(GATEWAY)("FastCgiError.gatewayStatus of %s is %i", (code, status) => {
  expect(new FastCgiError(code, "Cannot run the request").gatewayStatus).toBe(status);
});

it.each([
  ["limit", "maxQueuedRequests", 503],
  ["limit", "maxSpooledRequestBytes", 413],
  ["timeout", "requestBodyTimeout", 408],
  ["limit", "maxStdoutBytes", 502],
  ["timeout", "readTimeout", 504],
] as const)("FastCgiError.gatewayStatus of %s at %s is %i", (code, limit, status) => {
  expect(new FastCgiError(code, "Cannot run the request", { limit }).gatewayStatus).toBe(status);
});

it.each([
  ["a text that is none", "broken", '"broken"'],
  ["a name of Object.prototype", "constructor", '"constructor"'],
  // As the key of an object it would be the text "protocol".
  ["a list of one", ["protocol"], "Array"],
  ["undefined", undefined, "undefined"],
])("FastCgiError can't be made when its code is %s", (_, code, got) => {
  expect(() => new FastCgiError(code as never, "Cannot run the request")).toThrow(
    new TypeError(`Cannot make a FastCgiError: expected code to be one of FastCgiErrorCode, got ${got}`),
  );
});

it("FastCgiError knows its instances, those of a subclass, and that nothing else is one", () => {
  class OwnError extends FastCgiError {}
  const [error, own] = [new FastCgiError("limit", "Cannot go on"), new OwnError("limit", "Cannot go on")];
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  const is = (value: unknown): boolean[] => [value instanceof FastCgiError, value instanceof OwnError];
  expect(is(own)).toEqual([true, true]);
  expect(is(error)).toEqual([true, false]);
  for (const other of [new Error("Cannot go on"), { code: "limit" }, null, revoked]) {
    expect(is(other)).toEqual([false, false]);
  }
  expect(FastCgiError[Symbol.hasInstance](revoked)).toBe(false);
});
