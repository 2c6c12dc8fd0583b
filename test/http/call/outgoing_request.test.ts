import { expect, it } from "vitest";
import { outgoingRequest } from "../../../src/http/call/outgoing_request.ts";
import { isBun } from "../../support/runtime.ts";

const URL_ = "http://a.test/path";

it.each<[string, string, RequestInit]>([
  ["no headers", URL_, {}],
  ["headers in another order, with names in capitals", URL_, { headers: { "X-B": "2", "x-a": "1" } }],
  ["pairs", URL_, { headers: [["x-a", "1"]] }],
  [
    "a name twice",
    URL_,
    {
      headers: [
        ["X-A", "1"],
        ["x-a", "2"],
      ],
    },
  ],
  ["a value that Headers trims", URL_, { headers: { "x-a": " 1 " } }],
  ["a name that is no string", URL_, { headers: [[1 as unknown as string, "1"]] }],
  ["a value that is no string", URL_, { headers: { "x-a": 1 as unknown as string } }],
  ["Headers", URL_, { headers: new Headers({ "x-a": "1" }) }],
  ["a text without a type", URL_, { method: "POST", body: "text" }],
  [
    "a text without a type, and a value that Headers trims",
    URL_,
    { method: "POST", body: "text", headers: { "x-a": " 1" } },
  ],
  ["a body of GET", URL_, { body: "text" }],
  ["a pair of one", URL_, { headers: [["x-a"] as unknown as [string, string]] }],
  ["a pair of three", URL_, { headers: [["x-a", "1", "2"] as unknown as [string, string]] }],
  ["no pair", URL_, { headers: ["x-a" as unknown as [string, string]] }],
  ["headers that are a text", URL_, { headers: "x-a: 1" as unknown as Headers }],
  ["a name that is none", URL_, { headers: { "x a": "1" } }],
  ["a value with a line end", URL_, { headers: { "x-a": "1\r\nx-b: 2" } }],
  ["a method in small letters", URL_, { method: "post" }],
  ["a method that Fetch forbids", URL_, { method: "CONNECT" }],
  ["a user", "http://user@a.test/", {}],
  ["a password", "http://:password@a.test/", {}],
])("outgoingRequest makes of %s what Request makes of it", async (_, url, init) => {
  let expected: Request;
  try {
    expected = new Request(url, init);
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    expect(() => outgoingRequest(url, init)).toThrow(TypeError);
    return;
  }
  const headers = new Headers(expected.headers);
  // Bun's own Request gives a text no type, as Fetch says it must.
  if (isBun && init.method === "POST" && !headers.has("content-type")) {
    headers.set("content-type", "text/plain;charset=UTF-8");
  }
  const made = outgoingRequest(url, init);
  expect(String(made.url)).toBe(expected.url);
  expect(made.method).toBe(expected.method);
  // Bun lists them as they came.
  expect([...(made.headers as Headers)].sort()).toEqual([...headers].sort());
  expect([...made.native().headers].sort()).toEqual([...headers].sort());
  expect(made.native()).toBe(made.native());
});
