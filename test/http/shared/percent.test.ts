import { expect, it } from "vitest";
import { percentDecode, percentEncode } from "../../../src/http/shared/percent.ts";

it("percentEncode makes two digits of each byte, which percentDecode reads back", () => {
  expect([..."\0\t a\xff"].map(percentEncode).join("")).toBe("%00%09%20%61%FF");
  for (let byte = 0; byte < 256; byte++) {
    const text = String.fromCharCode(byte);
    expect(percentDecode(percentEncode(text))).toBe(text);
  }
});

it("percentDecode leaves a % without two hexadecimal digits", () => {
  expect(percentDecode("%%41%4%zz%e9%")).toBe("%A%4%zz\xe9%");
});
