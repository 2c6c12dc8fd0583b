// The public functions with their arguments. wrong_calls.test.ts compares this list with what the entries export.

import * as bun from "../../adapters/bun/index.ts";
import * as cloudflare from "../../adapters/cloudflare/index.ts";
import * as deno from "../../adapters/deno/index.ts";
import * as node from "../../adapters/node/index.ts";
import { CLIENT_DEFAULTS } from "../../src/client/options.ts";
import { REQUEST_DECODER_DEFAULTS } from "../../src/codec/request_decoder_options.ts";
import { RESPONSE_DECODER_DEFAULTS } from "../../src/codec/response_decoder_options.ts";
import { SERVER_DEFAULTS } from "../../src/server/options.ts";
import * as toolkit from "../../src/toolkit.ts";
import { connectionPair } from "../support/memory_connection.ts";
import { answering, ScriptedConnector } from "../support/scripted_application.ts";
import { type Argument, argument, type Call } from "./call.ts";
import {
  ANYTHING,
  type ArgumentType,
  BYTES,
  CALLBACK,
  DICTIONARY,
  FUNCTION,
  integer,
  LIMIT,
  LIMIT_OR_ZERO,
  nullable,
  OTHER,
  oneOf,
  optional,
  PAIRS,
  SIGNAL,
  SOURCE,
  SWITCH,
  TEXT,
  WATCHER,
  where,
} from "./types.ts";

/** Functions for which no value is wrong, or that programs don't call, and why. */
export const WITHOUT_CALLS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["new", ".json", ".redirect", ".error", "#text", "#json", "#arrayBuffer", "#bytes"].map((name) => [
      name === "new" ? "new FastResponse" : `FastResponse${name}`,
      "takes what the runtime's Response takes: see below in the test",
    ]),
  ),
  ...Object.fromEntries(
    ["held", "take", "native"].map((name) => [
      `FastResponse.${name}`,
      "of the library: the type Response does not have it",
    ]),
  ),
  streamedResponse: "for the preset of a connector: the client calls it",
  isHopByHop: "answers for every value: what is no name is none of these",
  isToken: "answers for every value: what is no text is no token",
  "FastCgiServer#waitUntil": "takes any value, as Promise.resolve does, and a promise's failure goes to onError",
  "new RecordEncoder": "takes nothing",
  "new RecordEncoderStream": "takes nothing",
  ...Object.fromEntries(
    ["RecordDecoder", "RecordEncoder", "RequestDecoder", "RequestEncoder", "ResponseDecoder", "ResponseEncoder"].map(
      (name) => [`${name}#flush`, "takes the controller of a stream"],
    ),
  ),
  ...Object.fromEntries(
    ["inputDue", "timeOutInput", "noteReads", "failStuck", "forgive"].map((name) => [
      `RequestDecoder#${name}`,
      "takes times of a clock, with every piece of input: what is no number is never due",
    ]),
  ),
  "RequestDecoder#end": "an id that is not active is over already",
  "RequestDecoderStream#end": "an id that is not active is over already",
  "RequestDecoder#abortAll": "takes any reason, as abort() does",
  "ResponseDecoder#failAll": "takes any reason, as abort() does",
  "RequestEncoder#stopAll": "takes any reason, as abort() does",
  "ResponseEncoder#stopAll": "takes any reason, as abort() does",
  ...Object.fromEntries(
    ["open", "nameOf", "meaningOf"].flatMap((key) =>
      ["FastCgiTcpConnector", "FastCgiUnixConnector"].map((name) => [`${name}#${key}`, "protected"]),
    ),
  ),
  ...Object.fromEntries(
    [toolkit.SocketChannel.prototype, Object.getPrototypeOf(toolkit.SocketChannel.prototype)]
      .flatMap((prototype) => Object.getOwnPropertyNames(prototype))
      .filter((key) => !["constructor", "isReading", "isClosed", "isOpen"].includes(key))
      .map((key) => [`SocketChannel#${key}`, "an adapter's sockets call it, or a connection"]),
  ),
  "new SocketChannel": "abstract: an adapter gives what its runtime reports",
};

type Types = Readonly<Record<string, ArgumentType>>;

