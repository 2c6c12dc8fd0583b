// What a hostile application sends without end, what it does not do, and many calls at once. Each names the limit that ends it or holds it up.

import { CLIENT_DEFAULTS } from "../../src/client/options.ts";
import { type FastCgiRecord, RecordType } from "../../src/toolkit.ts";
import { bytesOf, many, record } from "../support/records.ts";
import { SOON } from "./server_floods.ts";

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
  /** Calls that may run at once, of many that are waited for. The application answers them when so many have come. */
  readonly atOnce?: number;
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

const MIB = 1024 * 1024;

const output = (id: number, content: string): FastCgiRecord => record(RecordType.Stdout, id, content);
/** An end without an error. */
const end = (id: number): FastCgiRecord => record(RecordType.EndRequest, id, new Uint8Array(8));
/** All that an application answers. */
const whole = (id: number, content: string): Uint8Array => bytesOf(output(id, content), output(id, ""), end(id));
/** A whole response. */
export const response = (id: number, text: string): Uint8Array => whole(id, `Content-Type: text/plain\r\n\r\n${text}`);
const header = (id: number, lines = ""): Uint8Array => bytesOf(output(id, `Content-Type: text/plain\r\n${lines}\r\n`));
const body = (id: number): Uint8Array => bytesOf(output(id, "x".repeat(60_000)));
const bytesOfBody = (id: number): Uint8Array => many(1000, () => output(id, "x"));

/** Calls at once where there are many: more than wait by default. */
export const MANY = 3_000;
/** At most all connections that may be open at once (256) try the first application: then it is passed over. */
const MAX_FAILED = /^200; (?:[1-9]\d?|1\d\d|2[0-4]\d|25[0-6]) failed$/;
/** Milliseconds of a timeout that is not reached. */
const LONG = 1_000_000;
/** Connections that may be open at once by default. */
const CONNECTIONS = CLIENT_DEFAULTS.maxConnections;
/** Connections are kept as long as their number allows, and all calls may wait. */
const KEPT = { keepAlive: true, idleTimeout: LONG, maxQueuedRequests: MANY };

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
    first: (id) => whole(id, "Content-Length: 3\r\n\r\nabc"),
    piece: (id) => many(1000, () => end(id)),
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
    first: (id) => whole(id, "Location: /flood\r\n\r\n"),
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
    atOnce: 16,
    first: (id) => response(id, "abc"),
    outcome: /^200; 16 open, 16 at most, 1 at once on each$/,
    program: "answers many",
  },
  {
    name: "more connections than may be kept",
    limit: "maxIdle",
    options: { ...KEPT, maxIdle: 8 },
    atOnce: CONNECTIONS,
    first: (id) => response(id, "abc"),
    outcome: /^200; 8 open, 256 at most, 1 at once on each$/,
    program: "answers many",
  },
  {
    name: "connections that are kept and not used again",
    limit: "idleTimeout",
    options: { ...KEPT, maxIdle: CONNECTIONS, idleTimeout: SOON },
    atOnce: CONNECTIONS,
    first: (id) => response(id, "abc"),
    outcome: /^200; 0 open, 256 at most, 1 at once on each$/,
    program: "answers many",
  },
  {
    name: "more requests than a connection may have",
    limit: "maxRequestsPerConnection",
    options: { ...KEPT, maxIdle: CONNECTIONS, maxRequestsPerConnection: 1 },
    atOnce: CONNECTIONS,
    first: (id) => response(id, "abc"),
    outcome: /^200; 0 open, 256 at most, 1 at once on each$/,
    program: "answers many",
  },
  {
    name: "more requests at once than a connection may have",
    limit: "maxConcurrentRequests",
    options: { ...KEPT, maxConnections: 8, maxConcurrentRequests: 4, multiplexing: true },
    atOnce: 32,
    first: (id) => response(id, "abc"),
    outcome: /^200; [1-8] open, 8 at most, 4 at once on each$/,
    program: "answers many",
  },
  {
    name: "calls that pass over an application that takes no connection",
    limit: "attemptTimeout",
    options: { maxQueuedRequests: MANY },
    // The other application has this limit too, and is connected to later on a busy machine.
    failover: { attemptTimeout: 4 * SOON },
    application: "takes no connection",
    outcome: MAX_FAILED,
    program: "answers many",
  },
  {
    name: "calls that pass over an application that is not there",
    limit: "coolDown",
    options: { maxQueuedRequests: MANY },
    failover: { coolDown: LONG },
    application: "not there",
    outcome: MAX_FAILED,
    program: "answers many",
  },
];
