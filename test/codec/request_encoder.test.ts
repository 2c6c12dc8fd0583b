import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeRequestHead, type RequestHead } from "../../src/codec/request_encoder.ts";
import { RecordType, Role } from "../../src/protocol/constants.ts";
import { encodeNameValuePairs, type NameValuePair } from "../../src/protocol/name_value_pairs.ts";
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