/** The types of options that have these defaults. Each number is a size, a count or a time. */
function typesOf(defaults: object, optionalLimits: readonly string[] = []): Types {
  return Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => {
      if (typeof value === "boolean") return [name, SWITCH];
      return [name, optionalLimits.includes(name) ? LIMIT_OR_ZERO : LIMIT];
    }),
  );
}

const throwing = (name: string, run: Call["run"], ...args: Argument[]): Call => ({ name, fails: "throws", run, args });
const rejecting = (name: string, run: Call["run"], ...args: Argument[]): Call => ({
  name,
  fails: "rejects",
  run,
  args,
});

const nothing = (): undefined => undefined;
const none = (): object => ({});
const ID = integer(1, 65_535);
const byte = integer(0, 255);
/** At least the eight bytes of a header. */
const LONG_BYTES: ArgumentType = where(BYTES, ({ length }: Uint8Array) => length >= 8);
const bytes = (): Uint8Array => new Uint8Array(16);
/** An object in which a missing member is refused by its own name. */
const REQUIRED_DICTIONARY: ArgumentType = oneOf("object");
const connection = (): toolkit.FastCgiConnection => connectionPair()[0];
const connector = (): toolkit.Connector => new ScriptedConnector(answering(() => "X: 1\r\n\r\nok"));
const request = (): Request => new Request("http://a.test/");
const controller = (): toolkit.StageController<never> => ({ enqueue() {} });
const pairs = (): toolkit.NameValuePair[] => [["REQUEST_METHOD", "POST"]];
const record = (): toolkit.FastCgiRecord => ({ type: 11, requestId: 0, contentData: new Uint8Array(0) });

const CLIENT_OPTIONS: Types = { ...typesOf(CLIENT_DEFAULTS, ["maxConnectRetries", "maxIdle"]), onRetry: WATCHER };
/** Variables by name, or pairs. */
const PARAMS: ArgumentType = (value, kinds) =>
  value === undefined ||
  (kinds.includes("object") && !kinds.includes("function") && !kinds.includes("iterable")) ||
  (kinds.includes("iterable") && !Array.isArray(value)) ||
  PAIRS(value, kinds);
const PHP_VALUES: ArgumentType = optional(oneOf("object"));
const SCRIPT: ArgumentType = CALLBACK;
const PHP_OPTIONS: Types = { phpValues: PHP_VALUES, phpAdminValues: PHP_VALUES };
const PEERS: Types = {
  remoteAddress: nullable(TEXT),
  remotePort: nullable(integer(0, 65_535)),
  serverAddress: nullable(TEXT),
  serverPort: nullable(integer(0, 65_535)),
  tlsProtocol: nullable(TEXT),
};
const BUFFERING: ArgumentType = optional(OTHER);
const HTTP_CLIENT_OPTIONS: Types = {
  ...CLIENT_OPTIONS,
  ...PHP_OPTIONS,
  script: SCRIPT,
  params: PARAMS,
  requestBuffering: BUFFERING,
  maxBufferedRequestBytes: LIMIT,
  maxSpooledRequestBytes: LIMIT,
  openSpool: CALLBACK,
  responseClass: CALLBACK,
  maxResponseHeaderBytes: LIMIT,
  maxDrainBytes: LIMIT,
  maxLocalRedirects: LIMIT,
  onRequestEnd: WATCHER,
  onStderr: WATCHER,
  onLocalRedirect: CALLBACK,
  onAccelRedirect: CALLBACK,
  onSendFile: CALLBACK,
};
const FETCH_OPTIONS: Types = { ...PHP_OPTIONS, ...PEERS, script: nullable(FUNCTION), params: PARAMS };
const PRESET: Types = {
  ...PHP_OPTIONS,
  script: SCRIPT,
  params: PARAMS,
  openSpool: CALLBACK,
  streamedResponse: CALLBACK,
};
const SERVER_OPTIONS: Types = { ...typesOf(SERVER_DEFAULTS), onError: WATCHER, onRequestEnd: WATCHER };
const SERVICE_OPTIONS: Types = { lazyRequest: SWITCH, sendStderr: SWITCH, onStderr: WATCHER };
const ROLE: ArgumentType = optional(integer(1, 65_535));
const BODY: ArgumentType = nullable(SOURCE);
const STATUS: ArgumentType = optional(byte);

