import fc from "fast-check";
import { expect, it } from "vitest";
import { MAX_BLOCK_SHARE } from "../../src/codec/block.ts";
import { MAX_WHOLE_LENGTH, WholeOutput } from "../../src/codec/whole_output.ts";
import { encodeByteString, encodeEndRequestBody, ProtocolStatus, RecordType } from "../../src/toolkit.ts";
import { joined, latin1 } from "../support/bytes.ts";
import { bytesOf, record } from "../support/records.ts";
import { resizable } from "../support/resizable.ts";
import { textFrom } from "../support/streams.ts";

it("WholeOutput encodes the records that a response of its bytes has", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "\0", "\r", "\xff"), maxLength: 1200 });
  const pieces = fc.array(fc.uint8Array({ maxLength: 900 }), { maxLength: 3 });
  fc.assert(
    fc.property(text, pieces, fc.integer({ min: 1, max: 0xffff }), (head, body, requestId) => {
      const bytes = joined(encodeByteString(head), ...body);
      fc.pre(bytes.length > 0);
      const output = new WholeOutput(head, body);
      expect([output.size, output.bytes]).toEqual([bytes.length, bytes]);
      const stdout = { ...record(RecordType.Stdout, requestId, bytes), paddingLength: 0 };
      const end = encodeEndRequestBody({ appStatus: 0, protocolStatus: ProtocolStatus.RequestComplete });
      const ends = [record(RecordType.Stdout, requestId), record(RecordType.EndRequest, requestId, end)];
      const expected = bytesOf(stdout, ends);
      expect(new Uint8Array(output.encodeResponse(requestId))).toEqual(expected);
    }),
  );
});

it("WholeOutput encodes as many bytes as it may have, again and again", () => {
  const output = new WholeOutput("", [new Uint8Array(MAX_WHOLE_LENGTH).fill(7)]);
  const first = output.encodeResponse(1);
  const second = output.encodeResponse(2);
  expect(first.length).toBe(MAX_WHOLE_LENGTH + 32);
  // Otherwise a block could be left with more of it unused than its comment says.
  expect(first.length).toBeLessThanOrEqual(MAX_BLOCK_SHARE);
  expect(new Uint8Array(first.subarray(0, 8))).toEqual(
    Uint8Array.of(1, 6, 0, 1, MAX_WHOLE_LENGTH >> 8, MAX_WHOLE_LENGTH & 0xff, 0, 0),
  );
  expect(second[3]).toBe(2);
});

it("WholeOutput goes on in the next block when the rest of one is too small for it", () => {
  const output = new WholeOutput("", [new Uint8Array(3000).fill(7)]);
  for (let count = 0; count < 12; count++) expect(output.encodeResponse(1)).toHaveLength(3000 + 32);
});

it("WholeOutput refuses text that is not of bytes, and leaves no trace of it", () => {
  expect(() => new WholeOutput("a\u20ac", []).encodeResponse(1)).toThrow(TypeError);
  expect(new WholeOutput("b", []).encodeResponse(1)).toHaveLength(33);
});

it.each([
  ["has shrunk", 2, 5],
  ["has grown", 5, 8],
])("WholeOutput throws when a buffer %s, because what follows would be a part of its body", (_, changed, got) => {
  const { bytes, resize } = resizable(4);
  const output = new WholeOutput("abc", [bytes]);
  expect(output.encodeResponse(1)).toHaveLength(32 + 7);
  resize(changed);
  const message = `Cannot send a response: expected 7 bytes, got ${got}`;
  expect(() => output.encodeResponse(1)).toThrow(new TypeError(message));
  expect(() => output.bytes).toThrow();
  expect(new Uint8Array(new WholeOutput("b", []).encodeResponse(1)).subarray(0, 9)).toEqual(
    Uint8Array.of(1, 6, 0, 1, 0, 1, 0, 0, 98),
  );
});

it("WholeOutput can be read more than once, as a Blob can", async () => {
  const output = new WholeOutput("a", [latin1("b"), latin1("c")]);
  expect(await textFrom(output.stream())).toBe("abc");
  expect(await textFrom(output.stream())).toBe("abc");
});
