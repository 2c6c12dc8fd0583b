import { expect, it } from "vitest";
import { messageOf } from "../../src/base/message_of.ts";
import { revoked } from "../support/revoked.ts";

it.each([
  ["an error", new RangeError("too far"), "too far"],
  ["text", "text", "text"],
  ["nothing", undefined, "undefined"],
  ["a symbol", Symbol("a"), "Symbol(a)"],
  ["an object without a prototype", Object.create(null), "no text"],
])("messageOf gives the text of %s", (_, thrown, text) => {
  expect(messageOf(thrown)).toBe(text);
});

it("messageOf gives a text for an object that throws at everything that is asked of it", () => {
  expect(messageOf(revoked())).toBe("no text");
});
