import { describe, expect, it } from "vitest";
import { encodeResponseEnd, type ResponseEnd } from "../../src/codec/response_encoder.ts";
import { decodeEndRequestBody, encodeRecords, RecordType } from "../../src/toolkit.ts";
import { joinBytes } from "../../src/transport/byte_source.ts";
import { patternBytes } from "../support/pattern.ts";
import { record } from "../support/records.ts";

const plain: ResponseEnd = { requestId: 7, stdout: new Uint8Array(0), endsStderr: false, appStatus: 0 };

/** The same as records. */
function expected({ requestId, stdout, endsStderr, appStatus }: ResponseEnd): Uint8Array {
  const body = new Uint8Array([appStatus >>> 24, appStatus >>> 16, appStatus >>> 8, appStatus, 0, 0, 0, 0]);
  return encodeRecords([
    ...(stdout.length > 0 ? [{ ...record(RecordType.Stdout, requestId, stdout), paddingLength: 0 }] : []),
    record(RecordType.Stdout, requestId, new Uint8Array(0)),
    ...(endsStderr ? [record(RecordType.Stderr, requestId, new Uint8Array(0))] : []),
    record(RecordType.EndRequest, requestId, body),
  ]);
}

describe("encodeResponseEnd", () => {
  it.each([0, 1, 4063, 4064, 16_383, 16_384, 65_535])(
    "encodeResponseEnd gives the bytes of the records, with %d bytes of output",
    (length) => {
      for (const requestId of [1, 0xffff]) {
        for (const endsStderr of [false, true]) {
          for (const appStatus of [0, 1, 0xfedc_ba98]) {
            const end = { requestId, stdout: patternBytes(length), endsStderr, appStatus };
            expect(joinBytes(encodeResponseEnd(end))).toEqual(expected(end));
          }
        }
      }
    },
  );

  it("encodeResponseEnd copies little output, and no more", () => {
    for (const [length, pieces] of [
      [16_383, 1],
      [16_384, 3],
    ] as const) {
      const stdout = patternBytes(length);
      const encoded = encodeResponseEnd({ ...plain, stdout });
      expect(encoded).toHaveLength(pieces);
      expect(encoded.includes(stdout)).toBe(pieces === 3);
    }
  });

  it("encodeResponseEnd leaves alone what it gave before", () => {
    const all = Array.from({ length: 1000 }, (_, index) => {
      const end = { ...plain, stdout: patternBytes(index), appStatus: index };
      return { end, pieces: encodeResponseEnd(end) };
    });
    for (const { end, pieces } of all) expect(joinBytes(pieces)).toEqual(expected(end));
    expect(decodeEndRequestBody(joinBytes(all[5]!.pieces).subarray(-8))).toMatchObject({ appStatus: 5 });
  });
});
