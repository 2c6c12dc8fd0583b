import { expect, it } from "vitest";
import { FastCgiError, protocolError } from "../../src/protocol/errors.ts";

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
