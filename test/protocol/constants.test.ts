import { expect, it } from "vitest";
import * as constants from "../../src/protocol/constants.ts";

const { nameOf, ProtocolStatus, RecordType, Role } = constants;

it("constants have the numbers of FastCGI 8", () => {
  expect(constants).toMatchObject({
    FCGI_LISTENSOCK_FILENO: 0,
    FCGI_HEADER_LEN: 8,
    FCGI_VERSION_1: 1,
    FCGI_NULL_REQUEST_ID: 0,
    FCGI_KEEP_CONN: 1,
    MAX_CONTENT_LENGTH: 65_535,
    MAX_REQUEST_ID: 65_535,
    FCGI_MAX_CONNS: "FCGI_MAX_CONNS",
    FCGI_MAX_REQS: "FCGI_MAX_REQS",
    FCGI_MPXS_CONNS: "FCGI_MPXS_CONNS",
  });
  expect(RecordType).toEqual({
    BeginRequest: 1,
    AbortRequest: 2,
    EndRequest: 3,
    Params: 4,
    Stdin: 5,
    Stdout: 6,
    Stderr: 7,
    Data: 8,
    GetValues: 9,
    GetValuesResult: 10,
    UnknownType: 11,
  });
  expect(Role).toEqual({ Responder: 1, Authorizer: 2, Filter: 3 });
  expect(ProtocolStatus).toEqual({ RequestComplete: 0, CantMpxConn: 1, Overloaded: 2, UnknownRole: 3 });
});

it("MAX_SENT_CONTENT_LENGTH is the largest multiple of eight that fits a record", () => {
  const { MAX_CONTENT_LENGTH, MAX_SENT_CONTENT_LENGTH } = constants;
  expect(MAX_SENT_CONTENT_LENGTH % 8).toBe(0);
  expect(MAX_CONTENT_LENGTH - MAX_SENT_CONTENT_LENGTH).toBeLessThan(8);
});

it("nameOf returns the name when the value has one", () => {
  expect(nameOf(RecordType, 4)).toBe("Params");
  expect(nameOf(Role, 3)).toBe("Filter");
});

it("nameOf returns the number when the value has no name", () => {
  expect(nameOf(RecordType, 0)).toBe("0");
  expect(nameOf(RecordType, 77)).toBe("77");
});
