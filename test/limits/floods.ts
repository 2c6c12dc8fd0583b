// What a hostile peer sends without end, and what it holds open without a word. Each names the limit that ends it or holds it up.

import { encodeNameValuePairs, type FastCgiRecord, RecordType, Role } from "../../src/toolkit.ts";
import { begin, bytesOf, params, record, request } from "../support/records.ts";

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

/** A flood towards a client, as the answer to a request. */
export interface ClientFlood {
  readonly name: string;
  readonly limit: string;
  readonly options?: object;
  readonly method?: string;
  /** What is sent once, before the flood, to the request with this id. */
  readonly first?: (id: number) => Uint8Array;
  /** What is sent again and again. Without it the application is silent. */
  readonly piece?: (id: number, index: number) => Uint8Array;
  /** Bytes after which the application is silent, where all that a flood may have would be too many. */
  readonly most?: number;
  /**
   * How the call ends: the limit or the code of its error, or the status and the bytes of its body. Of many calls, how they do; then, if
   * all are waited for, what the application saw of them, or how often it could not be connected to.
   */
  readonly outcome: RegExp;
  /** What the program does with the response; or that it calls many times at once, and gives up or waits for all answers. */
  readonly program?: "reads" | "waits, then cancels" | "waits, then reads" | "aborts" | "calls many" | "answers many";
  /** The application if none listens, or if connections wait in a full queue for ever. Without it, it floods. */
  readonly application?: "not there" | "takes no connection";
  /** Options of `failover`, by which the calls go to a good application when this one can't be connected to. */
  readonly failover?: object;
  /** The body of the request, by POST: 64 MiB of unknown length, one that has no end, or one of which nothing comes. */
  readonly upload?: "long" | "endless" | "silent";
  /** Whether the application stops reading when it has the variables. */
  readonly stopsReading?: boolean;
}

/** The id of the request that goes on beside a flood, on the same connection. No flood uses it. */
export const COMPANION_ID = 65_535;

const many = (count: number, make: (index: number) => FastCgiRecord | FastCgiRecord[]): Uint8Array =>
  bytesOf(...Array.from({ length: count }, (_, index) => make(index)));
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
const SOON = 500;

/** Towards a server, as a web server. */
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

const output = (id: number, content: string): FastCgiRecord => record(RecordType.Stdout, id, content);
const header = (id: number, lines = ""): Uint8Array => bytesOf(output(id, `Content-Type: text/plain\r\n${lines}\r\n`));
const body = (id: number): Uint8Array => bytesOf(output(id, "x".repeat(60_000)));
const bytesOfBody = (id: number): Uint8Array => many(1000, () => output(id, "x"));

/** Calls at once where there are many: more than wait by default. */
export const MANY = 3_000;
/** Milliseconds of a timeout that is not reached. */
const LONG = 1_000_000;
/** Connections are kept as long as their number allows, and all calls may wait. */
const KEPT = { keepAlive: true, idleTimeout: LONG, maxQueuedRequests: MANY };
const answer = (id: number): Uint8Array =>
  bytesOf(
    output(id, "Content-Type: text/plain\r\n\r\nabc"),
    output(id, ""),
    record(RecordType.EndRequest, id, "\0".repeat(8)),
  );

