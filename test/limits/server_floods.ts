// What a hostile web server sends without end, and what it holds open without a word. Each names the limit that ends it or holds it up.

import { encodeNameValuePairs, type FastCgiRecord, RecordType, Role } from "../../src/toolkit.ts";
import { begin, bytesOf, many, params, record, request } from "../support/records.ts";

/** How a flood ends: the connection is closed, nothing more is taken, or everything is taken and needs no more memory. */
export type FloodEnd = "closed" | "held up" | "taken";

/** A flood of bytes towards a server. */
export interface ServerFlood {
  readonly name: string;
  /** The option that bounds it, or what bounds it where there is no option. */
  readonly limit: string;
  readonly options?: object;
  /** What is sent once, before the flood. */
  readonly first?: () => Uint8Array;
  /** What is sent again and again; called with the number of the piece. */
  readonly piece: (index: number) => Uint8Array;
  readonly ends: FloodEnd;
  /** Whether the peer reads what it is sent. Then another request on its connection is answered meanwhile. */
  readonly reads: boolean;
}

/** Connections to a server that all wait, until the server has closed them. */
export interface Silence {
  readonly name: string;
  readonly limit: string;
  readonly options: object;
  /** What each sends. */
  readonly first: () => Uint8Array;
  /** Whether the peer reads. */
  readonly reads: boolean;
}

/** The id of the request that goes on beside a flood, on the same connection. No flood uses it. */
export const COMPANION_ID = 65_535;

/** The same bytes each time. */
const always = (bytes: Uint8Array) => () => bytes;

const questions = always(
  many(500, () => record(RecordType.GetValues, 0, encodeNameValuePairs([["FCGI_MAX_CONNS", ""]]))),
);
/** As many names as a record has room for, which all differ. */
const names = encodeNameValuePairs(Array.from({ length: 8_000 }, (_, at) => [`N${at}`, ""] as const));
const longQuestion = always(bytesOf(record(RecordType.GetValues, 0, names.subarray(0, 65_000))));
const unknown = always(many(1000, () => record(200, 0, "what is this")));
/** Begins requests: the first ones stay active, and the ids after them are refused over and over. */
const begins = (index: number): Uint8Array =>
  index === 0 ? many(200, (at) => begin(2 + at)) : many(500, (at) => begin(1_000 + ((index * 500 + at) % 50_000)));
const unknownRoles = always(many(500, (at) => begin(1 + at, { role: 9 })));
const aborted = always(many(500, (at) => [begin(1 + at), record(RecordType.AbortRequest, 1 + at)]));
const small = (index: number): Uint8Array => many(100, (at) => request(1 + ((index * 100 + at) % 60_000)));
const large = (index: number): Uint8Array =>
  many(100, (at) => request(1 + ((index * 100 + at) % 60_000), { uri: "/large" }));
const stdinOf = (id: number, length: number): FastCgiRecord => record(RecordType.Stdin, id, "x".repeat(length));
/** A request whose body has no end. */
const endless = (uri: string, extra: Record<string, string> = {}): Uint8Array =>
  bytesOf(...request(1, { uri, body: "x", extra: { CONTENT_LENGTH: "", ...extra } }).slice(0, -1));

const MIB = 1024 * 1024;

/** Milliseconds. A server that does not read its connection notices only after `stallTimeout` that the web server has left. */
const STALL = 8_000;
/** Milliseconds of a timeout that is reached. */
export const SOON = 500;

