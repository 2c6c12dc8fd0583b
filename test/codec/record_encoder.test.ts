import fc from "fast-check";
import { expect, it } from "vitest";
import { RecordDecoder } from "../../src/codec/record_decoder.ts";
import {
  encodedRecordLength,
  encodePieces,
  encodeRecordInto,
  encodeRecords,
  RecordEncoder,
} from "../../src/codec/record_encoder.ts";
import { RecordEncoderStream } from "../../src/codec/streams.ts";
import { MAX_SENT_CONTENT_LENGTH, RecordType } from "../../src/protocol/constants.ts";
import { decodeRecordHeader, type FastCgiRecord } from "../../src/protocol/record.ts";
import { hexOf, joined, latin1 } from "../support/bytes.ts";
import { patternBytes } from "../support/pattern.ts";
import { record } from "../support/records.ts";
import { collected, isSettled, streamOf } from "../support/streams.ts";

const { Params, Stderr, Stdin, Stdout } = RecordType;

/** Records and their bytes: header, content, zeros up to the next multiple of eight. */
const RECORDS: readonly (readonly [what: string, record: FastCgiRecord, bytes: string])[] = [
  ["an end of stream", record(Stdin, 1), "01 05 00 01 00 00 00 00"],
  ["one byte", record(Stdout, 1, "a"), "01 06 00 01 00 01 07 00 61 00 00 00 00 00 00 00"],
  ["eight bytes", record(Stdout, 0x1234, "abcdefgh"), "01 06 12 34 00 08 00 00 61 62 63 64 65 66 67 68"],
  [
    "nine bytes of STDERR",
    record(Stderr, 1, "123456789"),
    `01 07 00 01 00 09 07 00 31 32 33 34 35 36 37 38 39${" 00".repeat(7)}`,
  ],
  [
    "eight bytes of STDERR",
    record(Stderr, 1, "abcdefgh"),
    `01 07 00 01 00 08 08 00 61 62 63 64 65 66 67 68${" 00".repeat(8)}`,
  ],
  ["an end of STDERR", record(Stderr, 1), "01 07 00 01 00 00 00 00"],
  ["a management record", record(RecordType.UnknownType, 0, "M"), "01 0b 00 00 00 01 07 00 4d 00 00 00 00 00 00 00"],
];

it.each(RECORDS)("encodeRecords writes the bytes of FastCGI 3.3 when given %s", (_, piece, bytes) => {
  expect(hexOf(encodeRecords([piece]))).toBe(bytes);
});

it("encodeRecords ends every record on a multiple of eight bytes when padding is left to it", () => {
  for (let length = 0; length < 64; length++) {
    for (const type of [Params, Stdout, Stderr]) {
      const piece = record(type, 1, patternBytes(length));
      expect(encodedRecordLength(piece) % 8).toBe(0);
      expect(encodeRecords([piece]).length).toBe(encodedRecordLength(piece));
      expect(encodedRecordLength(piece) - 8 - length).toBeLessThanOrEqual(8);
    }
  }
});

it("encodeRecords pads STDERR by at least one byte when it has content", () => {
  for (let length = 1; length <= 64; length++) {
    const { paddingLength } = decodeRecordHeader(encodeRecords([record(Stderr, 1, patternBytes(length))]), 0);
    expect(paddingLength).toBeGreaterThanOrEqual(1);
    expect(paddingLength).toBeLessThanOrEqual(8);
  }
});

it("encodeRecords keeps content and padding within 65,535 bytes when the content is the most that is sent", () => {
  const bytes = encodeRecords([record(Stdout, 1, patternBytes(MAX_SENT_CONTENT_LENGTH))]);
  expect(decodeRecordHeader(bytes, 0)).toMatchObject({ contentLength: 65_528, paddingLength: 0 });
});

it("encodeRecords keeps the padding when it is given", () => {
  expect(hexOf(encodeRecords([{ ...record(Stdout, 1, "a"), paddingLength: 0 }]))).toBe("01 06 00 01 00 01 00 00 61");
  expect(hexOf(encodeRecords([{ ...record(Stderr, 1, "a"), paddingLength: 2 }]))).toBe(
    "01 07 00 01 00 01 02 00 61 00 00",
  );
  expect(encodeRecords([{ ...record(Stdout, 1), paddingLength: 255 }]).length).toBe(263);
});

it("encodeRecords takes 65,535 bytes of content and 255 of padding", () => {
  const bytes = encodeRecords([{ ...record(Stdout, 1, patternBytes(65_535)), paddingLength: 255 }]);
  expect(bytes.length).toBe(8 + 65_535 + 255);
  expect(decodeRecordHeader(bytes, 0)).toMatchObject({ contentLength: 65_535, paddingLength: 255 });
});

