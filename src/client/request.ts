import { kindOf } from "../base/kind_of.ts";
import { type FastCgiParams, parseLength } from "../cgi/params.ts";
import {
  type ByteSource,
  type ByteSourceInit,
  byteSourceOf,
  cancelSource,
  checkLength,
  readerOf,
} from "../codec/byte_source.ts";
import type { FastCgiClientResponse } from "../codec/incoming_response.ts";
import { endOfStream } from "../codec/records.ts";
import { requestHead } from "../codec/request_encoder.ts";
import { StreamSender } from "../codec/stream_sender.ts";
import { RecordType, Role } from "../protocol/constants.ts";
import { checkNameValuePair, type NameValuePair } from "../protocol/name_value_pairs.ts";
import { type FastCgiRecord, NO_CONTENT } from "../protocol/record.ts";
import type { RecordWriter, WriteBatch } from "../transport/record_writer.ts";
import type { ResolvedClientOptions } from "./options.ts";
import { TimedReader } from "./timed_reader.ts";

/** What a web server asks (FastCGI 6). */
export interface FastCgiRequestInit {
  /**
   * What is wanted of the application.
   *
   * @default {Role.Responder}
   */
  role?: Role;
  /**
   * The variables: pairs, or a Map. Names and values are byte strings, one character per byte; `utf8ToByteString` makes them of text.
   * Other values, such as numbers, are refused with a TypeError that names the variable: `String(8080)`.
   */
  params: Iterable<NameValuePair>;
  /**
   * The request body: text, bytes, a Blob, a stream and more. Not sent to an Authorizer. If the params have a CONTENT_LENGTH, it must
   * be that long: php-fpm hangs or cuts otherwise, so anything else fails the request.
   *
   * Bytes and a Blob are sent to their end once the application has the start of the request, also where the request has failed meanwhile:
   * give a copy of a buffer that is used again. A stream is cut.
   *
   * @default {nothing}
   */
  stdin?: ByteSourceInit | null;
  /**
   * The file for a Filter, as long as FCGI_DATA_LENGTH says if the params have it.
   *
   * @default {nothing}
   */
  data?: ByteSourceInit | null;
  /** Cancels the exchange at any point: while connecting, sending or receiving. What `stdin` says holds for it. */
  signal?: AbortSignal | null;
  /** Told of each piece of FCGI_STDERR, whether or not anybody reads the response's `stderr`. */
  onStderr?: (piece: Uint8Array, response: FastCgiClientResponse) => void;
}

/** A request that can be sent. */
export interface ClientRequest {
  readonly role: Role;
  /** Read more than once. */
  readonly params: Iterable<NameValuePair>;
  readonly stdin: ByteSource;
  readonly data: ByteSource;
  readonly signal: AbortSignal | undefined;
  readonly onStderr: FastCgiRequestInit["onStderr"];
}

/**
 * A request as a program gave it, checked but for its params.
 *
 * @param params Those of the request, if they can be read more than once; else what {@linkcode checkedParams} makes of them.
 * @throws {TypeError} If it has a value that it can't have.
 */
export function clientRequest(request: FastCgiRequestInit, params: Iterable<NameValuePair>): ClientRequest {
  const { role = Role.Responder, stdin, data, signal, onStderr } = request;
  if (!(Number.isInteger(role) && role > 0 && role <= MAX_ROLE)) {
    throw new TypeError(`Cannot send the request: expected role to be an integer from 1 to ${MAX_ROLE}, got ${role}`);
  }
  if (onStderr !== undefined && typeof onStderr !== "function") {
    throw new TypeError(`Cannot send the request: expected onStderr to be a function, got ${kindOf(onStderr)}`);
  }
  if (signal && typeof signal.throwIfAborted !== "function") {
    throw new TypeError(`Cannot send the request: expected signal to be an AbortSignal, got ${kindOf(signal)}`);
  }
  return {
    role,
    params,
    stdin: stdin === undefined || stdin === null ? NO_CONTENT : byteSourceOf(stdin, "stdin"),
    data: data === undefined || data === null ? NO_CONTENT : byteSourceOf(data, "data"),
    signal: signal ?? undefined,
    onStderr,
  };
}

/** FCGI_BEGIN_REQUEST has two bytes for the role (FastCGI 5.1). */
const MAX_ROLE = 0xffff;

/**
 * A checked copy of params: there may be only one chance to read them, and the program may change them.
 *
 * @throws {TypeError} If they are no pairs of strings.
 */
export function checkedParams(params: Iterable<NameValuePair>): NameValuePair[] {
  const isIterable = typeof params === "object" && params !== null && Symbol.iterator in params;
  const pairs = isIterable ? [...params] : null;
  if (pairs === null || pairs.some((pair) => !Array.isArray(pair))) {
    const actual = pairs === null ? kindOf(params) : "something else in it";
    throw new TypeError(`Cannot send the request: expected params to be pairs [name, value] or a Map, got ${actual}`);
  }
  for (const [name, value] of pairs) checkNameValuePair(name, value);
  return pairs;
}

/** The value of a variable; the last one counts. */
function paramOf(params: Iterable<NameValuePair>, wanted: string): string | undefined {
  if (params instanceof Map) return params.get(wanted);
  let found: string | undefined;
  for (const [name, value] of params) if (name === wanted) found = value;
  return found;
}

/** The variables by name; the last one counts. */
export function paramsOf({ params }: ClientRequest): FastCgiParams {
  return params instanceof Map ? params : new Map(params);
}

