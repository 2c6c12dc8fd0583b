import { expect, it } from "vitest";
import { paramOf, paramsFromPairs, parseLength } from "../../src/cgi/params.ts";
import type { NameValuePair } from "../../src/protocol/name_value_pairs.ts";

const paramsOf = (...pairs: NameValuePair[]): Record<string, string> => Object.fromEntries(paramsFromPairs(pairs));

it("paramsFromPairs keeps names in the order of their first pair", () => {
  const params = paramsFromPairs([
    ["B", "1"],
    ["A", "2"],
    ["B", "3"],
  ]);
  expect([...params]).toEqual([
    ["B", "3"],
    ["A", "2"],
  ]);
});

it("paramsFromPairs joins cookies with a semicolon when HTTP_COOKIE comes more than once", () => {
  // nginx 1.22.1, HAProxy 2.6.12, cookies: HTTP/2 sends one field per cookie (RFC 9113 8.2.3).
  expect(paramsOf(["HTTP_COOKIE", "a=1"], ["HTTP_COOKIE", "b=2"], ["HTTP_COOKIE", "c=3"])).toEqual({
    HTTP_COOKIE: "a=1; b=2; c=3",
  });
});

it("paramsFromPairs joins other fields with a comma when they come more than once", () => {
  // nginx 1.22.1, header-dup (RFC 9110 5.3).
  expect(paramsOf(["HTTP_X_A", "1"], ["HTTP_ACCEPT", "*/*"], ["HTTP_X_A", "2"])).toEqual({
    HTTP_X_A: "1, 2",
    HTTP_ACCEPT: "*/*",
  });
});

it("paramsFromPairs keeps an empty first value apart from a missing one when it joins", () => {
  expect(paramsOf(["HTTP_X", ""], ["HTTP_X", "1"])).toEqual({ HTTP_X: ", 1" });
});

it("paramsFromPairs takes the last value when a variable that is no header comes more than once", () => {
  // `include fastcgi_params;` and an own `fastcgi_param SCRIPT_FILENAME …;` behind it.
  expect(paramsOf(["SCRIPT_FILENAME", "/a.php"], ["SCRIPT_FILENAME", "/b.php"])).toEqual({
    SCRIPT_FILENAME: "/b.php",
  });
});

it("paramsFromPairs takes the last value when a variable with one value comes more than once", () => {
  for (const name of ["CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_HOST", "QUERY_STRING", "REQUEST_METHOD", "REQUEST_URI"]) {
    expect(paramsOf([name, "1"], [name, "2"])).toEqual({ [name]: "2" });
    expect(paramsOf([name, "1"], [name, ""])).toEqual({ [name]: "" });
  }
});

it("paramsFromPairs takes the last value of a header when a variable of the web server's own stands in between", () => {
  // Twice in nginx's configuration: header variables that are set there are not taken from the client.
  expect(paramsOf(["HTTP_X_USER", "none"], ["SCRIPT_FILENAME", "/x"], ["HTTP_X_USER", "alice"])).toEqual({
    HTTP_X_USER: "alice",
    SCRIPT_FILENAME: "/x",
  });
  expect(paramsOf(["HTTP_COOKIE", "a=1"], ["HTTPS", "on"], ["HTTP_COOKIE", "b=2"], ["HTTP_COOKIE", "c=3"])).toEqual({
    HTTP_COOKIE: "b=2; c=3",
    HTTPS: "on",
  });
});

it("paramsFromPairs joins headers when the type or the length of the body stands in between", () => {
  // HAProxy 2.6.12 and h2o 2.2.5 put CONTENT_TYPE where the client's line stood.
  expect(paramsOf(["HTTP_X", "1"], ["CONTENT_TYPE", "a/b"], ["CONTENT_LENGTH", "0"], ["HTTP_X", "2"])).toMatchObject({
    HTTP_X: "1, 2",
  });
});

it("paramsFromPairs treats names of Object.prototype as names like any other", () => {
  const pairs: NameValuePair[] = [
    ["__proto__", "a"],
    ["constructor", "b"],
    ["toString", "c"],
    ["HTTP___PROTO__", "d"],
  ];
  const params = paramsFromPairs(pairs);
  expect([...params]).toEqual(pairs);
  expect(paramsFromPairs([]).get("constructor")).toBeUndefined();
  expect(({} as Record<string, unknown>).a).toBeUndefined();
});

it("paramsFromPairs keeps an empty name when there is one", () => {
  expect([...paramsFromPairs([["", "x"]])]).toEqual([["", "x"]]);
});

const LENGTHS: readonly (readonly [origin: string, value: string | undefined, length: number | null])[] = [
  ["absent: Apache with a chunked upload", undefined, null],
  ["empty: nginx with a GET", "", null],
  ["negative: Caddy 2.6 with a chunked upload", "-1", null],
  ["zero: lighttpd with a GET", "0", 0],
  ["a number", "1048576", 1_048_576],
  ["with zeros in front", "007", 7],
  ["fifteen digits", "999999999999999", 999_999_999_999_999],
  ["sixteen digits", "1000000000000000", null],
  ["with a plus sign", "+5", null],
  ["with white space", " 5", null],
  ["with a line end", "5\n", null],
  ["hexadecimal", "0x10", null],
  ["with an exponent", "1e3", null],
  ["two values", "5, 5", null],
  ["other digits", "\u0665", null],
  ["no number: recorder, content-length-garbage", "abc", null],
];

it.each(LENGTHS)("parseLength reads a length that is %s", (_, value, length) => {
  expect(parseLength(value)).toBe(length);
});

it("paramOf gives the last value of a variable, and undefined when there is none", () => {
  const pairs: NameValuePair[] = [
    ["A", "1"],
    ["B", "2"],
    ["A", "3"],
    ["C", ""],
  ];
  for (const params of [pairs, new Map(pairs)]) {
    expect(["A", "B", "C", "D"].map((name) => paramOf(params, name))).toEqual(["3", "2", "", undefined]);
  }
});