const small = record(Stdout, 1, "a");
const REFUSED: readonly (readonly [what: string, record: FastCgiRecord, message: string])[] = [
  ["content is longer than 65,535 bytes", record(Stdout, 1, new Uint8Array(65_536)), "contentLength"],
  ["padding is longer than 255 bytes", { ...small, paddingLength: 256 }, "paddingLength"],
  ["padding is negative", { ...small, paddingLength: -1 }, "paddingLength"],
  ["padding is not a number", { ...small, paddingLength: Number.NaN }, "paddingLength"],
  ["the request id is above 65,535", { ...small, requestId: 65_536 }, "requestId"],
  ["the request id is negative", { ...small, requestId: -1 }, "requestId"],
  ["the request id is a fraction", { ...small, requestId: 1.5 }, "requestId"],
  ["the type is above 255", { ...small, type: 256 }, "type"],
  ["the type is not a number", { ...small, type: Number.NaN }, "type"],
];

it.each(REFUSED)("encodeRecords throws a RangeError when %s", (_, piece, message) => {
  expect(() => encodeRecords([piece])).toThrow(RangeError);
  expect(() => encodeRecords([piece])).toThrow(`Cannot encode a record: expected ${message} to be an integer`);
});

it("encodeRecords throws a TypeError when it is given no array, or something else in it", () => {
  expect(() => encodeRecords(small as never)).toThrow(
    new TypeError("Cannot encode records: expected records to be an array, got Object"),
  );
  expect(() => encodeRecords([small, 7 as never])).toThrow(
    new TypeError("Cannot encode records: expected a record, got 7"),
  );
});

it("encodePieces gives the bytes of encodeRecords, joined but for large content, which it does not copy", () => {
  const large = (type: number, length: number): FastCgiRecord => record(type, 1, patternBytes(length));
  const limit = 16 * 1024;
  const little = record(Stdin, 1, "little");
  const cases: readonly (readonly [records: FastCgiRecord[], lengths: number[]])[] = [
    [[], []],
    [[little, little], [32]],
    [[large(Stdout, limit - 1)], [8 + limit]],
    [[large(Stdout, limit)], [8, limit]],
    // FCGI_STDERR is padded by eight bytes.
    [
      [little, little, large(Stderr, limit), large(Stdin, limit + 1), little],
      [32, 8, limit, 8, 8, limit + 1, 7, 16],
    ],
  ];
  for (const [records, lengths] of cases) {
    const pieces = encodePieces(records);
    expect(pieces.map(({ length }) => length)).toEqual(lengths);
    expect(joined(...pieces)).toEqual(encodeRecords(records));
    for (const { contentData } of records) expect(pieces.includes(contentData)).toBe(contentData.length >= limit);
  }
});

it("encodeRecordInto writes behind the offset and returns the end", () => {
  const target = new Uint8Array(20);
  expect(encodeRecordInto(record(Stdin, 1), target, 4)).toBe(12);
  expect(hexOf(target)).toBe("00 00 00 00 01 05 00 01 00 00 00 00 00 00 00 00 00 00 00 00");
});

it("encodeRecordInto leaves the target alone when a field does not fit", () => {
  const target = new Uint8Array(20);
  expect(() => encodeRecordInto({ ...small, requestId: 65_536 }, target, 0)).toThrow(RangeError);
  expect(target).toEqual(new Uint8Array(20));
});

it("encodeRecords writes the records one after the other, as RecordDecoder reads them, when given any", () => {
  const piece = fc.record({
    type: fc.nat(255),
    requestId: fc.nat(65_535),
    contentData: fc.uint8Array({ maxLength: 70 }).map((bytes) => new Uint8Array(bytes)),
    paddingLength: fc.option(fc.nat(255), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (records) => {
      const bytes = encodeRecords(records);
      expect(bytes.length).toBe(records.reduce((sum, each) => sum + encodedRecordLength(each), 0));
      const decoded: FastCgiRecord[] = [];
      new RecordDecoder().transform(bytes, { enqueue: (each) => decoded.push(each) });
      const expected = records.map((each) => ({
        ...each,
        paddingLength: encodedRecordLength(each) - 8 - each.contentData.length,
      }));
      expect(decoded).toEqual(expected);
    }),
  );
});

it("RecordEncoder emits one chunk of its own for each record", () => {
  const chunks: Uint8Array[] = [];
  const encoder = new RecordEncoder();
  const content = latin1("a");
  for (const piece of [record(Stdout, 1, content), record(Stdout, 1)]) {
    encoder.transform(piece, { enqueue: (chunk) => chunks.push(chunk) });
  }
  encoder.flush();
  content.fill(0);
  expect(chunks.map(hexOf)).toEqual(["01 06 00 01 00 01 07 00 61 00 00 00 00 00 00 00", "01 06 00 01 00 00 00 00"]);
});

it("RecordEncoderStream emits bytes when records are piped through it", async () => {
  const records = RECORDS.map(([, piece]) => piece);
  const stream = streamOf(...records);
  const chunks = await collected(stream.pipeThrough(new RecordEncoderStream()));
  expect(chunks.map(hexOf)).toEqual(RECORDS.map(([, , bytes]) => bytes));
});

it("RecordEncoderStream takes no more than a record when nobody takes the bytes", async () => {
  const { readable, writable } = new RecordEncoderStream();
  const writer = writable.getWriter();
  void writer.write(small);
  const second = writer.write(small);
  expect(await isSettled(second)).toBe(false);
  const reader = readable.getReader();
  await reader.read();
  await reader.read();
  expect(await isSettled(second)).toBe(true);
});
