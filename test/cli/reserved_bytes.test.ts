import { expect, it } from "vitest";
import { ReservedBytes } from "../../cli/check/reserved_bytes.ts";
import { RecordType } from "../../src/toolkit.ts";
import { bytesOf, record } from "../support/records.ts";

it("ReservedBytes reads every header when the bytes are cut anywhere", () => {
  const pieces = ["", "five5", "a".repeat(300)].map((content) => bytesOf(record(RecordType.Stdout, 1, content)));
  for (const [index, piece] of pieces.entries()) piece[7] = index + 1;
  const bytes = Buffer.concat(pieces);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reserved = new ReservedBytes();
    reserved.push(bytes.subarray(0, cut));
    reserved.push(bytes.subarray(cut));
    expect(reserved.values).toEqual([1, 2, 3]);
  }
});