// One of each, so that a wrong call that left something behind would break the right one after it.
const client = new toolkit.FastCgiClient(connector());
const httpClient = new toolkit.FastCgiHttpClient(connector());
const server = new toolkit.FastCgiServer(() => ({ stdout: "X: 1\r\n\r\n" }));
const recordDecoder = new toolkit.RecordDecoder();
const recordEncoder = new toolkit.RecordEncoder();
const requestDecoder = new toolkit.RequestDecoder({ reply() {} });
const responseDecoder = new toolkit.ResponseDecoder();
const requestEncoder = new toolkit.RequestEncoder();
const responseEncoder = new toolkit.ResponseEncoder();
const stage = (): toolkit.Stage<never, never> => new toolkit.RecordEncoder() as never;
const folder = "/srv";
const site = {
  documentRoot: "/srv",
  resolve: () => null,
  php: { fetch: async () => new Response() },
  files: () => null,
};
let nextId = 0;
const freshId = (): number => (nextId = (nextId % 65_535) + 1);

const RECORD: Types = {
  type: byte,
  requestId: integer(0, 65_535),
  contentData: BYTES,
  paddingLength: nullable(byte),
};
const HEAD: Types = {
  requestId: ID,
  role: integer(1, 65_535),
  keepConn: oneOf("boolean"),
  params: PAIRS,
  endsStdin: oneOf("boolean"),
};
const head = () => ({ requestId: 1, role: 1 as const, keepConn: false, params: pairs(), endsStdin: true });

