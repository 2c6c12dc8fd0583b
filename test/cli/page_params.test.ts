import { expect, it } from "vitest";
import { pageParams } from "../../cli/page_params.ts";

it.each([
  ["/", "/", ""],
  ["/a?b=1", "/a", "b=1"],
  ["/a?b=1?c", "/a", "b=1?c"],
  ["/?", "/", ""],
])("the variables for %j cut it at its first question mark", (uri, path, query) => {
  const params = new Map(pageParams(uri, "test"));
  expect(["REQUEST_URI", "SCRIPT_NAME", "QUERY_STRING"].map((name) => params.get(name))).toEqual([uri, path, query]);
});
