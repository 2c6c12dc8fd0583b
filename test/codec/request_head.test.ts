import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeRequestHead, type RequestHead } from "../../src/codec/request_head.ts";
import { RecordType, Role } from "../../src/protocol/constants.ts";
import { decodeNameValuePairs, encodeNameValuePairs, type NameValuePair } from "../../src/protocol/name_value_pairs.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { begin, bytesOf, record, recordsIn } from "../support/records.ts";

const head = (params: Iterable<NameValuePair>, others: Partial<RequestHead> = {}): RequestHead => ({
  requestId: 1,
  role: Role.Responder,
  keepConn: true,
  params,
  endsStdin: true,
  ...others,
});

/** What the bytes that no field defines hold: the reserved ones of FCGI_BEGIN_REQUEST, and padding. */
function undefinedBytes(bytes: Uint8Array): number[] {
  const found = [...bytes.subarray(11, 16)];
  for (let at = 0; at < bytes.length; ) {
    const length = (bytes[at + 4]! << 8) | bytes[at + 5]!;
    const end = at + 8 + length + bytes[at + 6]!;
    found.push(bytes[at + 7]!, ...bytes.subarray(at + 8 + length, end));
    at = end;
  }
  return found;
}

describe("encodeRequestHead", () => {
  it("encodeRequestHead writes what the records of a request are, whatever its params", () => {
    const text = fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
      maxLength: 200,
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, text), { maxLength: 30 }),
        fc.integer({ min: 1, max: 65_535 }),
        fc.boolean(),
        fc.boolean(),
        (params, requestId, keepConn, endsStdin) => {
          const bytes = encodeRequestHead(head(params, { requestId, keepConn, endsStdin }));
          const content = encodeNameValuePairs(params);
          expect(
            recordsIn(bytes).map(({ type, requestId, contentData }) => ({ type, requestId, contentData })),
          ).toEqual(
            recordsIn(
              bytesOf(
                begin(requestId, { keepConn }),
                ...(content.length > 0 ? [record(RecordType.Params, requestId, content)] : []),
                record(RecordType.Params, requestId),
                ...(endsStdin ? [record(RecordType.Stdin, requestId)] : []),
              ),
            ).map(({ type, requestId, contentData }) => ({ type, requestId, contentData })),
          );
          expect(bytes.length % 8).toBe(0);
        },
      ),
    );
  });

  /** What a head is by its records, with its pairs one after the other, however they were cut into records. */
  const expectRecords = (bytes: Uint8Array, { params, requestId, role, keepConn, endsStdin }: RequestHead): void => {
    const records = recordsIn(bytes);
    const isParams = ({ type, contentData }: FastCgiRecord): boolean =>
      type === RecordType.Params && contentData.length > 0;
    expect(records.filter((each) => !isParams(each)).map(({ paddingLength: _, ...facts }) => facts)).toEqual([
      begin(requestId, { role, keepConn }),
      record(RecordType.Params, requestId),
      ...(endsStdin ? [record(RecordType.Stdin, requestId)] : []),
    ]);
    const some = records.filter(isParams);
    // PHP parses each record by itself.
    expect(some.flatMap(({ contentData }) => decodeNameValuePairs(contentData))).toEqual([...params]);
    expect(new Set(some.map((each) => each.requestId)).size).toBeLessThanOrEqual(1);
    expect(bytes.length % 8).toBe(0);
  };

  it("encodeRequestHead writes a head whole when it is as long as the memory that heads share, or longer", () => {
    // They share 16 KiB, and a record has 64.
    const around = Array.from({ length: 24 }, (_, index) => 7_950 + index);
    for (const length of [...around, 20_000, 40_000]) {
      for (const endsStdin of [true, false]) {
        const pairs: NameValuePair[] = [
          ["N".repeat(200), "v".repeat(length)],
          ["M".repeat(200), "w".repeat(length)],
        ];
        const given = head(pairs, { requestId: 7, role: Role.Filter, keepConn: endsStdin, endsStdin });
        expectRecords(encodeRequestHead(given), given);
      }
    }
  });

  it("encodeRequestHead writes every head whole when many use up the memory that they share", () => {
    for (let round = 0; round < 800; round++) {
      const endsStdin = round % 3 === 0;
      const given = head(round % 5 === 0 ? [["A", "a".repeat(round % 70)]] : [], { endsStdin });
      expectRecords(encodeRequestHead(given), given);
    }
  });

  it("encodeRequestHead writes heads into memory that they share, up to the largest that fits it", () => {
    const memoryOf = (params: NameValuePair[]): ArrayBufferLike => encodeRequestHead(head(params)).buffer;
    const buffers = new Set(Array.from({ length: 100 }, (_, index) => memoryOf([["A", "a".repeat(index)]])));
    // Together they are 11 KiB, and a part of the memory may have been used up before.
    expect(buffers.size).toBeLessThanOrEqual(2);
    // 24 bytes before the params, and room for two long lengths, 7 bytes of padding and the ends of both streams.
    const most = 16 * 1024 - 24 - 8 - 7 - 16;
    expect(memoryOf([["A", "a".repeat(most - 1)]]).byteLength).toBe(16 * 1024);
    expect(memoryOf([["A", "a".repeat(most)]]).byteLength).not.toBe(16 * 1024);
  });

  it("encodeRequestHead leaves the end of stdin to what follows when params take several records", () => {
    for (const endsStdin of [true, false]) {
      const given = head([["A", "a".repeat(100_000)]], { endsStdin });
      const types = recordsIn(encodeRequestHead(given)).map(({ type }) => type);
      expect(types.includes(RecordType.Stdin)).toBe(endsStdin);
    }
  });

  it("encodeRequestHead says what it expected when it is called in a wrong way", () => {
    const right = head([["A", "b"]]);
    const wrong: [given: unknown, message: string][] = [
      [null, "head to be an object, got null"],
      [{ ...right, requestId: 0 }, "requestId to be an integer from 1 to 65535, got 0"],
      [{ ...right, role: 0x10000 }, "role to be an integer from 1 to 65535, got 65536"],
      [{ ...right, keepConn: 1 }, "keepConn to be a boolean, got 1"],
      [{ ...right, endsStdin: undefined }, "endsStdin to be a boolean, got undefined"],
      [{ ...right, params: 5 }, "params to be pairs [name, value] or a Map, got 5"],
      // Text has two parts as well, and the second one would be taken for a value.
      [{ ...right, params: ["AB"] }, "params to be pairs [name, value] or a Map, got something else in it"],
      [{ ...right, params: [["A", "b"], "CD"] }, "params to be pairs [name, value] or a Map, got something else in it"],
    ];
    for (const [given, message] of wrong) {
      const call = (): unknown => encodeRequestHead(given as RequestHead);
      expect(call).toThrow(`Cannot encode the start of a request: expected ${message}`);
    }
  });

  /** What is left of a request's params when they are read from its bytes. */
  const paramsOf = (bytes: Uint8Array): NameValuePair[] =>
    recordsIn(bytes)
      .filter(({ type }) => type === RecordType.Params)
      .flatMap(({ contentData }) => decodeNameValuePairs(contentData));

  it("encodeRequestHead writes every later request whole when one has a value that is not a string", () => {
    const broken = (function* (): Generator<NameValuePair> {
      yield ["A", "b"];
      throw new RangeError("No more pairs");
    })();
    const wrong: [params: unknown, message: string][] = [
      [[["SERVER_PORT", 8080]], 'Cannot send the variable "SERVER_PORT": expected a string, got number'],
      [
        [["REMOTE_ADDR", { address: "::1", port: 1 }]],
        'Cannot send the variable "REMOTE_ADDR": expected a string, got Object',
      ],
      [[["A", { length: 3 }]], 'Cannot send the variable "A": expected a string, got Object'],
      [[["A", undefined]], 'Cannot send the variable "A": expected a string, got undefined'],
      [[["A", null]], 'Cannot send the variable "A": expected a string, got null'],
      [[["A", ["b"]]], 'Cannot send the variable "A": expected a string, got Array'],
      [[["A"]], 'Cannot send the variable "A": expected a string, got undefined'],
      [[[1, "a"]], "Cannot send a variable: expected its name to be a string, got number"],
      [broken, "No more pairs"],
    ];
    const right: NameValuePair[] = [["REQUEST_METHOD", "GET"]];
    for (const [params, message] of wrong) {
      expect(() => encodeRequestHead(head(params as NameValuePair[]))).toThrow(message);
      for (let round = 0; round < 3; round++) expect(paramsOf(encodeRequestHead(head(right)))).toEqual(right);
    }
  });

  it("encodeRequestHead keeps requests apart when the params of one encode another while they are read", () => {
    const right: NameValuePair[] = [["NAME", "outer".repeat(20)]];
    let inner = new Uint8Array(0);
    const pairs: Iterable<NameValuePair> = {
      *[Symbol.iterator]() {
        yield right[0]!;
        inner = encodeRequestHead(head([["NAME", "inner"]])) as Uint8Array<ArrayBuffer>;
      },
    };
    for (let round = 0; round < 3; round++) {
      const outer = encodeRequestHead(head(pairs));
      const next = encodeRequestHead(head([["NAME", "next"]]));
      expect([outer, inner, next].map(paramsOf)).toEqual([right, [["NAME", "inner"]], [["NAME", "next"]]]);
    }
  });

  it("encodeRequestHead sends all pairs of a generator, however large they are", () => {
    const pairs = (length: number): NameValuePair[] => [
      ["A", "a"],
      ["B", "b".repeat(length)],
      ["C", "c"],
    ];
    for (const length of [1, 15_000, 60_000]) {
      const generator = (function* () {
        yield* pairs(length);
      })();
      expect(paramsOf(encodeRequestHead(head(generator)))).toEqual(pairs(length));
    }
  });

  it("encodeRequestHead sends nothing of another request that did not fit or could not be encoded", () => {
    const secret = "secret".repeat(2_500);
    for (let round = 0; round < 20; round++) {
      // Too large for a block, so that it is written in part before another way is taken.
      encodeRequestHead(
        head([
          ["COOKIE", secret],
          ["COOKIE", secret],
        ]),
      );
      expect(() =>
        encodeRequestHead(
          head([
            ["COOKIE", secret],
            ["NO_BYTE", "\u{20ac}"],
          ]),
        ),
      ).toThrow(TypeError);
      for (let length = 0; length < 8; length++) {
        const bytes = encodeRequestHead(head([["A", "x".repeat(length)]]));
        expect(undefinedBytes(bytes).filter((byte) => byte !== 0)).toEqual([]);
      }
    }
  });
});