/** Towards a client, as an application. */
export const CLIENT_FLOODS: readonly ClientFlood[] = [
  {
    name: "messages before a header",
    limit: "maxStderrBytes",
    options: { headerTimeout: SOON },
    piece: (id) => bytesOf(record(RecordType.Stderr, id, "e".repeat(60_000))),
    outcome: /^headerTimeout$/,
  },
  {
    name: "messages of one byte before a header, beside other calls on the connection",
    limit: "maxStderrBytes",
    // The other calls have these limits too, and are answered behind what waits in the socket, which may be 10 MiB.
    options: { headerTimeout: 10 * SOON, readTimeout: 10 * SOON, multiplexing: true },
    piece: (id) => many(1000, () => record(RecordType.Stderr, id, "e")),
    most: MIB,
    outcome: /^headerTimeout$/,
  },
  {
    name: "header lines",
    limit: "maxResponseHeaderBytes",
    piece: (id, index) =>
      bytesOf(output(id, Array.from({ length: 500 }, (_, at) => `X-${index}-${at}: a\r\n`).join(""))),
    outcome: /^maxResponseHeaderBytes$/,
  },
  {
    name: "a header line without end, beside other calls on the connection",
    limit: "maxResponseHeaderBytes",
    // The application does not end a request that was aborted.
    options: { multiplexing: true, readTimeout: SOON },
    piece: (id) => body(id),
    outcome: /^maxResponseHeaderBytes$/,
  },
  {
    name: "interim responses",
    limit: "maxResponseHeaderBytes",
    piece: (id) => bytesOf(output(id, "Status: 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(1000))),
    outcome: /^maxResponseHeaderBytes$/,
  },
  {
    name: "a body that the program does not read",
    limit: "maxQueuedBytes",
    first: (id) => header(id),
    piece: body,
    outcome: /^200, cancelled$/,
    program: "waits, then cancels",
  },
  {
    name: "a body in records of one byte that the program does not read",
    limit: "maxQueuedBytes",
    first: (id) => header(id),
    piece: bytesOfBody,
    outcome: /^200, cancelled$/,
    program: "waits, then cancels",
  },
  {
    name: "a body that the program begins to read too late",
    limit: "stallTimeout",
    options: { stallTimeout: SOON / 5 },
    first: (id) => header(id),
    piece: body,
    outcome: /^stallTimeout$/,
    program: "waits, then reads",
  },
  {
    name: "a body larger than may be",
    limit: "maxStdoutBytes",
    options: { maxStdoutBytes: MIB },
    first: (id) => header(id),
    piece: body,
    outcome: /^maxStdoutBytes$/,
  },
  {
    name: "a body behind its Content-Length",
    limit: "maxDrainBytes",
    first: (id) => bytesOf(output(id, `Content-Length: 3\r\n\r\nabc`)),
    piece: body,
    outcome: /^200, 3 bytes$/,
  },
  {
    name: "a body after HEAD",
    limit: "maxDrainBytes",
    method: "HEAD",
    first: (id) => header(id),
    piece: body,
    outcome: /^200, 0 bytes$/,
  },
  {
    name: "ends of one request",
    limit: "one FCGI_END_REQUEST",
    first: (id) =>
      bytesOf(
        output(id, `Content-Length: 3\r\n\r\nabc`),
        output(id, ""),
        record(RecordType.EndRequest, id, "\0".repeat(8)),
      ),
    piece: (id) => many(1000, () => record(RecordType.EndRequest, id, "\0".repeat(8))),
    outcome: /^200, 3 bytes$/,
  },
  {
    name: "output of a request that was aborted, beside other calls on the connection",
    limit: "readTimeout",
    options: { multiplexing: true, readTimeout: SOON },
    first: (id) => header(id),
    piece: body,
    outcome: /^aborted$/,
    program: "aborts",
  },
  {
    name: "answers to no question",
    limit: "headerTimeout",
    options: { headerTimeout: SOON },
    piece: () => many(1000, () => record(RecordType.GetValuesResult, 0)),
    outcome: /^headerTimeout$/,
  },
  {
    name: "output of requests that were not begun",
    limit: "request ids",
    piece: (id) => body(id + 1),
    outcome: /^protocol$/,
  },
  {
    name: "silence before a header",
    limit: "headerTimeout",
    options: { headerTimeout: SOON },
    outcome: /^headerTimeout$/,
  },
  {
    name: "silence in a body",
    limit: "readTimeout",
    options: { readTimeout: SOON },
    first: (id) => header(id),
    outcome: /^readTimeout$/,
  },
  {
    name: "a request body that the application does not read",
    limit: "writeTimeout",
    options: { writeTimeout: SOON, requestBuffering: "stream" },
    upload: "endless",
    stopsReading: true,
    outcome: /^writeTimeout$/,
  },
  {
    name: "a request body of which nothing comes",
    limit: "requestBodyTimeout",
    options: { requestBodyTimeout: SOON },
    upload: "silent",
    outcome: /^requestBodyTimeout$/,
  },
  {
    name: "a request body that is too large for memory",
    limit: "maxBufferedRequestBytes",
    upload: "long",
    outcome: /^200, 5 bytes$/,
  },
  {
    name: "a request body larger than may be kept",
    limit: "maxSpooledRequestBytes",
    options: { maxSpooledRequestBytes: 4 * MIB },
    upload: "endless",
    outcome: /^maxSpooledRequestBytes$/,
  },
  {
    name: "redirects that lead to themselves",
    limit: "maxLocalRedirects",
    options: { maxLocalRedirects: 100 },
    first: (id) =>
      bytesOf(
        output(id, "Location: /flood\r\n\r\n"),
        output(id, ""),
        record(RecordType.EndRequest, id, "\0".repeat(8)),
      ),
    outcome: /^maxLocalRedirects$/,
  },
  {
    name: "more calls than may wait, to an application that is silent",
    limit: "maxQueuedRequests",
    // On a machine that is busy with much else, connections come late.
    options: { maxConnections: 8, connectTimeout: 120_000 },
    outcome: /^aborted, maxQueuedRequests$/,
    program: "calls many",
  },
  {
    name: "calls to an application that takes no connection",
    limit: "connectTimeout",
    options: { connectTimeout: SOON },
    application: "takes no connection",
    outcome: /^connectTimeout, maxQueuedRequests$/,
    program: "answers many",
  },
  {
    name: "calls to an application that is not there",
    limit: "maxConnectRetries",
    options: { maxConnectRetries: 2 },
    application: "not there",
    outcome: /^connectFailed, maxQueuedRequests$/,
    program: "answers many",
  },
  {
    name: "more calls at once than connections may be open",
    limit: "maxConnections",
    options: { ...KEPT, maxConnections: 16, maxIdle: 16 },
    first: answer,
    outcome: /^200; 16 open, 16 at most, 1 at once on each$/,
    program: "answers many",
  },
  {
    name: "more connections than may be kept",
    limit: "maxIdle",
    options: { ...KEPT, maxIdle: 8 },
    first: answer,
    outcome: /^200; 8 open, \d+ at most, 1 at once on each$/,
    program: "answers many",
  },
  {
    name: "connections that are kept and not used again",
    limit: "idleTimeout",
    options: { ...KEPT, maxIdle: 256, idleTimeout: SOON },
    first: answer,
    outcome: /^200; 0 open, \d+ at most, 1 at once on each$/,
    program: "answers many",
  },
  {
    name: "more requests than a connection may have",
    limit: "maxRequestsPerConnection",
    options: { ...KEPT, maxIdle: 256, maxRequestsPerConnection: 1 },
    first: answer,
    outcome: /^200; 0 open, \d+ at most, 1 at once on each$/,
    program: "answers many",
  },
  {
    name: "more requests at once than a connection may have",
    limit: "maxConcurrentRequests",
    options: { ...KEPT, maxConnections: 8, maxConcurrentRequests: 4, multiplexing: true },
    first: answer,
    outcome: /^200; [1-8] open, [1-8] at most, [1-4] at once on each$/,
    program: "answers many",
  },
  {
    name: "calls that pass over an application that takes no connection",
    limit: "attemptTimeout",
    options: { maxQueuedRequests: MANY },
    failover: { attemptTimeout: SOON },
    application: "takes no connection",
    // At first for all connections at once, and no more while it cools down.
    outcome: /^200; (?:[1-9]\d?|1\d\d|2[0-4]\d|25[0-6]) failed$/,
    program: "answers many",
  },
  {
    name: "calls that pass over an application that is not there",
    limit: "coolDown",
    options: { maxQueuedRequests: MANY },
    failover: { coolDown: LONG },
    application: "not there",
    outcome: /^200; (?:[1-9]\d?|1\d\d|2[0-4]\d|25[0-6]) failed$/,
    program: "answers many",
  },
];