const CODEC: readonly Call[] = [
  throwing(
    "new RecordDecoder",
    (options) => new toolkit.RecordDecoder(options),
    argument("options", DICTIONARY, none, { splitStreams: SWITCH }),
  ),
  throwing(
    "new RecordDecoderStream",
    (options) => new toolkit.RecordDecoderStream(options),
    argument("options", DICTIONARY, none, { splitStreams: SWITCH }),
  ),
  throwing(
    "RecordDecoder#transform",
    (chunk) => recordDecoder.transform(chunk, controller()),
    argument("chunk", BYTES, () => new Uint8Array(0)),
  ),
  throwing(
    "RecordEncoder#transform",
    (one) => recordEncoder.transform(one, controller()),
    argument("record", REQUIRED_DICTIONARY, record, RECORD),
  ),
  throwing(
    "encodeRecords",
    toolkit.encodeRecords as Call["run"],
    argument("records", PAIRS, () => [record()]),
  ),
  throwing(
    "new RequestDecoder",
    (outlet, options) => new toolkit.RequestDecoder(outlet, options),
    argument("outlet", REQUIRED_DICTIONARY, () => ({ reply() {} }), { reply: FUNCTION, report: CALLBACK }),
    argument("options", DICTIONARY, none, typesOf(REQUEST_DECODER_DEFAULTS)),
  ),
  throwing(
    "RequestDecoder#transform",
    (one) => requestDecoder.transform(one, controller()),
    argument("record", REQUIRED_DICTIONARY, record, { contentData: BYTES }),
  ),
  throwing(
    "new RequestDecoderStream",
    (options) => new toolkit.RequestDecoderStream(options),
    argument("options", DICTIONARY, none, {
      ...typesOf(REQUEST_DECODER_DEFAULTS),
      maxWaitingReplies: LIMIT,
      report: CALLBACK,
    }),
  ),
  throwing(
    "new RequestEncoder",
    (options) => new toolkit.RequestEncoder(options),
    argument("options", DICTIONARY, none, { maxConcurrentRequests: LIMIT, onError: WATCHER }),
  ),
  throwing(
    "new RequestEncoderStream",
    (options) => new toolkit.RequestEncoderStream(options),
    argument("options", DICTIONARY, none, { maxConcurrentRequests: LIMIT, onError: WATCHER }),
  ),
  throwing(
    "RequestEncoder#transform",
    (one) => requestEncoder.transform(one, controller()),
    argument("request", REQUIRED_DICTIONARY, () => ({ requestId: freshId(), params: pairs() }), {
      requestId: ID,
      role: ROLE,
      keepConn: SWITCH,
      params: PAIRS,
      stdin: BODY,
      data: BODY,
    }),
  ),
  throwing(
    "RequestEncoder#abort",
    (id) => requestEncoder.abort(id),
    argument("requestId", ID, () => 1),
  ),
  throwing(
    "RequestEncoderStream#abort",
    (id) => new toolkit.RequestEncoderStream().abort(id),
    argument("requestId", ID, () => 1),
  ),
  throwing(
    "new ResponseDecoder",
    (outlet, options) => new toolkit.ResponseDecoder(outlet, options),
    argument("outlet", DICTIONARY, none, { report: CALLBACK, management: CALLBACK }),
    argument("options", DICTIONARY, none, typesOf(RESPONSE_DECODER_DEFAULTS)),
  ),
  throwing(
    "new ResponseDecoderStream",
    (options) => new toolkit.ResponseDecoderStream(options),
    argument("options", DICTIONARY, none, {
      ...typesOf(RESPONSE_DECODER_DEFAULTS),
      maxWaitingResponses: LIMIT,
      report: CALLBACK,
      management: CALLBACK,
    }),
  ),
  throwing(
    "ResponseDecoder#transform",
    (one) => responseDecoder.transform(one, controller()),
    argument("record", REQUIRED_DICTIONARY, () => ({ ...record(), type: 10 }), { contentData: BYTES }),
  ),
  throwing(
    "ResponseDecoder#expect",
    (id, hooks) => {
      const decoder = new toolkit.ResponseDecoder();
      return decoder.expect(id, hooks);
    },
    argument("requestId", ID, freshId),
    argument("hooks", DICTIONARY, none),
  ),
  throwing(
    "new ResponseEncoder",
    (options) => new toolkit.ResponseEncoder(options),
    argument("options", DICTIONARY, none, { maxConcurrentResponses: LIMIT, onEnd: WATCHER, onError: WATCHER }),
  ),
  throwing(
    "new ResponseEncoderStream",
    (options) => new toolkit.ResponseEncoderStream(options),
    argument("options", DICTIONARY, none, { maxConcurrentResponses: LIMIT, onEnd: WATCHER, onError: WATCHER }),
  ),
  throwing(
    "ResponseEncoder#transform",
    (one) => responseEncoder.transform(one, controller()),
    argument("response", REQUIRED_DICTIONARY, () => ({ requestId: freshId(), stdout: "X: 1\r\n\r\n" }), {
      requestId: ID,
      signal: nullable(SIGNAL),
      protocolStatus: STATUS,
    }),
  ),
  throwing(
    "composeStages",
    toolkit.composeStages as Call["run"],
    argument("first", OTHER, stage),
    argument("second", OTHER, stage),
  ),
  throwing(
    "encodeRequestHead",
    toolkit.encodeRequestHead as Call["run"],
    argument("head", REQUIRED_DICTIONARY, head, HEAD),
  ),
  throwing("decodeByteString", toolkit.decodeByteString as Call["run"], argument("bytes", BYTES, bytes)),
  throwing(
    "encodeByteString",
    toolkit.encodeByteString as Call["run"],
    argument("string", TEXT, () => "a"),
  ),
  throwing(
    "byteStringToUtf8",
    toolkit.byteStringToUtf8 as Call["run"],
    argument("string", TEXT, () => "a"),
  ),
  throwing(
    "utf8ToByteString",
    toolkit.utf8ToByteString as Call["run"],
    argument("text", TEXT, () => "ä"),
  ),
  throwing(
    "decodeNameValuePairs",
    toolkit.decodeNameValuePairs as Call["run"],
    argument("bytes", BYTES, () => toolkit.encodeNameValuePairs(pairs())),
    argument("options", DICTIONARY, none, { maxPairs: LIMIT_OR_ZERO }),
  ),
  throwing("encodeNameValuePairs", toolkit.encodeNameValuePairs as Call["run"], argument("pairs", PAIRS, pairs)),
  throwing(
    "encodeBeginRequestBody",
    toolkit.encodeBeginRequestBody as Call["run"],
    argument("body", REQUIRED_DICTIONARY, () => ({ role: 1, keepConn: true }), {
      role: integer(0, 65_535),
      keepConn: oneOf("boolean"),
    }),
  ),
  throwing(
    "encodeEndRequestBody",
    toolkit.encodeEndRequestBody as Call["run"],
    argument("body", REQUIRED_DICTIONARY, () => ({ appStatus: 0, protocolStatus: 0 }), {
      appStatus: integer(-(2 ** 31), 2 ** 32 - 1),
      protocolStatus: byte,
    }),
  ),
  throwing(
    "encodeUnknownTypeBody",
    toolkit.encodeUnknownTypeBody as Call["run"],
    argument("type", byte, () => 5),
  ),
  throwing(
    "encodeRecordHeader",
    toolkit.encodeRecordHeader as Call["run"],
    argument("target", LONG_BYTES, bytes),
    argument("offset", integer(0, 8), () => 0),
    argument("type", byte, () => 1),
    argument("requestId", integer(0, 65_535), () => 1),
    argument("contentLength", integer(0, 65_535), () => 0),
    argument("paddingLength", byte, () => 0),
  ),
  throwing(
    "decodeRecordHeader",
    toolkit.decodeRecordHeader as Call["run"],
    argument("bytes", LONG_BYTES, bytes),
    argument("offset", integer(0, 8), () => 0),
  ),
  throwing(
    "decodeBeginRequestBody",
    toolkit.decodeBeginRequestBody as Call["run"],
    argument("contentData", BYTES, bytes),
  ),
  throwing("decodeEndRequestBody", toolkit.decodeEndRequestBody as Call["run"], argument("contentData", BYTES, bytes)),
  throwing(
    "decodeUnknownTypeBody",
    toolkit.decodeUnknownTypeBody as Call["run"],
    argument("contentData", BYTES, bytes),
  ),
];

