import { expect, it } from "vitest";
import { pageParams } from "../../cli/page_params.ts";
import { utf8ToByteString } from "../../src/toolkit.ts";

it.each([
  ["/", "/", ""],
  ["/a?b=1", "/a", "b=1"],
  ["/a?b=1?c", "/a", "b=1?c"],
  ["/?", "/", ""],
  ["/%C3%BC", "/%C3%BC", ""],
])("the variables for %j cut it at its first question mark", (uri, path, query) => {
  const params = new Map(pageParams(uri, "test"));
  expect(["REQUEST_URI", "SCRIPT_NAME", "QUERY_STRING"].map((name) => params.get(name))).toEqual([uri, path, query]);
});

it("the variables of a page are in UTF-8, which is escaped in a URL", () => {
  const params = new Map(pageParams("/ü ☂?ö=\n", "test"));
  expect(params.get("REQUEST_URI")).toBe("/%C3%BC%20%E2%98%82?%C3%B6=%0A");
  expect(params.get("SCRIPT_NAME")).toBe(utf8ToByteString("/ü ☂"));
  expect(params.get("QUERY_STRING")).toBe("%C3%B6=%0A");
});