export const SERVER_FLOODS: readonly ServerFlood[] = [
  {
    name: "requests that begin and never go on",
    limit: "maxConcurrentRequests",
    piece: begins,
    ends: "taken",
    reads: true,
  },
  {
    name: "requests that begin and never go on, answers unread",
    limit: "maxConcurrentRequests",
    piece: begins,
    ends: "held up",
    reads: false,
  },
  { name: "requests that begin and are aborted", limit: "unsent answers", piece: aborted, ends: "taken", reads: true },
  {
    name: "requests that begin and are aborted, answers unread",
    limit: "unsent answers",
    piece: aborted,
    ends: "held up",
    reads: false,
  },
  {
    name: "requests of an unknown role, answers unread",
    limit: "unsent answers",
    piece: unknownRoles,
    ends: "held up",
    reads: false,
  },
  {
    name: "requests while multiplexing is off, answers unread",
    limit: "multiplexing",
    options: { multiplexing: false },
    first: () => endless("/never"),
    piece: begins,
    ends: "held up",
    reads: false,
  },
  {
    name: "params in records of one byte, with padding",
    limit: "maxParamsBytes",
    options: { maxParamsBytes: 64 * 1024, maxDrainBytes: 64 * 1024 },
    first: () => bytesOf(begin(1)),
    piece: always(many(2000, () => ({ ...record(RecordType.Params, 1, "\x7f"), paddingLength: 7 }))),
    ends: "closed",
    reads: true,
  },
  {
    name: "params of many requests, without their end",
    limit: "maxParamsBytes",
    options: { maxConcurrentRequests: 16, maxParamsBytes: 256 * 1024, maxDrainBytes: MIB },
    first: () => many(16, (at) => begin(1 + at)),
    piece: (index) => bytesOf(record(RecordType.Params, 1 + (index % 16), "\x7f".repeat(65_000))),
    ends: "closed",
    reads: true,
  },
  {
    name: "many params",
    limit: "maxParams",
    options: { maxDrainBytes: MIB },
    first: () =>
      bytesOf(
        begin(1),
        ...params(
          1,
          Array.from({ length: 3000 }, (_, at) => [`X${at}`, ""] as const),
        ),
      ),
    piece: always(bytesOf(stdinOf(1, 60_000))),
    ends: "closed",
    reads: true,
  },
  { name: "questions for values", limit: "unsent answers", piece: questions, ends: "taken", reads: true },
  {
    name: "questions for values, answers unread",
    limit: "unsent answers",
    piece: questions,
    ends: "held up",
    reads: false,
  },
  {
    name: "questions for thousands of values",
    limit: "unsent answers",
    piece: longQuestion,
    ends: "taken",
    reads: true,
  },
  { name: "records of unknown types", limit: "unsent answers", piece: unknown, ends: "taken", reads: true },
  {
    name: "records of unknown types, answers unread",
    limit: "unsent answers",
    piece: unknown,
    ends: "held up",
    reads: false,
  },
  {
    name: "records of dead ids",
    limit: "maxDrainBytes",
    options: { maxDrainBytes: MIB },
    piece: always(many(2, (at) => stdinOf(7 + at, 65_000))),
    ends: "closed",
    reads: true,
  },
  {
    name: "empty records of dead ids",
    limit: "maxDrainBytes",
    options: { maxDrainBytes: MIB },
    piece: always(many(8000, (at) => record(RecordType.Stdin, 1 + at))),
    ends: "closed",
    reads: true,
  },
  {
    name: "a body that the handler does not read",
    limit: "maxQueuedBytes",
    options: { stallTimeout: STALL },
    first: () => endless("/never"),
    piece: always(bytesOf(stdinOf(1, 65_000))),
    ends: "held up",
    reads: false,
  },
  {
    name: "a body in records of one byte that the handler does not read",
    limit: "maxQueuedBytes",
    options: { stallTimeout: STALL },
    first: () => endless("/never"),
    piece: always(many(2000, () => stdinOf(1, 1))),
    ends: "held up",
    reads: false,
  },
  {
    name: "a body that the handler does not read, beside another request",
    limit: "stallTimeout",
    options: { stallTimeout: SOON },
    first: () => endless("/never"),
    piece: always(bytesOf(stdinOf(1, 65_000))),
    ends: "taken",
    reads: true,
  },
  {
    name: "bodies of several requests that no handler reads",
    limit: "maxQueuedBytes",
    options: { maxQueuedBytes: 64 * 1024, stallTimeout: STALL },
    // Each fills its queue after the one before was given up, and has its own stallTimeout then.
    first: () =>
      many(6, (at) => request(1 + at, { uri: "/never", body: "x", extra: { CONTENT_LENGTH: "" } }).slice(0, -1)),
    piece: (index) => bytesOf(stdinOf(1 + (index % 6), 30_000)),
    ends: "held up",
    reads: false,
  },
  {
    name: "a body larger than may be",
    limit: "maxStdinBytes",
    options: { maxStdinBytes: 256 * 1024, maxDrainBytes: MIB },
    first: () => endless("/drain"),
    piece: always(bytesOf(stdinOf(1, 65_000))),
    ends: "closed",
    reads: true,
  },
  {
    name: "a Filter's file larger than may be",
    limit: "maxDataBytes",
    options: { maxDataBytes: 256 * 1024, maxDrainBytes: MIB },
    first: () =>
      bytesOf(
        begin(1, { role: Role.Filter }),
        ...params(1, { REQUEST_METHOD: "GET", REQUEST_URI: "/drain", HTTP_HOST: "a.test" }),
        record(RecordType.Stdin, 1),
      ),
    piece: always(bytesOf(record(RecordType.Data, 1, "x".repeat(65_000)))),
    ends: "closed",
    reads: true,
  },
  { name: "small responses that are not read", limit: "unsent answers", piece: small, ends: "held up", reads: false },
  { name: "large responses that are not read", limit: "unsent answers", piece: large, ends: "held up", reads: false },
];

/** Connections at once that wait for a timeout. */
export const SILENT_CONNECTIONS = 200;

/** Towards a server: what is waited for until a timeout. */
export const SILENCES: readonly Silence[] = [
  {
    name: "params without an end",
    limit: "paramsTimeout",
    options: { paramsTimeout: SOON },
    first: () => bytesOf(begin(1, { keepConn: false }), record(RecordType.Params, 1, "\x7f".repeat(10_000))),
    reads: true,
  },
  {
    name: "half a body",
    limit: "readTimeout",
    options: { readTimeout: SOON },
    first: () =>
      bytesOf(
        ...request(1, {
          uri: "/drain",
          body: "x".repeat(10_000),
          keepConn: false,
          extra: { CONTENT_LENGTH: "20000" },
        }).slice(0, -1),
      ),
    reads: true,
  },
  {
    name: "downloads that are not read",
    limit: "writeTimeout",
    options: { writeTimeout: SOON },
    first: () => bytesOf(...request(1, { uri: "/download", keepConn: false })),
    reads: false,
  },
  {
    name: "connections without a request",
    limit: "idleTimeout",
    options: { idleTimeout: SOON },
    first: () => new Uint8Array(),
    reads: true,
  },
  {
    name: "more connections than may be",
    limit: "maxConnections",
    // The neighbour keeps its connection: it would get no other.
    options: { maxConnections: SILENT_CONNECTIONS / 20, idleTimeout: STALL },
    first: () => new Uint8Array(),
    reads: true,
  },
  {
    name: "answers to half a body, on connections that stay open",
    limit: "lingerTimeout",
    options: { lingerTimeout: SOON },
    first: () =>
      bytesOf(
        ...request(1, { uri: "/hello", body: "x", keepConn: false, extra: { CONTENT_LENGTH: "20000" } }).slice(0, -1),
      ),
    reads: true,
  },
  {
    name: "requests with a pause after each",
    limit: "maxRequestsPerConnection",
    options: { maxRequestsPerConnection: 2 },
    first: () => bytesOf(...request(1), ...request(2)),
    reads: true,
  },
];
