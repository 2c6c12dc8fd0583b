import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeRecords, RecordDecoder, type RecordDecoderOptions } from "../../src/codec/record_decoder.ts";
import { encodeRecords } from "../../src/codec/record_encoder.ts";
import { RecordDecoderStream } from "../../src/codec/streams.ts";
import { RecordType } from "../../src/protocol/constants.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { chunksOf, hex, joined, latin1, splitsOf } from "../support/bytes.ts";
import { caught } from "../support/decoders.ts";
import { patternBytes } from "../support/pattern.ts";
import { record } from "../support/records.ts";
import { collected, isSettled, streamOf } from "../support/streams.ts";

function decode(...chunks: readonly Uint8Array[]): FastCgiRecord[] {
  const decoder = new RecordDecoder();
  const records: FastCgiRecord[] = [];
  for (const chunk of chunks) decoder.transform(chunk, { enqueue: (record) => records.push(record) });
  decoder.flush();
  return records;
}

/** Records of every shape: no content, content that is a multiple of eight or not, padding of zeros and of rubbish. */
const CONVERSATION = joined(
  hex("01 01 00 01 00 08 00 00  00 01 01 00 00 00 00 00"), // nginx-keepalive, BEGIN_REQUEST
  hex("01 04 00 01 00 04 04 00  01 01 41 62  00 00 00 00"), // cgi-fcgi, PARAMS
  hex("01 04 00 01 00 00 00 00"), // cgi-fcgi, end of PARAMS
  hex("01 4d 00 00 00 05 03 ff  77 68 61 74 3f  de ad be"), // recorder, an unknown type, reserved byte set
  hex("01 05 ff ff 00 00 02 00  01 01"), // an end of STDIN that is padded, with what looks like a header behind it
  hex("01 03 00 01 00 08 00 00  00 00 00 00 00 69 64 22"), // php-fpm, END_REQUEST
);
const RECORDS: readonly FastCgiRecord[] = [
  { type: 1, requestId: 1, contentData: hex("00 01 01 00 00 00 00 00"), paddingLength: 0 },
  { type: 4, requestId: 1, contentData: hex("01 01 41 62"), paddingLength: 4 },
  { type: 4, requestId: 1, contentData: hex(""), paddingLength: 0 },
  { type: 77, requestId: 0, contentData: latin1("what?"), paddingLength: 3 },
  { type: 5, requestId: 65_535, contentData: hex(""), paddingLength: 2 },
  { type: 3, requestId: 1, contentData: hex("00 00 00 00 00 69 64 22"), paddingLength: 0 },
];

it("RecordDecoder emits every record when a conversation comes in one chunk", () => {
  expect(decode(CONVERSATION)).toEqual(RECORDS);
});

it("RecordDecoder emits the same records when the input is cut at any point", () => {
  for (const [head, tail] of splitsOf(CONVERSATION)) expect(decode(head, tail)).toEqual(RECORDS);
});

it("RecordDecoder emits the same records when the input comes in pieces of any one size", () => {
  for (let size = 1; size <= CONVERSATION.length; size++) {
    expect(decode(...chunksOf(CONVERSATION, size))).toEqual(RECORDS);
  }
});

it("RecordDecoder ignores empty chunks", () => {
  const nothing = new Uint8Array(0);
  const chunks = [...chunksOf(CONVERSATION, 1)].flatMap((chunk) => [nothing, chunk, nothing]);
  expect(decode(...chunks)).toEqual(RECORDS);
});

it("RecordDecoder emits nothing when there is no input", () => {
  expect(decode()).toEqual([]);
});

it("RecordDecoder reads 65,535 bytes of content and 255 of padding without wrapping around", () => {
  const content = patternBytes(65_535);
  const bytes = joined(
    hex("01 06 00 01 ff ff ff 00"),
    content,
    new Uint8Array(255).fill(1),
    hex("01 06 00 01 00 01 00 00 2a"),
  );
  for (const size of [bytes.length, 65_536, 4096, 1000, 7]) {
    const [large, small, ...more] = decode(...chunksOf(bytes, size));
    expect(large).toMatchObject({ paddingLength: 255 });
    expect(Buffer.compare(large!.contentData, content)).toBe(0);
    expect(small).toEqual({ type: 6, requestId: 1, contentData: hex("2a"), paddingLength: 0 });
    expect(more).toEqual([]);
  }
});

