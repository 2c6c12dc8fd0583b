import { expect, it } from "vitest";
import { HeaderBytes } from "../../cli/check/header_bytes.ts";
import { RecordType } from "../../src/toolkit.ts";
import { bytesOf, record } from "../support/records.ts";

it("HeaderBytes reads every header when the bytes are cut anywhere", () => {
  const pieces = ["", "five5", "a".repeat(300)].map((content) => bytesOf(record(RecordType.Stdout, 1, content)));
  for (const [index, piece] of pieces.entries()) piece[7] = index + 1;
  const bytes = Buffer.concat(pieces);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const headers = new HeaderBytes();
    headers.push(bytes.subarray(0, cut));
    headers.push(bytes.subarray(cut));
    expect([headers.reserved, headers.otherVersion]).toEqual([[1, 2, 3], null]);
  }
});

it("HeaderBytes notes the first other version as soon as its byte is there", () => {
  const headers = new HeaderBytes();
  const known = bytesOf(record(RecordType.Stdout, 1, "\0five"));
  headers.push(known);
  expect(headers.otherVersion).toBeNull();
  headers.push(Uint8Array.of(0));
  expect(headers.otherVersion).toBe(0);
  // The rest of a header of zeros, and the first byte of the next one.
  headers.push(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 2));
  expect(headers.otherVersion).toBe(0);
});