const CONNECTIONS: readonly Call[] = [
  throwing("fromStreams", toolkit.fromStreams as Call["run"], argument("connection", OTHER, connection)),
  throwing("toStreams", toolkit.toStreams as Call["run"], argument("connection", OTHER, connection)),
  throwing(
    "tcpAddress",
    toolkit.tcpAddress as Call["run"],
    argument("hostname", optional(TEXT), () => "::1"),
    argument("port", optional(integer(0, 65_535)), () => 1),
  ),
  rejecting(
    "connectOrAbort",
    toolkit.connectOrAbort as Call["run"],
    argument("connect", FUNCTION, () => async () => connection()),
    argument("signal", SIGNAL, () => new AbortController().signal),
  ),
  throwing(
    "contained",
    toolkit.contained as Call["run"],
    argument("name", TEXT, () => "callback"),
    argument("callback", WATCHER, () => () => {}),
  ),
  ...[toolkit.failover, toolkit.roundRobin].map((compose) =>
    throwing(
      compose.name,
      compose as Call["run"],
      argument("connectors", OTHER, () => [connector()]),
      argument("options", DICTIONARY, none, { attemptTimeout: LIMIT, coolDown: LIMIT_OR_ZERO, onFailure: WATCHER }),
    ),
  ),
];

const CLIENTS: readonly Call[] = [
  throwing(
    "new FastCgiClient",
    (given, options) => new toolkit.FastCgiClient(given, options),
    argument("connector", OTHER, connector),
    argument("options", DICTIONARY, none, CLIENT_OPTIONS),
  ),
  rejecting(
    "FastCgiClient#send",
    (given) => client.send(given),
    argument("request", REQUIRED_DICTIONARY, () => ({ params: pairs() }), {
      role: ROLE,
      params: PAIRS,
      stdin: BODY,
      data: BODY,
      signal: nullable(SIGNAL),
      onStderr: WATCHER,
    }),
  ),
  rejecting(
    "FastCgiClient#getValues",
    // The scripted application does not answer, so the right call is aborted before it begins.
    (names, options) => client.getValues(names, options).catch(unlessAborted),
    argument("names", optional(PAIRS), () => ["FCGI_MAX_CONNS"]),
    argument("options", DICTIONARY, () => ({ signal: AbortSignal.abort() }), {
      signal: nullable(SIGNAL),
      key: optional(TEXT),
    }),
  ),
  rejecting(
    "FastCgiClient#close",
    (options) => new toolkit.FastCgiClient(connector()).close(options),
    argument("options", DICTIONARY, nothing, { timeout: LIMIT_OR_ZERO }),
  ),
  throwing(
    "new FastCgiHttpClient",
    (given, options) => new toolkit.FastCgiHttpClient(given, options),
    argument("connector", OTHER, connector),
    argument("options", DICTIONARY, none, HTTP_CLIENT_OPTIONS),
  ),
  throwing(
    "new FastCgiHttpClient",
    (preset) => new toolkit.FastCgiHttpClient(Object.assign(connector(), { preset })),
    argument("preset", DICTIONARY, none, PRESET),
  ),
  rejecting(
    "FastCgiHttpClient#fetch",
    (input, init) => httpClient.fetch(input, init),
    argument("input", OTHER, () => "http://a.test/"),
    argument("init", DICTIONARY, none, {
      ...FETCH_OPTIONS,
      data: nullable(REQUIRED_DICTIONARY),
      signal: nullable(SIGNAL),
    }),
  ),
  rejecting(
    "FastCgiHttpClient#authorize",
    (given, init) => httpClient.authorize(given, init),
    argument("request", OTHER, request),
    argument("init", DICTIONARY, none, { ...FETCH_OPTIONS, signal: nullable(SIGNAL) }),
  ),
  rejecting(
    "FastCgiHttpClient#close",
    (options) => new toolkit.FastCgiHttpClient(connector()).close(options),
    argument("options", DICTIONARY, nothing, { timeout: LIMIT_OR_ZERO }),
  ),
  throwing(
    "requestToParams",
    toolkit.requestToParams as Call["run"],
    argument("request", OTHER, request),
    argument("options", DICTIONARY, none, {
      ...PHP_OPTIONS,
      ...PEERS,
      params: PARAMS,
      script: optional(OTHER),
      contentLength: nullable(integer(0, Number.MAX_SAFE_INTEGER)),
    }),
  ),
  rejecting(
    "cgiToResponse",
    toolkit.cgiToResponse as Call["run"],
    argument("stdout", SOURCE, () => "X: 1\r\n\r\n"),
    argument("options", DICTIONARY, none, {
      method: optional(TEXT),
      maxResponseHeaderBytes: LIMIT,
      maxDrainBytes: LIMIT,
    }),
  ),
  throwing(
    "withAuthorizer",
    toolkit.withAuthorizer as Call["run"],
    argument("authorizer", OTHER, () => httpClient),
    argument("handler", FUNCTION, () => () => new Response()),
    argument("init", CALLBACK, nothing),
  ),
  throwing(
    "new FastCgiError",
    (code, message, options) => new toolkit.FastCgiError(code, message, options),
    argument("code", OTHER, () => "limit"),
    // As of every Error: anything that can be text.
    argument("message", ANYTHING, () => "Cannot"),
    argument("options", DICTIONARY, none),
  ),
];