it("RecordDecoder skips padding whatever it holds", () => {
  const header = hex("01 06 00 01 00 01 10 00 2a");
  // Padding that looks like another version, and like an END_REQUEST.
  for (const padding of [new Uint8Array(16).fill(0xff), hex("01 03 00 01 00 08 00 00 00 00 00 00 00 00 00 00")]) {
    for (const [head, tail] of splitsOf(joined(header, padding))) {
      expect(decode(head, tail)).toEqual([{ type: 6, requestId: 1, contentData: hex("2a"), paddingLength: 16 }]);
    }
  }
});

it("RecordDecoder emits a view of the chunk when the content lies whole in it", () => {
  const chunk = joined(CONVERSATION, hex("01 06 00 01 00 02 00 00 2a 2b"));
  const records = decode(chunk);
  for (const { contentData } of records) expect(contentData.buffer).toBe(chunk.buffer);
  expect(records.at(-1)!.contentData.byteOffset).toBe(chunk.length - 2);
});

it("RecordDecoder copies content once, into a buffer of its size, when it is spread over chunks", () => {
  const bytes = joined(hex("01 06 00 01 03 e8 00 00"), patternBytes(1000));
  const [record] = decode(...chunksOf(bytes, 100));
  expect(record!.contentData).toEqual(patternBytes(1000));
  expect(record!.contentData.buffer.byteLength).toBe(1000);
  expect(record!.contentData.buffer).not.toBe(bytes.buffer);
});

it("RecordDecoder keeps no hold of a chunk when the caller writes to it afterwards", () => {
  const bytes = joined(hex("01 06 00 01 00 04 00 00"), latin1("abcd"));
  const records: FastCgiRecord[] = [];
  const decoder = new RecordDecoder();
  for (const chunk of chunksOf(bytes, 5)) {
    const reused = chunk.slice();
    decoder.transform(reused, { enqueue: (record) => records.push(record) });
    reused.fill(0);
  }
  expect(records[0]!.contentData).toEqual(latin1("abcd"));
});

it("RecordDecoder emits a record when its content is there, before its padding", () => {
  const decoder = new RecordDecoder();
  const records: FastCgiRecord[] = [];
  decoder.transform(hex("01 06 00 01 00 01 07 00 2a 00"), { enqueue: (record) => records.push(record) });
  expect(records).toHaveLength(1);
});

/** What is no FastCGI at all, or not of this version. */
const OTHER_VERSIONS: readonly (readonly [what: string, bytes: Uint8Array, version: number])[] = [
  ["is 0", hex("00 01 00 01 00 08 00 00"), 0],
  ["is 2", hex("02 01 00 01 00 08 00 00"), 2],
  ["is 255", hex("ff 01 00 01 00 08 00 00"), 255],
  ["is the G of an HTTP request", latin1("GET / HTTP/1.1\r\n\r\n"), 71],
  ["is that of a TLS handshake", hex("16 03 01 02 00 01 00 01"), 22],
];

it.each(OTHER_VERSIONS)("RecordDecoder throws when the version %s", (_, bytes, version) => {
  const before = hex("01 06 00 01 00 01 07 00 2a 00 00 00 00 00 00 00");
  for (const [head, tail] of splitsOf(joined(before, bytes))) {
    const decoder = new RecordDecoder();
    const records: FastCgiRecord[] = [];
    const controller = { enqueue: (record: FastCgiRecord): void => void records.push(record) };
    const error = caught(() => {
      decoder.transform(head, controller);
      decoder.transform(tail, controller);
    });
    expect(error.code).toBe("protocol");
    const why = version === 0 ? "the peer broke off what it was sending" : "is the peer speaking FastCGI?";
    expect(error.message).toBe(`Cannot decode a record: expected version 1, got ${version} (${why})`);
    // What came before is not lost.
    expect(records).toHaveLength(1);
  }
});

