import { expect, it } from "vitest";
import { type ErrorStatus, errorDocument } from "../../src/cgi/error_document.ts";
import { refusal, refuseWithStatus } from "../../src/codec/refusal.ts";
import { ProtocolStatus, RecordType } from "../../src/protocol/constants.ts";
import { hex, hexOf } from "../support/bytes.ts";

const DOCUMENTS: readonly (readonly [status: ErrorStatus, reason: string])[] = [
  [400, "Bad Request"],
  [411, "Length Required"],
  [413, "Content Too Large"],
  [431, "Request Header Fields Too Large"],
  [500, "Internal Server Error"],
  [501, "Not Implemented"],
];

it.each(DOCUMENTS)("errorDocument is a complete CGI response when the status is %i", (status, reason) => {
  expect(Buffer.from(errorDocument(status)).toString("latin1")).toBe(
    `Status: ${status} ${reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${reason.length + 1}\r\n\r\n${reason}\n`,
  );
});

it("errorDocument asks to retry when the status is 503", () => {
  expect(Buffer.from(errorDocument(503)).toString("latin1")).toBe(
    "Status: 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 20\r\n\r\nService Unavailable\n",
  );
});

it("refuseWithStatus answers with one STDOUT record, its end and REQUEST_COMPLETE", () => {
  expect(refuseWithStatus(7, 431)).toEqual([
    { type: RecordType.Stdout, requestId: 7, contentData: errorDocument(431) },
    { type: RecordType.Stdout, requestId: 7, contentData: hex("") },
    { type: RecordType.EndRequest, requestId: 7, contentData: hex("00 00 00 00 00 00 00 00") },
  ]);
});

it("refusal is a bare END_REQUEST with the status", () => {
  const { type, requestId, contentData } = refusal(7, ProtocolStatus.UnknownRole);
  expect([type, requestId, hexOf(contentData)]).toEqual([RecordType.EndRequest, 7, "00 00 00 00 03 00 00 00"]);
  expect(hexOf(refusal(7, ProtocolStatus.CantMpxConn).contentData)).toBe("00 00 00 00 01 00 00 00");
});
