// npm run sites needs Debian's packages and some minutes; this is what it compares by.

import { expect, it } from "vitest";
import { explanationOf } from "./explanations.ts";
import { differencesOf, firstDifference, partsOf } from "./replay.ts";

const message = (status: number, headers: readonly (readonly [string, string])[], body: string) =>
  ({ status, reason: "", headers, body, isWhole: true }) as const;

it("answers that differ only in what changes each time, and in what says nothing of the site, are the same", () => {
  const nginx = message(
    200,
    [
      ["Server", "nginx"],
      ["Set-Cookie", "a=1"],
      ["Set-Cookie", "id=ab12"],
    ],
    "token 1:22",
  );
  const gateway = message(
    200,
    [
      ["set-cookie", "a=1"],
      ["Date", "now"],
      ["set-cookie", "id=cd34"],
    ],
    "token 3:44",
  );
  const changing = [/id=\w+/g, /\d:\d+/g];
  expect(differencesOf(partsOf(nginx, changing), partsOf(gateway, changing))).toEqual([]);
  expect(differencesOf(partsOf(nginx, []), partsOf(gateway, []))).toEqual(["set-cookie", "body"]);
});

it("every other difference is named, also a field that only one of them has", () => {
  const nginx = partsOf(message(200, [["X-Own", "1"]], "page"), []);
  const gateway = partsOf(message(302, [["Location", "/"]], "page"), []);
  const names = differencesOf(nginx, gateway);
  expect(names).toEqual(["status", "x-own", "location"]);
  expect(names.map((name) => explanationOf(name, nginx, gateway))).toEqual([null, null, null]);
});

it("the validators of files are explained, those of pages are not", () => {
  const validators = [
    ["Last-Modified", "then"],
    ["ETag", '"a"'],
  ] as const;
  const file = partsOf(message(200, validators, ""), []);
  const other = partsOf(message(200, [validators[0], ["ETag", 'W/"b"']], ""), []);
  expect(explanationOf("etag", file, other)).toMatch(/ETag is weak/);
  expect(explanationOf("etag", partsOf(message(200, [["ETag", '"a"']], ""), []), other)).toBeNull();
});

it("the type of a text file may say that it is UTF-8, that of a page may not differ", () => {
  const parts = (type: string, ...more: [string, string][]) =>
    partsOf(message(200, [["Content-Type", type], ...more], ""), []);
  const validators: [string, string][] = [
    ["Last-Modified", "then"],
    ["ETag", '"a"'],
  ];
  const file = parts("text/css", ...validators);
  expect(explanationOf("content-type", file, parts("text/css; charset=utf-8", ...validators))).toMatch(/UTF-8/);
  expect(explanationOf("content-type", file, parts("text/css; charset=latin1", ...validators))).toBeNull();
  expect(explanationOf("content-type", parts("text/css"), parts("text/css; charset=utf-8"))).toBeNull();
});

it("a page that shows its web server is explained, also the type of a script, and nothing else of them", () => {
  const page = (body: string, type = "text/html") => partsOf(message(200, [["Content-Type", type]], body), []);
  const nginx = page("on nginx/1.22.1, PHP", "application/javascript");
  const gateway = page("on fetchcgi/0.1.0 (as nginx), PHP", "text/javascript; charset=utf-8");
  expect(explanationOf("body", nginx, gateway)).toMatch(/SERVER_SOFTWARE/);
  expect(explanationOf("content-type", nginx, gateway)).toMatch(/RFC 9239/);
  expect(explanationOf("body", nginx, page("on fetchcgi/0.1.0 (as nginx), Perl"))).toBeNull();
  expect(explanationOf("content-type", nginx, page("", "text/css"))).toBeNull();
});

it("firstDifference shows both texts where they begin to differ", () => {
  expect(firstDifference("one two", "one 2")).toBe('"one two" of nginx, "one 2" of the gateway');
});