it("RecordDecoder refuses a chunk that is no Uint8Array, and goes on", () => {
  const decoder = new RecordDecoder();
  const records: FastCgiRecord[] = [];
  const controller = { enqueue: (record: FastCgiRecord): void => void records.push(record) };
  decoder.transform(hex("01 06 00 01"), controller);
  expect(() => decoder.transform("text" as never, controller)).toThrow(
    new TypeError('Cannot decode records: expected chunk to be a Uint8Array, got "text"'),
  );
  decoder.transform(hex("00 00 00 00"), controller);
  expect(records).toHaveLength(1);
});

it("RecordDecoder throws the same error ever after when it has thrown one", () => {
  const decoder = new RecordDecoder();
  const nobody = { enqueue: (): never => expect.unreachable() };
  const error = caught(() => decoder.transform(hex("00 01 00 01 00 00 00 00"), nobody));
  expect(caught(() => decoder.transform(hex("01 05 00 01 00 00 00 00"), nobody))).toBe(error);
  expect(caught(() => decoder.transform(new Uint8Array(0), nobody))).toBe(error);
  expect(caught(() => decoder.flush())).toBe(error);
});

it("RecordDecoder throws connectionClosed when the input ends inside a header or content", () => {
  const bytes = joined(hex("01 05 00 01 00 00 00 00"), hex("01 06 00 01 00 03 02 00"), latin1("abc"), hex("00 00"));
  const whole = [0, 8, 19, 20, 21];
  for (let length = 0; length <= bytes.length; length++) {
    if (whole.includes(length)) {
      decode(bytes.subarray(0, length));
      continue;
    }
    const error = caught(() => decode(bytes.subarray(0, length)));
    expect(error.code).toBe("connectionClosed");
    expect(error.message).toContain(length < 16 ? "inside its header" : "inside its content");
  }
});

it("RecordDecoder.isBetweenRecords is true behind a record and its padding only", () => {
  const bytes = joined(hex("01 06 00 01 00 02 03 00"), latin1("ab"), hex("00 00 00"), hex("01 05 00 01 00 00 00 00"));
  for (let length = 0; length <= bytes.length; length++) {
    for (const size of [1, 4, bytes.length]) {
      const decoder = new RecordDecoder();
      for (const chunk of chunksOf(bytes.subarray(0, length), size)) decoder.transform(chunk, { enqueue() {} });
      expect(decoder.isBetweenRecords, `${length} bytes`).toBe([0, 13, 21].includes(length));
    }
  }
});

it("RecordDecoder is dead when the input has ended inside a record", () => {
  const decoder = new RecordDecoder();
  const nobody = { enqueue: (): never => expect.unreachable() };
  decoder.transform(hex("01 05 00"), nobody);
  const error = caught(() => decoder.flush());
  expect(caught(() => decoder.transform(hex("01 00 00 00 00"), nobody))).toBe(error);
});

it("RecordDecoder undoes encodeRecords when records, padding and cuts are any", () => {
  const record = fc.record({
    type: fc.nat(255),
    requestId: fc.nat(65_535),
    contentData: fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.nat(65_535).map((length) => patternBytes(length)),
    ),
    paddingLength: fc.nat(255),
  });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 8 }), (records, cuts) => {
      const bytes = encodeRecords(records);
      const at = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
      const chunks = [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
      const decoded = decode(...chunks);
      expect(decoded.length).toBe(records.length);
      for (const [index, { contentData, ...facts }] of records.entries()) {
        expect(decoded[index]).toMatchObject(facts);
        expect(Buffer.compare(decoded[index]!.contentData, contentData)).toBe(0);
      }
    }),
  );
});

it("decodeRecords gives the records in bytes, and refuses bytes that are not whole records", () => {
  const records = [record(RecordType.Params, 1, "params"), record(RecordType.Stdin, 1)];
  const bytes = encodeRecords(records);
  expect(decodeRecords(bytes)).toMatchObject(records);
  expect(decodeRecords(new Uint8Array(0))).toEqual([]);
  expect(caught(() => decodeRecords(bytes.subarray(0, -1)))).toMatchObject({ code: "connectionClosed" });
});