const PHP: readonly Call[] = [
  throwing(
    "isPublicPath",
    toolkit.isPublicPath as Call["run"],
    argument("pathname", TEXT, () => "/style.css"),
    argument("extension", optional(TEXT), () => ".php"),
  ),
  throwing(
    "publicFiles",
    toolkit.publicFiles as Call["run"],
    argument("files", FUNCTION, () => () => null),
    argument("options", DICTIONARY, none, { resolveFile: CALLBACK, extension: optional(OTHER) }),
  ),
  throwing(
    "scriptsIn",
    toolkit.scriptsIn as Call["run"],
    argument("root", REQUIRED_DICTIONARY, () => site, {
      documentRoot: where(TEXT, (text: string) => text !== ""),
      resolve: FUNCTION,
      index: optional(OTHER),
      extension: optional(OTHER),
      frontController: nullable(OTHER),
    }),
  ),
  throwing(
    "phpSite",
    toolkit.phpSite as Call["run"],
    argument("options", REQUIRED_DICTIONARY, () => site, {
      documentRoot: where(TEXT, (text: string) => text !== ""),
      resolve: FUNCTION,
      index: optional(OTHER),
      extension: optional(OTHER),
      frontController: nullable(OTHER),
      php: OTHER,
      files: FUNCTION,
      init: CALLBACK,
      resolveFile: CALLBACK,
    }),
  ),
  throwing(
    "toMiddleware",
    node.toMiddleware as Call["run"],
    argument("fetch", FUNCTION, () => () => null),
    argument("options", DICTIONARY, none, { script: CALLBACK }),
  ),
  throwing(
    "fileOnDisk",
    node.fileOnDisk as Call["run"],
    argument("folder", OTHER, () => folder),
    argument("options", DICTIONARY, none, { mayLinkTo: optional(PAIRS), onRefused: WATCHER }),
  ),
  throwing(
    "scriptOnDisk",
    node.scriptOnDisk as Call["run"],
    argument("folder", OTHER, () => folder),
    argument("options", DICTIONARY, none, {
      mayLinkTo: optional(PAIRS),
      onRefused: WATCHER,
      documentRoot: optional(where(TEXT, (text: string) => text !== "")),
    }),
  ),
];