/** Methods that do no harm when they happen twice (RFC 9110 9.2.2). */
const IDEMPOTENT: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);

/** Whether running a request twice does no harm. */
export function isIdempotent({ params }: ClientRequest): boolean {
  return IDEMPOTENT.has(paramOf(params, "REQUEST_METHOD"));
}

/** Whether a request can be sent more than once: all of it is still there. */
export function isRepeatable({ stdin, data }: ClientRequest): boolean {
  return isAtHand(stdin) && isAtHand(data);
}

/** Whether all of a source is there, as often as it is read. */
function isAtHand(source: ByteSource): boolean {
  return source instanceof Uint8Array || "stream" in source;
}

/** One stream of a request (FastCGI 6). */
interface OutgoingStream {
  readonly type: RecordType;
  /** For messages: whose bytes they are. */
  readonly name: string;
  readonly source: ByteSource;
  /** The length that the params announce. */
  readonly length: number | null;
}

/** The streams of the request's role, in the order in which they are sent. An Authorizer has none (FastCGI 6.3). */
function outgoingStreams({ role, stdin, data, params }: ClientRequest): OutgoingStream[] {
  if (role === Role.Authorizer) return [];
  const lengthIn = (param: string): number | null => parseLength(paramOf(params, param));
  const streams: OutgoingStream[] = [
    {
      type: RecordType.Stdin,
      name: "the request body",
      source: stdin,
      length: lengthIn("CONTENT_LENGTH"),
    },
  ];
  if (role === Role.Filter) {
    streams.push({
      type: RecordType.Data,
      name: "the data",
      source: data,
      length: lengthIn("FCGI_DATA_LENGTH"),
    });
  }
  return streams;
}

/** What a {@linkcode RequestSender} needs of its client's options. */
export type RequestSenderOptions = Pick<ResolvedClientOptions, "keepAlive" | "requestBodyTimeout">;

/** Sends one request: its params, then the streams of its role, in the order of FastCGI 6. */
export class RequestSender {
  readonly #writer: RecordWriter;
  readonly #requestId: number;
  readonly #timeout: number;
  readonly #head: readonly FastCgiRecord[];
  /** Streams that are not in the head. */
  readonly #streams: readonly OutgoingStream[];
  /** What is still to be cancelled if the request ends early. */
  #waiting: ByteSource[];
  /** Where the head is. */
  #begun: WriteBatch | null = null;
  #stream: StreamSender | null = null;
  /** Streams of which all was given to the writer. */
  #sentStreams = 0;
  #stopped = false;

  /**
   * What can be known to be wrong with the request is found out here, before anything of it is sent.
   *
   * @throws {TypeError} If a variable can't be sent.
   * @throws {FastCgiError} `lengthMismatch` if a stream that is at hand is not as long as announced.
   */
  constructor(writer: RecordWriter, requestId: number, request: ClientRequest, options: RequestSenderOptions) {
    const { role, params, stdin, data } = request;
    this.#writer = writer;
    this.#requestId = requestId;
    this.#timeout = options.requestBodyTimeout;
    this.#streams = outgoingStreams(request);
    for (const { source, length, name } of this.#streams) {
      if (source instanceof Uint8Array && length !== null) checkLength(source, length, name);
    }
    const endsStdin = this.#streams.length === 1 && isEmpty(this.#streams[0]!.source);
    this.#head = requestHead({ requestId, role, keepConn: options.keepAlive, params, endsStdin });
    if (endsStdin) this.#streams = [];
    this.#waiting = [stdin, data];
  }

  /** Whether the application may have read a part of it. */
  get hasLeft(): boolean {
    return this.#begun?.hasLeft ?? false;
  }

  /** Whether it has a body of which all that the application lacks is here: to send that waits for the application alone. */
  get hasWholeBody(): boolean {
    if (this.#stopped || this.#streams.length === 0) return false;
    return this.#streams.slice(this.#sentStreams).every(({ source }) => isAtHand(source));
  }

  /** Sends nothing more, and cancels the request's streams. */
  stop(reason: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stream?.stop(reason);
    for (const source of this.#waiting) void cancelSource(source, reason);
  }

  /** Sends it. Resolves to whether all was sent. Rejects if a stream fails or is not as long as announced. */
  async send(): Promise<boolean> {
    // Where nothing follows, nothing could leave with it.
    this.#begun = this.#writer.write(this.#head, this.#streams.length === 0 && !this.#writer.isShared);
    for (const stream of this.#streams) await this.#sendStream(stream);
    await this.#begun.taken;
    return !this.#stopped;
  }

  async #sendStream({ type, name, source, length }: OutgoingStream): Promise<void> {
    if (this.#stopped) return;
    this.#waiting = this.#waiting.filter((other) => other !== source);
    this.#stream = new StreamSender(this.#writer, type, this.#requestId);
    const timed = source instanceof Uint8Array ? source : new TimedReader(readerOf(source), this.#timeout, name);
    await this.#stream.send(length === null ? timed : checkLength(timed, length, name));
    // Only what is whole gets an end: without it a backend can tell that the body was cut.
    if (this.#stopped) return;
    this.#writer.write([endOfStream(type, this.#requestId)]);
    this.#sentStreams++;
  }
}

function isEmpty(source: ByteSource): boolean {
  return source instanceof Uint8Array && source.length === 0;
}