it("RecordDecoderStream emits records when bytes are piped through it", async () => {
  const stream = streamOf(...chunksOf(CONVERSATION, 9)).pipeThrough(new RecordDecoderStream());
  expect(await collected(stream)).toEqual(RECORDS);
});

it("RecordDecoderStream fails when the version is wrong or the input cut", async () => {
  const failing = async (bytes: Uint8Array): Promise<unknown> => {
    const stream = streamOf(bytes).pipeThrough(new RecordDecoderStream());
    return collected(stream).catch((error: unknown) => error);
  };
  expect(await failing(hex("02 01 00 01 00 00 00 00"))).toMatchObject({ code: "protocol" });
  expect(await failing(hex("01 01 00 01"))).toMatchObject({ code: "connectionClosed" });
});

it("RecordDecoderStream takes no more than a chunk when nobody takes the records", async () => {
  const { readable, writable } = new RecordDecoderStream();
  const writer = writable.getWriter();
  const chunk = encodeRecords([{ type: RecordType.Stdin, requestId: 1, contentData: latin1("a") }]);
  void writer.write(chunk);
  const second = writer.write(chunk);
  expect(await isSettled(second)).toBe(false);
  const reader = readable.getReader();
  await reader.read();
  await reader.read();
  expect(await isSettled(second)).toBe(true);
});

it("RecordDecoderStream passes content of streams on as it comes when it is given splitStreams", async () => {
  const bytes = encodeRecords([record(RecordType.Stdin, 1, "content")]);
  const lengths = async (options?: RecordDecoderOptions): Promise<number[]> => {
    const records = streamOf(bytes.subarray(0, 10), bytes.subarray(10)).pipeThrough(new RecordDecoderStream(options));
    return (await collected(records)).map(({ contentData }) => contentData.length);
  };
  expect(await lengths({ splitStreams: true })).toEqual([2, 5]);
  expect(await lengths()).toEqual([7]);
});