const SERVERS: readonly Call[] = [
  throwing(
    "new FastCgiServer",
    (handler, options) => new toolkit.FastCgiServer(handler, options),
    argument("handler", FUNCTION, () => () => ({ stdout: "X: 1\r\n\r\n" })),
    argument("options", DICTIONARY, none, SERVER_OPTIONS),
  ),
  rejecting(
    "FastCgiServer#serve",
    (given) => server.serve(given),
    argument("connection", OTHER, () => {
      const [web, application] = connectionPair();
      web.close();
      return application;
    }),
  ),
  rejecting(
    "FastCgiServer#close",
    (options) => new toolkit.FastCgiServer(() => ({})).close(options),
    argument("options", DICTIONARY, nothing, { grace: LIMIT_OR_ZERO, timeout: LIMIT_OR_ZERO }),
  ),
  throwing(
    "new FastCgiHttpService",
    (fetch, options) => new toolkit.FastCgiHttpService(fetch, options),
    argument("fetch", FUNCTION, () => () => new Response()),
    argument("options", DICTIONARY, none, SERVICE_OPTIONS),
  ),
  throwing(
    "paramsToRequest",
    toolkit.paramsToRequest as Call["run"],
    argument("params", PAIRS, () => [...pairs(), ["HTTP_HOST", "a.test"], ["REQUEST_URI", "/"]]),
    argument("options", DICTIONARY, none, { stdin: BODY, signal: nullable(SIGNAL) }),
  ),
  rejecting(
    "responseToCgi",
    toolkit.responseToCgi as Call["run"],
    argument("response", OTHER, () => new Response("a")),
    argument("options", DICTIONARY, none, { method: optional(TEXT), role: optional(integer(1, 3)) }),
  ),
];

const LISTEN: Types = {
  // With a port, each other place is one too many.
  path: optional(OTHER),
  fd: optional(OTHER),
  hostname: optional(where(TEXT, (text: string) => text !== "")),
  mode: optional(integer(0, 0o777)),
  backlog: optional(integer(1, 2 ** 31 - 1)),
  takeOver: SWITCH,
  port: optional(integer(0, 65_535)),
  webServerAddresses: optional(PAIRS),
  signal: nullable(SIGNAL),
  fetch: FUNCTION,
};

/** Paths that are empty or too long have messages of their own: see node_connect.test.ts. */
const SOCKET_PATH: ArgumentType = where(TEXT, (text: string) => !text.includes("\0"));

const PORT_OR_OBJECT: ArgumentType = (value, kinds) => value === "5" || REQUIRED_DICTIONARY(value, kinds);

