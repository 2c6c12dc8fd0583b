import { expect, it } from "vitest";
import { StderrText } from "../../../src/http/call/stderr_text.ts";
import { bytewise, latin1, splitsOf } from "../../support/bytes.ts";

function told(): { text: StderrText; pieces: string[] } {
  const pieces: string[] = [];
  return { text: new StderrText((piece) => pieces.push(piece)), pieces };
}

it("StderrText passes on whole characters, however they are cut", () => {
  const bytes = new TextEncoder().encode("\ufeffaé€😀z\n");
  for (const [head, tail] of splitsOf(bytes)) {
    const { text, pieces } = told();
    text.push(head);
    text.push(tail);
    text.end(false);
    expect(pieces.join("")).toBe("\ufeffaé€😀z\n");
    expect(pieces).not.toContain("");
  }
  const { text, pieces } = told();
  for (const piece of bytewise(bytes)) text.push(piece);
  expect(pieces).toEqual(["\ufeff", "a", "é", "€", "😀", "z", "\n"]);
});

it("StderrText makes U+FFFD of what is not UTF-8", () => {
  const { text, pieces } = told();
  text.push(latin1("a\xffb"));
  text.push(latin1("\xc3"));
  text.push(latin1("c"));
  text.end(false);
  expect(pieces).toEqual(["a\ufffdb", "\ufffdc"]);
});

it("StderrText passes on an incomplete last character, unless a limit cut it", () => {
  for (const [truncated, expected] of [
    [false, ["a", "\ufffd"]],
    [true, ["a"]],
  ] as const) {
    const { text, pieces } = told();
    text.push(latin1("a\xc3"));
    text.end(truncated);
    expect(pieces).toEqual(expected);
  }
});

it("StderrText does not call back when nothing came", () => {
  const { text, pieces } = told();
  text.end(false);
  expect(pieces).toEqual([]);
});
