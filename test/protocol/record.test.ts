import fc from "fast-check";
import { expect, it } from "vitest";
import { FCGI_HEADER_LEN } from "../../src/protocol/constants.ts";
import {
  checkPadding,
  checkRecord,
  decodeBeginRequestBody,
  decodeEndRequestBody,
  decodeRecordHeader,
  decodeUnknownTypeBody,
  encodeBeginRequestBody,
  encodeEndRequestBody,
  encodeRecordHeader,
  encodeUnknownTypeBody,
} from "../../src/protocol/record.ts";
import { hex, hexOf, joined } from "../support/bytes.ts";
import { caught } from "../support/decoders.ts";

type HeaderFields = readonly [type: number, requestId: number, contentLength: number, paddingLength: number];

const HEADERS: readonly (readonly [origin: string, bytes: string, fields: HeaderFields])[] = [
  ["nginx, BEGIN_REQUEST", "01 01 00 01 00 08 00 00", [1, 1, 8, 0]],
  ["Caddy, PARAMS", "01 04 00 01 02 a5 03 00", [4, 1, 0x2a5, 3]],
  ["HAProxy, GET_VALUES", "01 09 00 00 00 20 00 00", [9, 0, 32, 0]],
  ["php-fpm, GET_VALUES_RESULT", "01 0a 00 00 00 12 06 00", [10, 0, 18, 6]],
  ["recorder, an unknown type", "01 4d 00 05 00 03 00 00", [77, 5, 3, 0]],
  ["FastCGI 3.3, high bytes", "01 06 12 34 56 78 9a 00", [6, 0x1234, 0x5678, 0x9a]],
  ["FastCGI 3.3, largest numbers", "01 ff ff ff ff ff ff 00", [255, 65_535, 65_535, 255]],
];

it.each(HEADERS)("encodeRecordHeader writes the recorded bytes when given %s", (_, bytes, fields) => {
  const target = new Uint8Array(10).fill(0xee);
  expect(encodeRecordHeader(target, 1, ...fields)).toBe(1 + FCGI_HEADER_LEN);
  expect(hexOf(target)).toBe(`ee ${bytes} ee`);
});

it.each(HEADERS)("decodeRecordHeader reads every field when given %s", (_, bytes, fields) => {
  const [type, requestId, contentLength, paddingLength] = fields;
  expect(decodeRecordHeader(hex(bytes), 0)).toEqual({ version: 1, type, requestId, contentLength, paddingLength });
  expect(decodeRecordHeader(joined(hex("ff ff ff"), hex(bytes)), 3)).toMatchObject({ version: 1, requestId });
});

it("decodeRecordHeader ignores the reserved byte when it is not zero", () => {
  const zero = decodeRecordHeader(hex("01 03 00 01 00 08 00 00"), 0);
  expect(decodeRecordHeader(hex("01 03 00 01 00 08 00 ff"), 0)).toEqual(zero);
});

it("decodeRecordHeader returns the version as it is when it is unknown", () => {
  expect(decodeRecordHeader(hex("47 45 54 20 2f 20 48 54"), 0).version).toBe(0x47);
});

it("decodeRecordHeader and encodeRecordHeader throw a RangeError when fewer than eight bytes follow the offset", () => {
  const bytes = new Uint8Array(10).fill(0xee);
  const range = "expected offset to be an integer from 0 to 2, got 3";
  expect(() => decodeRecordHeader(bytes, 3)).toThrow(new RangeError(`Cannot decode a record header: ${range}`));
  expect(() => encodeRecordHeader(bytes, 3, 1, 1, 0, 0)).toThrow(new RangeError(`Cannot encode a record: ${range}`));
  expect(hexOf(bytes)).toBe("ee ee ee ee ee ee ee ee ee ee");
});

const body = new Uint8Array(8);
const record = { type: 4, requestId: 1, contentData: body };