const ADAPTERS: readonly Call[] = [
  rejecting(
    "serve",
    async (options) => {
      const listener = await node.serve(options);
      await listener.close({ grace: 0 });
    },
    argument("options", REQUIRED_DICTIONARY, () => ({ port: 0, fetch: () => new Response() }), {
      ...LISTEN,
      ...SERVER_OPTIONS,
      ...SERVICE_OPTIONS,
    }),
  ),
  rejecting(
    "serve",
    async (path, fd) => {
      const place = path === undefined ? (fd === undefined ? { port: 0 } : { fd }) : { path };
      const listener = await node.serve({ ...place, fetch: () => new Response() });
      await listener.close({ grace: 0 });
    },
    argument("path", optional(SOCKET_PATH), nothing),
    argument("fd", optional(integer(0, 2 ** 31 - 1)), nothing),
  ),
  rejecting(
    "serve",
    async (options) => {
      const listener = await node.serve(options);
      await listener.close({ grace: 0 });
    },
    argument("options", REQUIRED_DICTIONARY, () => ({ port: 0, listener: () => {} }), { listener: FUNCTION }),
  ),
  ...[bun, deno].map(({ serve }) =>
    rejecting(
      "serve",
      // The sockets are those of another runtime: whatever is right ends with that.
      (options) => (serve(options) as Promise<unknown>).catch(unlessOtherRuntime),
      argument("options", REQUIRED_DICTIONARY, () => ({ port: 0, fetch: () => new Response() }), {
        ...LISTEN,
        ...SERVER_OPTIONS,
        ...SERVICE_OPTIONS,
      }),
    ),
  ),
  ...[node, bun, deno, cloudflare].flatMap(({ FastCgiTcpConnector }) => [
    throwing(
      "new FastCgiTcpConnector",
      (target, preset) => new FastCgiTcpConnector(target, preset),
      argument("target", PORT_OR_OBJECT, () => ({ port: 9000 }), {
        hostname: optional(where(TEXT, (text: string) => text !== "")),
        port: integer(1, 65_535),
      }),
      argument("preset", DICTIONARY, none),
    ),
    throwing(
      "FastCgiTcpConnector.phpFpm",
      (target, script) => (FastCgiTcpConnector as typeof node.FastCgiTcpConnector).phpFpm(target, script),
      argument("target", PORT_OR_OBJECT, () => "9000"),
      argument("script", optional(oneOf("string", "object")), () => "/srv/index.php"),
    ),
    rejecting(
      "FastCgiTcpConnector#connect",
      (options) => new FastCgiTcpConnector("9").connect(options).catch(unlessAborted),
      argument("options", REQUIRED_DICTIONARY, () => ({ signal: AbortSignal.abort() }), { signal: SIGNAL }),
    ),
  ]),
  throwing(
    "new FastCgiTcpConnector",
    (options) => new cloudflare.FastCgiTcpConnector("9000", {}, options),
    argument("options", DICTIONARY, none, { binding: optional(OTHER), secureTransport: optional(OTHER) }),
  ),
  ...[node, bun, deno].flatMap(({ FastCgiUnixConnector }) => [
    throwing(
      "new FastCgiUnixConnector",
      (path, preset) => new FastCgiUnixConnector(path, preset),
      argument("path", SOCKET_PATH, () => "/tmp/none.sock"),
      argument("preset", DICTIONARY, none),
    ),
    throwing(
      "FastCgiUnixConnector.phpFpm",
      (path, script) => (FastCgiUnixConnector as typeof node.FastCgiUnixConnector).phpFpm(path, script),
      argument("path", SOCKET_PATH, () => "/tmp/none.sock"),
      argument("script", optional(oneOf("string", "object")), () => "/srv/index.php"),
    ),
    rejecting(
      "FastCgiUnixConnector#connect",
      (options) => new FastCgiUnixConnector("/tmp/none.sock").connect(options).catch(unlessAborted),
      argument("options", REQUIRED_DICTIONARY, () => ({ signal: AbortSignal.abort() }), { signal: SIGNAL }),
    ),
  ]),
];

/** The abort that a right call is given so that it ends. */
function unlessAborted(error: unknown): void {
  if (!(error instanceof DOMException && error.name === "AbortError")) throw error;
}

function unlessOtherRuntime(error: unknown): void {
  if (!/this is another runtime/.test(String(error))) throw error;
}

export const CALLS: readonly Call[] = [...CODEC, ...CONNECTIONS, ...CLIENTS, ...PHP, ...SERVERS, ...ADAPTERS];
