import fc from "fast-check";
import { expect, it } from "vitest";
import { MAX_SENT_CONTENT_LENGTH } from "../../src/protocol/constants.ts";
import {
  decodeNameValuePairs,
  encodeNameValuePairChunks,
  encodeNameValuePairs,
  findNameValuePairs,
  type NameValuePair,
} from "../../src/protocol/name_value_pairs.ts";
import { hex, hexOf, joined, latin1 } from "../support/bytes.ts";
import { caught } from "../support/decoders.ts";

const a = (length: number): string => "a".repeat(length);

/** FastCGI 3.4: the lengths of a pair at each border, and the bytes in front of its name. */
const LENGTHS: readonly (readonly [name: number, value: number, start: string])[] = [
  [0, 0, "00 00"],
  [0, 1, "00 01"],
  [1, 0, "01 00"],
  [1, 1, "01 01"],
  [127, 127, "7f 7f"],
  [1, 128, "01 80 00 00 80"],
  [128, 1, "80 00 00 80 01"],
  [128, 128, "80 00 00 80 80 00 00 80"],
  [255, 256, "80 00 00 ff 80 00 01 00"],
  [1, 65_535, "01 80 00 ff ff"],
  [1, 65_536, "01 80 01 00 00"],
  [65_536, 0, "80 01 00 00 00"],
  [1, 1_000_000, "01 80 0f 42 40"],
];

it.each(LENGTHS)(
  "encodeNameValuePairs writes the lengths as FastCGI 3.4 has them when they are %i and %i",
  (name, value, start) => {
    const bytes = encodeNameValuePairs([[a(name), a(value)]]);
    const head = hex(start);
    expect(hexOf(bytes.subarray(0, head.length))).toBe(start);
    expect(bytes.length).toBe(head.length + name + value);
  },
);

it.each(LENGTHS)(
  "decodeNameValuePairs reads the lengths of FastCGI 3.4 when they are %i and %i",
  (name, value, start) => {
    const pairs = decodeNameValuePairs(joined(hex(start), latin1(a(name + value))));
    expect(pairs.map((pair) => pair.map((text) => text.length))).toEqual([[name, value]]);
  },
);

/** Bytes on the wire, as they were recorded. */
const RECORDED: readonly (readonly [origin: string, bytes: Uint8Array, pairs: NameValuePair[]])[] = [
  ["an empty stream", hex(""), []],
  ["cgi-fcgi, env-minimal", hex("01 01 41 62"), [["A", "b"]]],
  ["FastCGI 3.4, an empty name", hex("00 02 68 69"), [["", "hi"]]],
  [
    "nginx, first params",
    latin1("\x0c\0QUERY_STRING\x0e\x03REQUEST_METHODGET\x0c\0CONTENT_TYPE"),
    [
      ["QUERY_STRING", ""],
      ["REQUEST_METHOD", "GET"],
      ["CONTENT_TYPE", ""],
    ],
  ],
  [
    "HAProxy, GET_VALUES",
    latin1("\x0d\0FCGI_MAX_REQS\x0f\0FCGI_MPXS_CONNS"),
    [
      ["FCGI_MAX_REQS", ""],
      ["FCGI_MPXS_CONNS", ""],
    ],
  ],
  ["php-fpm, GET_VALUES_RESULT", latin1("\x0f\x01FCGI_MPXS_CONNS0"), [["FCGI_MPXS_CONNS", "0"]]],
];

it.each(RECORDED)("encodeNameValuePairs writes the recorded bytes of %s", (_, bytes, pairs) => {
  expect(encodeNameValuePairs(pairs)).toEqual(bytes);
});

it.each(RECORDED)("decodeNameValuePairs reads the recorded bytes of %s", (_, bytes, pairs) => {
  expect(decodeNameValuePairs(bytes)).toEqual(pairs);
});

it("encodeNameValuePairs takes any iterable of pairs", () => {
  expect(encodeNameValuePairs(new Map([["A", "b"]]))).toEqual(hex("01 01 41 62"));
});

it("encodeNameValuePairs throws a TypeError that names the variable when it is not a string", () => {
  for (const [value, kind] of [
    [8080, "number"],
    [undefined, "undefined"],
    [null, "null"],
    [{}, "Object"],
  ] as const) {
    expect(() => encodeNameValuePairs([["SERVER_PORT", value as never]])).toThrow(
      new TypeError(`Cannot send the variable "SERVER_PORT": expected a string, got ${kind}`),
    );
  }
  expect(() => encodeNameValuePairs([[7 as never, ""]])).toThrow(
    new TypeError("Cannot send a variable: expected its name to be a string, got number"),
  );
});

