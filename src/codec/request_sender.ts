// Sends a request: its params, then the streams of its role, in the order of FastCGI 6. The client and the encoding stage run this.
// To keep in step with response_sender.ts.

import { unexpected } from "../base/unexpected.ts";
import type { FastCgiParam } from "../cgi/known_params.ts";
import { paramOf, parseLength } from "../cgi/params.ts";
import { RecordType, Role } from "../protocol/constants.ts";
import { listOfPairs, type NameValuePair } from "../protocol/name_value_pairs.ts";
import { NO_CONTENT } from "../protocol/record.ts";
import {
  type ByteReader,
  type ByteSource,
  type ByteSourceInit,
  byteSourceOf,
  cancelSource,
  checkLength,
  isAtHand,
  readerOf,
} from "./byte_source.ts";
import type { RecordSink, WrittenRecords } from "./record_sink.ts";
import { endOfStream } from "./records.ts";
import { encodeRequestHead } from "./request_head.ts";
import { StreamSender } from "./stream_sender.ts";

/** The parts of a request that a program gives (FastCGI 6). */
export interface FastCgiRequestParts {
  /**
   * The role that the application is to play.
   *
   * @default {Role.Responder}
   */
  role?: Role | undefined;
  /**
   * The variables: pairs, or a Map. Names and values are byte strings, one character per byte; `utf8ToByteString` makes
   * them of text. Other values, such as numbers, are refused with a TypeError that names the variable: `String(8080)`.
   */
  params: Iterable<FastCgiParam>;
  /**
   * The request body: text, bytes, a Blob, a stream and more. Not sent to an Authorizer. If the params have a
   * CONTENT_LENGTH, the body must have that length: otherwise php-fpm hangs or cuts it, so the request fails.
   *
   * @default {nothing}
   */
  stdin?: ByteSourceInit | null | undefined;
  /**
   * The file for a Filter, as long as FCGI_DATA_LENGTH says if the params have it.
   *
   * @default {nothing}
   */
  data?: ByteSourceInit | null | undefined;
}

/** A request that was checked and can be sent. */
export interface SendableRequest {
  readonly role: Role;
  /** Read more than once. */
  readonly params: Iterable<NameValuePair>;
  readonly stdin: ByteSource;
  readonly data: ByteSource;
}

/**
 * Checks a request that a program gave, except for its params.
 *
 * @param params The request's params if they can be read more than once; otherwise the result of
 * {@linkcode checkedParams}.
 * @throws {TypeError} If it has an invalid value.
 */
export function sendableRequest(
  { role = Role.Responder, stdin, data }: Omit<FastCgiRequestParts, "params">,
  params: Iterable<NameValuePair>,
): SendableRequest {
  if (!(Number.isInteger(role) && role > 0 && role <= MAX_ROLE)) {
    throw unexpected(`Cannot send the request: expected role to be an integer from 1 to ${MAX_ROLE}`, role);
  }
  return {
    role,
    params,
    stdin: stdin === undefined || stdin === null ? NO_CONTENT : byteSourceOf(stdin, "stdin"),
    data: data === undefined || data === null ? NO_CONTENT : byteSourceOf(data, "data"),
  };
}

/** FCGI_BEGIN_REQUEST has two bytes for the role (FastCGI 5.1). */
const MAX_ROLE = 0xffff;

/**
 * Returns a checked copy of params: an iterable may be read only once, and the program may change its object.
 *
 * @param what For messages: what the params are for.
 * @throws {TypeError} If they are not pairs of strings.
 */
export function checkedParams(params: Iterable<NameValuePair>, what: string = "send the request"): NameValuePair[] {
  return listOfPairs(params, `Cannot ${what}: expected params`);
}

/** How a {@linkcode RequestSender} sends. */
export interface RequestSenderOptions {
  /** Whether the connection is kept afterwards (FastCGI 5.1). */
  keepConn: boolean;
  /**
   * Returns the reader of a source that is not at hand.
   *
   * @param name For messages: whose bytes they are.
   */
  read?: ((source: Exclude<ByteSource, Uint8Array>, name: string) => ByteReader) | undefined;
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
function outgoingStreams({ role, stdin, data, params }: SendableRequest): OutgoingStream[] {
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

/** Sends one request. */
export class RequestSender {
  readonly #sink: RecordSink;
  readonly #requestId: number;
  readonly #read: NonNullable<RequestSenderOptions["read"]>;
  readonly #head: Uint8Array;
  /** Sends FCGI_STDIN; null before that. */
  stdin: StreamSender | null = null;
  /** Streams that are not in the head. */
  readonly #streams: readonly OutgoingStream[];
  /** Sources that must be cancelled if the request ends early. */
  #waiting: ByteSource[];
  /** The written head. */
  #begun: WrittenRecords | null = null;
  #stream: StreamSender | null = null;
  /** The number of streams that were given to the sink as a whole. */
  #sentStreams = 0;
  #stopped = false;

  /**
   * Checks everything that can be checked before any of the request is sent.
   *
   * @throws {TypeError} If a variable can't be sent.
   * @throws {FastCgiError} `lengthMismatch` if a stream that is at hand is not as long as announced.
   */
  constructor(sink: RecordSink, requestId: number, request: SendableRequest, options: RequestSenderOptions) {
    const { role, params, stdin, data } = request;
    const { keepConn, read = readerOf } = options;
    this.#sink = sink;
    this.#requestId = requestId;
    this.#read = read;
    this.#streams = outgoingStreams(request);
    for (const { source, length, name } of this.#streams) {
      if (source instanceof Uint8Array && length !== null) checkLength(source, length, name);
    }
    const endsStdin = this.#streams.length === 1 && isEmpty(this.#streams[0]!.source);
    this.#head = encodeRequestHead({ requestId, role, keepConn, params, endsStdin });
    if (endsStdin) this.#streams = [];
    this.#waiting = [stdin, data];
  }

  /** Whether the application may have read a part of the request. */
  get hasLeft(): boolean {
    return this.#begun?.hasLeft ?? false;
  }

  /** Whether the rest of its body is at hand, so that sending it waits only for the application. */
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

  /**
   * Sends the request. Returns whether all was sent; a promise only if there is something to wait for, because most
   * requests are complete at once. The promise rejects if a stream fails or is not as long as announced.
   */
  send(): boolean | Promise<boolean> {
    // If nothing follows, there is nothing to gather with it.
    const isWhole = this.#streams.length === 0;
    const begun = this.#sink.writeEncoded(this.#head, isWhole && !this.#sink.isShared);
    this.#begun = begun;
    return isWhole && begun.taken === undefined ? !this.#stopped : this.#sendRest(begun);
  }

  async #sendRest(begun: WrittenRecords): Promise<boolean> {
    for (const stream of this.#streams) await this.#sendStream(stream);
    await begun.taken;
    return !this.#stopped;
  }

  async #sendStream({ type, name, source, length }: OutgoingStream): Promise<void> {
    if (this.#stopped) return;
    this.#waiting = this.#waiting.filter((other) => other !== source);
    this.#stream = new StreamSender(this.#sink, type, this.#requestId);
    this.stdin ??= this.#stream;
    const bytes = source instanceof Uint8Array ? source : this.#read(source, name);
    await this.#stream.send(length === null ? bytes : checkLength(bytes, length, name));
    // Only a complete stream gets an end: without it an application can tell that the body was cut.
    if (this.#stopped) return;
    this.#sink.write([endOfStream(type, this.#requestId)]);
    this.#sentStreams++;
  }
}

function isEmpty(source: ByteSource): boolean {
  return source instanceof Uint8Array && source.length === 0;
}