/** Calls with a value that is not what it must be: what their errors say after "Cannot". */
const WRONG: readonly (readonly [message: string, call: () => unknown, kind: typeof TypeError | typeof RangeError])[] =
  [
    ["send: expected a record, got 7", () => checkRecord(7 as never, "Cannot send"), TypeError],
    [
      'send: expected the type of the record to be a number, got "4"',
      () => checkRecord({ ...record, type: "4" as never }, "Cannot send"),
      TypeError,
    ],
    [
      'send: expected contentData to be a Uint8Array, got "A"',
      () => checkRecord({ ...record, contentData: "A" as never }, "Cannot send"),
      TypeError,
    ],
    [
      "encode a record: expected paddingLength to be an integer from 0 to 255, got 256",
      () => checkPadding(256),
      RangeError,
    ],
    [
      'encode a record: expected target to be a Uint8Array, got "A"',
      () => encodeRecordHeader("A" as never, 0, 1, 1, 0, 0),
      TypeError,
    ],
    [
      "encode a record: expected target to have at least 8 bytes, got 7",
      () => encodeRecordHeader(new Uint8Array(7), 0, 1, 1, 0, 0),
      RangeError,
    ],
    [
      "encode a record: expected type to be an integer from 0 to 255, got 256",
      () => encodeRecordHeader(new Uint8Array(8), 0, 256, 1, 0, 0),
      RangeError,
    ],
    [
      "encode a record: expected requestId to be an integer from 0 to 65535, got 65536",
      () => encodeRecordHeader(new Uint8Array(8), 0, 1, 65_536, 0, 0),
      RangeError,
    ],
    [
      "encode a record: expected contentLength to be an integer from 0 to 65535, got 65536",
      () => encodeRecordHeader(new Uint8Array(8), 0, 1, 1, 65_536, 0),
      RangeError,
    ],
    [
      "encode a record: expected paddingLength to be an integer from 0 to 255, got -1",
      () => encodeRecordHeader(new Uint8Array(8), 0, 1, 1, 0, -1),
      RangeError,
    ],
    [
      'decode a record header: expected bytes to be a Uint8Array, got "A"',
      () => decodeRecordHeader("A" as never, 0),
      TypeError,
    ],
    [
      "encode FCGI_BEGIN_REQUEST: expected body to be an object, got null",
      () => encodeBeginRequestBody(null as never),
      TypeError,
    ],
    [
      "encode FCGI_BEGIN_REQUEST: expected role to be an integer from 0 to 65535, got 65536",
      () => encodeBeginRequestBody({ role: 65_536, keepConn: true }),
      RangeError,
    ],
    [
      "encode FCGI_BEGIN_REQUEST: expected keepConn to be a boolean, got 1",
      () => encodeBeginRequestBody({ role: 1, keepConn: 1 as never }),
      TypeError,
    ],
    [
      "encode FCGI_END_REQUEST: expected body to be an object, got null",
      () => encodeEndRequestBody(null as never),
      TypeError,
    ],
    [
      "encode FCGI_END_REQUEST: expected appStatus to be an integer from -2147483648 to 4294967295, got 4294967296",
      () => encodeEndRequestBody({ appStatus: 2 ** 32, protocolStatus: 0 }),
      RangeError,
    ],
    [
      "encode FCGI_END_REQUEST: expected protocolStatus to be an integer from 0 to 255, got 256",
      () => encodeEndRequestBody({ appStatus: 0, protocolStatus: 256 }),
      RangeError,
    ],
    [
      "encode FCGI_UNKNOWN_TYPE: expected type to be an integer from 0 to 255, got 256",
      () => encodeUnknownTypeBody(256),
      RangeError,
    ],
    [
      'read the body of record type 3: expected contentData to be a Uint8Array, got "A"',
      () => decodeEndRequestBody("A" as never),
      TypeError,
    ],
  ];

it.each(WRONG)("records are refused with what was expected when a call is wrong: %s", (message, call, kind) => {
  expect(call).toThrow(new kind(`Cannot ${message}`));
});

it("checkRecord and checkPadding take what they must", () => {
  for (const type of [0, 4, 255]) checkRecord({ ...record, type }, "Cannot send");
  for (const length of [0, 255]) checkPadding(length);
});

it("decodeRecordHeader undoes encodeRecordHeader when given any fields", () => {
  const [byte, word] = [fc.nat(0xff), fc.nat(0xffff)];
  fc.assert(
    fc.property(byte, word, word, byte, (type, requestId, contentLength, paddingLength) => {
      const bytes = new Uint8Array(FCGI_HEADER_LEN);
      encodeRecordHeader(bytes, 0, type, requestId, contentLength, paddingLength);
      expect(decodeRecordHeader(bytes, 0)).toEqual({ version: 1, type, requestId, contentLength, paddingLength });
    }),
  );
});

const BEGINS: readonly (readonly [origin: string, bytes: string, role: number, keepConn: boolean])[] = [
  ["nginx", "00 01 00 00 00 00 00 00", 1, false],
  ["nginx with fastcgi_keep_conn", "00 01 01 00 00 00 00 00", 1, true],
  ["lighttpd in front of an authorizer", "00 02 00 00 00 00 00 00", 2, false],
  ["a Filter request", "00 03 00 00 00 00 00 00", 3, false],
  ["a role of two bytes", "12 34 01 00 00 00 00 00", 0x1234, true],
];