describe("RecordDecoder with splitStreams", () => {
  it("passes content of streams on as it comes, and puts the content of others together", () => {
    const bytes = encodeRecords([
      record(RecordType.Params, 1, "params"),
      record(RecordType.Stdin, 1, "content"),
      record(RecordType.Stdin, 1),
    ]);
    const decoder = new RecordDecoder({ splitStreams: true });
    const records: FastCgiRecord[] = [];
    for (const byte of bytes) decoder.transform(Uint8Array.of(byte), { enqueue: (piece) => void records.push(piece) });
    expect(records.map(({ type, contentData }) => [type, Buffer.from(contentData).toString()])).toEqual([
      [RecordType.Params, "params"],
      ...[..."content"].map((letter) => [RecordType.Stdin, letter]),
      [RecordType.Stdin, ""],
    ]);
    expect(decoder.isBetweenRecords).toBe(true);
    decoder.flush();
  });

  it("passes on content of STDIN, STDOUT, STDERR and DATA as it comes, and of no other type", () => {
    const split: number[] = [];
    for (let type = 0; type <= 255; type++) {
      const decoder = new RecordDecoder({ splitStreams: true });
      const lengths: number[] = [];
      const bytes = encodeRecords([record(type, 1, "content")]);
      for (const piece of [bytes.subarray(0, 10), bytes.subarray(10)]) {
        decoder.transform(piece, { enqueue: ({ contentData }) => void lengths.push(contentData.length) });
      }
      if (lengths.length > 1) split.push(type);
      expect(lengths).toEqual(lengths.length > 1 ? [2, 5] : [7]);
    }
    expect(split).toEqual([RecordType.Stdin, RecordType.Stdout, RecordType.Stderr, RecordType.Data]);
  });

  it("puts the content of a record together when its type is that of a stream and its request id 0", () => {
    const decoder = new RecordDecoder({ splitStreams: true });
    const records: FastCgiRecord[] = [];
    for (const byte of encodeRecords([record(RecordType.Stdin, 0, "content")])) {
      decoder.transform(Uint8Array.of(byte), { enqueue: (piece) => void records.push(piece) });
    }
    expect(records.map(({ contentData }) => Buffer.from(contentData).toString())).toEqual(["content"]);
  });

  it("says that the input ended inside the content when it did", () => {
    const decoder = new RecordDecoder({ splitStreams: true });
    const bytes = encodeRecords([record(RecordType.Stdin, 1, "content")]);
    decoder.transform(bytes.subarray(0, 8), { enqueue: () => expect.unreachable() });
    expect(decoder.isBetweenRecords).toBe(false);
    decoder.transform(bytes.subarray(8, 10), { enqueue() {} });
    expect(decoder.isBetweenRecords).toBe(false);
    expect(() => decoder.flush()).toThrow("Cannot decode a record: the input ended inside its content");
  });

  it("gives the same streams as without when records and cuts are any", () => {
    const anyRecord = fc.record({
      type: fc.constantFrom(...Object.values(RecordType)),
      requestId: fc.integer({ min: 0, max: 3 }),
      contentData: fc.uint8Array({ maxLength: 40 }),
      paddingLength: fc.integer({ min: 0, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 8 }), fc.integer({ min: 1, max: 30 }), (records, size) => {
        const bytes = encodeRecords(records);
        const run = (splitStreams: boolean): string[] => {
          const contents: string[] = [];
          const decoder = new RecordDecoder({ splitStreams });
          const enqueue = ({ type, requestId, contentData }: FastCgiRecord): void => {
            const stream = type >= RecordType.Stdin && type <= RecordType.Data && contentData.length > 0;
            const key = `${type}:${requestId}:`;
            const text = Buffer.from(contentData).toString("hex");
            if (stream && contents.at(-1)?.startsWith(key) && !contents.at(-1)!.endsWith(":"))
              contents.push(contents.pop() + text);
            else contents.push(key + text);
          };
          for (let start = 0; start < bytes.length; start += size) {
            decoder.transform(bytes.subarray(start, start + size), { enqueue });
          }
          decoder.flush();
          return contents;
        };
        expect(run(true)).toEqual(run(false));
      }),
    );
  });

  describe("and a chunk whose memory nothing else uses", () => {
    const filled = (letter: string, length: number): string => letter.repeat(length);
    /** Decodes a chunk, and gives type, id and runs of letters of each record: `5 1 a10 b3` is STDIN of 1 with ten `a` and three `b`. */
    const decoded = (decoder: RecordDecoder, bytes: Uint8Array, isSole?: boolean): string[] => {
      const lines: string[] = [];
      const enqueue = ({ type, requestId, contentData }: FastCgiRecord): void => {
        const runs = Buffer.from(contentData)
          .toString()
          .replace(/(.)\1*/gs, (run, letter) => `${letter}${run.length} `);
        lines.push(`${type} ${requestId} ${runs}`.trim());
      };
      decoder.transform(new Uint8Array(bytes), { enqueue }, isSole);
      return lines;
    };
    const stdin = (letter: string, length: number, paddingLength = 5): FastCgiRecord => ({
      ...record(RecordType.Stdin, 1, filled(letter, length)),
      paddingLength,
    });

    it("joins what consecutive records hold of a stream, and nothing else", () => {
      const bytes = encodeRecords([
        stdin("a", 10),
        stdin("b", 20_000),
        stdin("c", 300, 0),
        record(RecordType.Stdin, 2, filled("x", 5)),
        stdin("d", 7),
        record(RecordType.Params, 1, filled("v", 6)),
        record(RecordType.Params, 1, filled("v", 6)),
        stdin("e", 8),
        record(RecordType.Stdin, 1),
        record(RecordType.Stdout, 1, filled("o", 8)),
        record(RecordType.Stdout, 1, filled("p", 8)),
        record(RecordType.Stderr, 1, filled("m", 8)),
        record(RecordType.Stderr, 1, filled("n", 8)),
        stdin("f", 9),
        stdin("g", 100),
      ]);
      const end = bytes.length - 60;
      const decoder = new RecordDecoder({ splitStreams: true });
      expect(decoded(decoder, bytes.subarray(0, end), true)).toEqual([
        ...["5 1 a10", "5 1 b20000 c300", "5 2 x5", "5 1 d7", "4 1 v6", "4 1 v6", "5 1 e8", "5 1"],
        ...["6 1 o8 p8", "7 1 m8", "7 1 n8", "5 1 f9 g45"],
      ]);
      // The last record goes on in the next chunk.
      expect(decoded(decoder, bytes.subarray(end), true)).toEqual(["5 1 g55"]);
      expect(decoder.isBetweenRecords).toBe(true);
    });

    it("joins nothing in a chunk of less than 8 KiB", () => {
      for (const [length, expected] of [
        [8_192, ["5 1 a4088 b4088"]],
        [8_191, ["5 1 a4088", "5 1 b4087"]],
        [32, ["5 1 a8", "5 1 b8"]],
      ] as const) {
        const half = Math.ceil(length / 2) - 8;
        const bytes = encodeRecords([stdin("a", half, 0), stdin("b", length - 16 - half, 0)]);
        expect(bytes.length).toBe(length);
        expect(decoded(new RecordDecoder({ splitStreams: true }), bytes, true)).toEqual(expected);
      }
    });

    it("joins no more than fits one record", () => {
      const bytes = encodeRecords([stdin("a", 57_343), stdin("b", 8_192), stdin("c", 57_344), stdin("d", 8_192)]);
      const decoder = new RecordDecoder({ splitStreams: true });
      expect(decoded(decoder, bytes, true)).toEqual(["5 1 a57343 b8192", "5 1 c57344", "5 1 d8192"]);
    });

    it("passes on what came before a record of another version, and then fails", () => {
      const bytes = encodeRecords([stdin("a", 5_000), stdin("b", 5_000), stdin("c", 1)]);
      // The header of the last record, before a byte of content and five of padding.
      bytes[bytes.length - 14] = 7;
      const lengths: number[] = [];
      const output = { enqueue: ({ contentData }: FastCgiRecord) => void lengths.push(contentData.length) };
      const decoder = new RecordDecoder({ splitStreams: true });
      expect(() => decoder.transform(bytes, output, true)).toThrow("expected version 1, got 7");
      expect(lengths).toEqual([10_000]);
    });

    it("changes no chunk of which it was not told that", () => {
      const bytes = encodeRecords([stdin("a", 5_000), stdin("b", 5_000)]);
      const decoder = new RecordDecoder({ splitStreams: true });
      expect(decoded(decoder, bytes)).toEqual(["5 1 a5000", "5 1 b5000"]);
      // As a program that reads whole records expects.
      expect(decoded(new RecordDecoder(), bytes, true)).toEqual(["5 1 a5000", "5 1 b5000"]);
    });

    it("gives the same bytes as otherwise when records and cuts are any", () => {
      const anyRecord = fc.record({
        type: fc.constantFrom(RecordType.Stdin, RecordType.Stdin, RecordType.Data, RecordType.Params),
        requestId: fc.integer({ min: 0, max: 2 }),
        contentData: fc
          .tuple(fc.nat(255), fc.nat(6_000))
          .map(([byte, length]) => Uint8Array.from({ length }, (_, index) => byte + index)),
        paddingLength: fc.nat(9),
      });
      const lengths = fc.integer({ min: 9_000, max: 30_000 });
      const compare = (records: FastCgiRecord[], size: number): void => {
        const bytes = encodeRecords(records);
        const run = (isSole: boolean): string[] => {
          const streams = new Map<string, string>();
          const decoder = new RecordDecoder({ splitStreams: true });
          const enqueue = ({ type, requestId, contentData }: FastCgiRecord): void => {
            const key = `${type}:${requestId}`;
            const text = contentData.length === 0 ? "end" : Buffer.from(contentData).toString("hex");
            streams.set(key, (streams.get(key) ?? "") + text);
          };
          for (let start = 0; start < bytes.length; start += size) {
            decoder.transform(bytes.slice(start, start + size), { enqueue }, isSole);
          }
          decoder.flush();
          return [...streams].flat();
        };
        expect(run(true)).toEqual(run(false));
      };
      fc.assert(fc.property(fc.array(anyRecord, { minLength: 5, maxLength: 15 }), lengths, compare), { numRuns: 30 });
    });
  });
});