it.each<[what: unknown, got: string]>([
  [undefined, "undefined"],
  [null, "null"],
  [7, "7"],
  ["AB", '"AB"'],
  [{ A: "b" }, "Object"],
  // Bytes are iterable, but of numbers.
  [new Uint8Array(2), "Uint8Array"],
])("encodeNameValuePairs throws a TypeError when it is given %o", (pairs, got) => {
  expect(() => encodeNameValuePairs(pairs as never)).toThrow(
    new TypeError(`Cannot encode the pairs: expected pairs to be pairs [name, value] or a Map, got ${got}`),
  );
});

it("encodeNameValuePairs throws a TypeError when one of the pairs is none", () => {
  expect(() => encodeNameValuePairs([["A", "b"], "CD" as never])).toThrow(
    new TypeError(
      "Cannot encode the pairs: expected pairs to be pairs [name, value] or a Map, got something else in it",
    ),
  );
});

it("decodeNameValuePairs throws when an argument is not what it must be", () => {
  expect(() => decodeNameValuePairs("0 0" as never)).toThrow(
    new TypeError('Cannot decode name-value pairs: expected bytes to be a Uint8Array, got "0 0"'),
  );
  for (const maxPairs of [-1, Number.NaN]) {
    expect(() => decodeNameValuePairs(hex(""), { maxPairs })).toThrow(
      new RangeError(`Cannot use maxPairs: expected a number from 0, got ${maxPairs}`),
    );
  }
  expect(() => decodeNameValuePairs(hex(""), { maxPairs: "3" as never })).toThrow(
    new TypeError('Cannot use maxPairs: expected a number from 0, got "3"'),
  );
});

it("encodeNameValuePairs throws a TypeError when a character is not a byte", () => {
  expect(() => encodeNameValuePairs([["PATH", "/\u0100"]])).toThrow(TypeError);
  expect(() => encodeNameValuePairs([["\u20ac", ""]])).toThrow(TypeError);
});

it("decodeNameValuePairs takes four-byte lengths when one byte would do", () => {
  // h2o 2.2.5 writes a length of 127 like this; recorder, params-forced-4-byte-lengths.
  const value = a(127);
  expect(decodeNameValuePairs(joined(hex("01 80 00 00 7f 41"), latin1(value)))).toEqual([["A", value]]);
  expect(decodeNameValuePairs(hex("80 00 00 01 80 00 00 01 41 62"))).toEqual([["A", "b"]]);
  expect(decodeNameValuePairs(hex("80 00 00 00 80 00 00 00"))).toEqual([["", ""]]);
});

it("decodeNameValuePairs keeps every byte apart when names and values hold all 256", () => {
  const all = String.fromCharCode(...Array(256).keys());
  const pairs: NameValuePair[] = [
    [all, all],
    ["HTTP_X", "caf\u00c3\u00a9 \u00ff\u0000"],
  ];
  expect(decodeNameValuePairs(encodeNameValuePairs(pairs))).toEqual(pairs);
});

it("decodeNameValuePairs throws when the content ends anywhere inside a pair", () => {
  const first = encodeNameValuePairs([["A", "b"]]);
  for (const start of ["01 01 41 62", "80 00 00 01 80 00 00 01 41 62", "02 80 00 00 02 41 41 62 62"]) {
    const second = hex(start);
    for (let length = 1; length < second.length; length++) {
      const bytes = joined(first, second.subarray(0, length));
      const error = caught(() => decodeNameValuePairs(bytes));
      expect(error).toMatchObject({ code: "protocol" });
      expect(error.message).toContain(`the pair at 4 passes the end at ${4 + length}`);
    }
    expect(decodeNameValuePairs(joined(first, second))).toHaveLength(2);
  }
});

it("decodeNameValuePairs throws and takes no memory when five bytes announce 2 GiB", () => {
  for (const text of ["ff ff ff ff 00", "00 ff ff ff ff", "ff ff ff ff ff ff ff ff", "7f ff ff ff ff 41"]) {
    const bytes = hex(text);
    const before = process.memoryUsage();
    expect(caught(() => decodeNameValuePairs(bytes))).toMatchObject({ code: "protocol" });
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1024 * 1024);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(16 * 1024 * 1024);
  }
});

it("decodeNameValuePairs throws limit when there is one pair more than maxPairs", () => {
  const bytes = encodeNameValuePairs(Array.from({ length: 4 }, (_, index) => [String(index), ""]));
  expect(decodeNameValuePairs(bytes, { maxPairs: 4 })).toHaveLength(4);
  const error = caught(() => decodeNameValuePairs(bytes, { maxPairs: 3 }));
  expect(error).toMatchObject({ code: "limit", limit: "maxParams" });
  expect(error.message).toContain("more than 3");
});