it.each(BEGINS)("encodeBeginRequestBody writes the bytes of %s", (_, bytes, role, keepConn) => {
  expect(hexOf(encodeBeginRequestBody({ role, keepConn }))).toBe(bytes);
});

it.each(BEGINS)("decodeBeginRequestBody reads the bytes of %s", (_, bytes, role, keepConn) => {
  expect(decodeBeginRequestBody(hex(bytes))).toEqual({ role, keepConn });
  expect(decodeBeginRequestBody(hex(bytes), true)).toEqual({ role, keepConn });
});

it("decodeBeginRequestBody ignores unknown flags and reserved bytes when they are set", () => {
  expect(decodeBeginRequestBody(hex("00 01 fe ff ff ff ff ff"))).toEqual({ role: 1, keepConn: false });
  expect(decodeBeginRequestBody(hex("00 01 ff ff ff ff ff ff"))).toEqual({ role: 1, keepConn: true });
});

it("decodeBeginRequestBody throws when the body is shorter than eight bytes", () => {
  for (let length = 0; length < 8; length++) {
    const error = caught(() => decodeBeginRequestBody(new Uint8Array(length)));
    expect(error).toMatchObject({ code: "protocol" });
    expect(error.message).toContain(`expected 8 bytes, got ${length}`);
  }
});

it("decodeBeginRequestBody takes a longer body unless it is strict", () => {
  const body = joined(hex("00 01 01 00 00 00 00 00"), hex("de ad"));
  expect(decodeBeginRequestBody(body)).toEqual({ role: 1, keepConn: true });
  expect(caught(() => decodeBeginRequestBody(body, true)).message).toContain("expected 8 bytes, got 10");
});

const ENDS: readonly (readonly [origin: string, bytes: string, appStatus: number, protocolStatus: number])[] = [
  ["php-fpm", "00 00 00 00 00 00 00 00", 0, 0],
  ["libfcgi refusing a second request", "00 00 00 00 01 00 00 00", 0, 1],
  ["node-fastcgi refusing a role", "00 00 00 01 03 00 00 00", 1, 3],
  ["an appStatus of four bytes", "12 34 56 78 02 00 00 00", 0x1234_5678, 2],
  ["the largest appStatus: unsigned", "ff ff ff ff 00 00 00 00", 0xffff_ffff, 0],
];

it.each(ENDS)("encodeEndRequestBody writes the bytes of %s", (_, bytes, appStatus, protocolStatus) => {
  expect(hexOf(encodeEndRequestBody({ appStatus, protocolStatus }))).toBe(bytes);
});

it.each(ENDS)("decodeEndRequestBody reads the bytes of %s", (_, bytes, appStatus, protocolStatus) => {
  expect(decodeEndRequestBody(hex(bytes))).toEqual({ appStatus, protocolStatus });
});

it("decodeEndRequestBody ignores the reserved bytes when php-fpm leaves rubbish in them", () => {
  // php-fpm 8.2.36, begin-while-active; FIELD-NOTES 23 has "69 64 22".
  expect(decodeEndRequestBody(hex("00 00 00 00 00 31 00 ff"))).toEqual({ appStatus: 0, protocolStatus: 0 });
  expect(decodeEndRequestBody(hex("00 00 00 00 00 69 64 22"))).toEqual({ appStatus: 0, protocolStatus: 0 });
});

it("decodeEndRequestBody throws when the body is shorter than eight bytes", () => {
  for (let length = 0; length < 8; length++) {
    expect(caught(() => decodeEndRequestBody(new Uint8Array(length)))).toMatchObject({ code: "protocol" });
  }
  expect(decodeEndRequestBody(new Uint8Array(9))).toEqual({ appStatus: 0, protocolStatus: 0 });
});

it("encodeUnknownTypeBody writes the type and seven zeros", () => {
  // libfcgi 2.4.2, unknown-management-type.
  expect(hexOf(encodeUnknownTypeBody(0x4d))).toBe("4d 00 00 00 00 00 00 00");
});

it("decodeUnknownTypeBody reads the type and ignores the reserved bytes", () => {
  expect(decodeUnknownTypeBody(hex("4d ff ff ff ff ff ff ff"))).toBe(0x4d);
});

it("decodeUnknownTypeBody throws when the body is shorter than eight bytes", () => {
  expect(caught(() => decodeUnknownTypeBody(hex("4d 00 00 00 00 00 00")))).toMatchObject({ code: "protocol" });
  // A later version of the protocol may have a longer one.
  expect(decodeUnknownTypeBody(hex("4d 00 00 00 00 00 00 00 00"))).toBe(0x4d);
});