it("decodeNameValuePairs takes no pair when maxPairs is 0", () => {
  expect(decodeNameValuePairs(hex(""), { maxPairs: 0 })).toEqual([]);
  expect(caught(() => decodeNameValuePairs(hex("00 00"), { maxPairs: 0 }))).toMatchObject({ code: "limit" });
});

it("findNameValuePairs puts zeros in place of four-byte lengths, and leaves the given bytes as they were", () => {
  const given = "80 00 00 01 01 41 62 01 80 00 00 01 43 64 01 01 45 66";
  const bytes = hex(given);
  const { bounds, text } = findNameValuePairs(bytes);
  expect(bounds).toEqual([5, 6, 7, 12, 13, 14, 16, 17, 18]);
  expect(hexOf(text)).toBe("00 00 00 00 00 41 62 00 00 00 00 00 43 64 01 01 45 66");
  expect(hexOf(bytes)).toBe(given);
});

const byteString = (maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const pairsArbitrary = fc.array(fc.tuple(byteString(140), byteString(400)), { maxLength: 20 });

it("decodeNameValuePairs undoes encodeNameValuePairs when given any pairs", () => {
  fc.assert(
    fc.property(pairsArbitrary, (pairs) => {
      expect(decodeNameValuePairs(encodeNameValuePairs(pairs))).toEqual(pairs);
    }),
  );
});

it("decodeNameValuePairs throws nothing but a FastCgiError when given any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      let pairs: NameValuePair[];
      try {
        pairs = decodeNameValuePairs(bytes);
      } catch (error) {
        expect(error).toMatchObject({ name: "FastCgiError", code: "protocol" });
        return;
      }
      expect(encodeNameValuePairs(pairs).length).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 1000 },
  );
});

it("encodeNameValuePairChunks gives one piece when everything fits a record", () => {
  const pairs: NameValuePair[] = [
    ["A", "b"],
    ["C", ""],
  ];
  expect(encodeNameValuePairChunks(pairs)).toEqual([encodeNameValuePairs(pairs)]);
});

it("encodeNameValuePairChunks gives nothing when there are no pairs", () => {
  expect(encodeNameValuePairChunks([])).toEqual([]);
});

it("encodeNameValuePairChunks cuts between pairs when they do not fit one record", () => {
  // 1 + 4 + 1 + 32,758 = 32,764 bytes: two of them are exactly the most that is sent.
  const half: NameValuePair = ["A", a(MAX_SENT_CONTENT_LENGTH / 2 - 6)];
  const chunks = encodeNameValuePairChunks([half, half, ["B", ""], half, half]);
  expect(chunks.map((chunk) => decodeNameValuePairs(chunk).length)).toEqual([2, 2, 1]);
  expect(chunks[0]!.length).toBe(MAX_SENT_CONTENT_LENGTH);
});

it("encodeNameValuePairChunks cuts inside a pair only when the pair is larger than a record", () => {
  const small: NameValuePair = ["A", "b"];
  const large: NameValuePair = ["LARGE", a(MAX_SENT_CONTENT_LENGTH)];
  const chunks = encodeNameValuePairChunks([small, large, small]);
  expect(chunks.map(({ length }) => length)).toEqual([4, MAX_SENT_CONTENT_LENGTH, 10, 4]);
  expect(decodeNameValuePairs(chunks[0]!)).toEqual([small]);
  expect(decodeNameValuePairs(chunks[3]!)).toEqual([small]);
  expect(decodeNameValuePairs(joined(...chunks))).toEqual([small, large, small]);
});

it("encodeNameValuePairChunks loses nothing and cuts no small pair when given any pairs", () => {
  const value = fc.oneof(byteString(40), fc.nat(70_000).map(a));
  fc.assert(
    fc.property(fc.array(fc.tuple(byteString(20), value), { maxLength: 12 }), (pairs) => {
      const chunks = encodeNameValuePairChunks(pairs);
      expect(decodeNameValuePairs(joined(...chunks))).toEqual(pairs);
      for (const { length } of chunks) expect(length).toBeLessThanOrEqual(MAX_SENT_CONTENT_LENGTH);
      const isSmall = (pair: NameValuePair): boolean => encodeNameValuePairs([pair]).length <= MAX_SENT_CONTENT_LENGTH;
      if (pairs.every(isSmall)) expect(chunks.flatMap((chunk) => decodeNameValuePairs(chunk))).toEqual(pairs);
    }),
  );
});
