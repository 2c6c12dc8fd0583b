import type { FastCgiClientResponse } from "../codec/incoming_response.ts";
import { encodeRequestHead } from "../codec/request_encoder.ts";
import { RecordType, Role } from "../protocol/constants.ts";
import type { NameValuePair } from "../protocol/name_value_pairs.ts";
import { parseLength } from "../protocol/params.ts";
import { NO_CONTENT } from "../protocol/record.ts";
import { type ByteSource, cancelSource, checkLength } from "../transport/byte_source.ts";
import type { RecordWriter } from "../transport/record_writer.ts";
import { StreamSender } from "../transport/stream_sender.ts";

/** What a web server asks (FastCGI 6). */
export interface FastCgiRequestInit {
  /**
   * What is wanted of the application.
   *
   * @default {Role.Responder}
   */
  role?: Role;
  /** The variables: pairs, or a Map. Byte strings: one character per byte; `utf8ToByteString` makes them of text. */
  params: Iterable<NameValuePair>;
  /**
   * The request body. Not sent to an Authorizer. If the params have a CONTENT_LENGTH, it must be that long: php-fpm hangs or
   * cuts otherwise, so anything else fails the request.
   *
   * @default {nothing}
   */
  stdin?: ByteSource | null;
  /**
   * The file for a Filter, as long as FCGI_DATA_LENGTH says if the params have it.
   *
   * @default {nothing}
   */
  data?: ByteSource | null;
  /** Cancels the exchange at any point: while connecting, sending or receiving. */
  signal?: AbortSignal | null;
  /** Told of each piece of FCGI_STDERR, whether or not anybody reads the response's `stderr`. */
  onStderr?: (piece: Uint8Array, response: FastCgiClientResponse) => void;
}

/** The streams that a request comes with. */
export function streamsOf({ stdin, data }: FastCgiRequestInit): ByteSource[] {
  return [stdin, data].filter((source) => source !== undefined && source !== null);
}

/** The value of a variable; the last one counts. */
function paramOf(params: Iterable<NameValuePair>, wanted: string): string | undefined {
  if (params instanceof Map) return params.get(wanted);
  let found: string | undefined;
  for (const [name, value] of params) if (name === wanted) found = value;
  return found;
}

/** Methods that do no harm when they happen twice (RFC 9110 9.2.2). */
const IDEMPOTENT: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);

/** Whether sending a request twice does no harm, and is possible: all of it is still there. */
export function isRepeatable({ stdin, data, params }: FastCgiRequestInit): boolean {
  return isAtHand(stdin) && isAtHand(data) && IDEMPOTENT.has(paramOf(params, "REQUEST_METHOD"));
}

function isAtHand(source: ByteSource | null | undefined): boolean {
  return source === undefined || source === null || source instanceof Uint8Array;
}

/** For messages: whose bytes they are. */
const BODY = "the request body";

/** Sends one request: its params, then the streams of its role, in the order of FastCGI 6. */
export class RequestSender {
  readonly #writer: RecordWriter;
  readonly #requestId: number;
  readonly #request: FastCgiRequestInit;
  /** What is still to be sent. */
  #waiting: ByteSource[];
  #stream: StreamSender | null = null;
  #stopped = false;

  /** @param request Its `params` are read more than once. */
  constructor(writer: RecordWriter, requestId: number, request: FastCgiRequestInit) {
    this.#writer = writer;
    this.#requestId = requestId;
    this.#request = request;
    this.#waiting = isAtHand(request.stdin) && isAtHand(request.data) ? [] : streamsOf(request);
  }

  /** Sends nothing more, and cancels the request's streams. */
  stop(reason: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stream?.stop(reason);
    for (const source of this.#waiting) void cancelSource(source, reason);
  }

  /** Sends it. Resolves to whether all was sent. Rejects if a stream fails or is not as long as announced. */
  async send(keepConn: boolean): Promise<boolean> {
    const { role = Role.Responder, stdin, data, params } = this.#request;
    const requestId = this.#requestId;
    const length = parseLength(paramOf(params, "CONTENT_LENGTH"));
    // What is wrong already is not begun.
    if (stdin instanceof Uint8Array && length !== null && role !== Role.Authorizer) checkLength(stdin, length, BODY);
    const endsStdin = role === Role.Responder && !length && isEmpty(stdin);
    const head = encodeRequestHead({ requestId, role, keepConn, params, endsStdin });
    // Nothing is to come that could leave with it.
    const begun = this.#writer.writePieces([head], endsStdin && !this.#writer.isShared);
    if (!endsStdin && role !== Role.Authorizer) await this.#sendStream(RecordType.Stdin, stdin, length, BODY);
    if (role === Role.Filter) {
      await this.#sendStream(RecordType.Data, data, parseLength(paramOf(params, "FCGI_DATA_LENGTH")), "the data");
    }
    await begun.taken;
    return !this.#stopped;
  }

  async #sendStream(
    type: RecordType,
    source: ByteSource | null | undefined,
    expected: number | null,
    name: string,
  ): Promise<void> {
    if (this.#stopped) return;
    const bytes = source ?? NO_CONTENT;
    this.#waiting = this.#waiting.filter((other) => other !== bytes);
    this.#stream = new StreamSender(this.#writer, type, this.#requestId);
    await this.#stream.send(expected === null ? bytes : checkLength(bytes, expected, name));
    // Only what is whole gets an end: without it a backend can tell that the body was cut.
    if (!this.#stopped) this.#writer.write({ type, requestId: this.#requestId, contentData: NO_CONTENT });
  }
}

function isEmpty(source: ByteSource | null | undefined): boolean {
  return source === undefined || source === null || (source instanceof Uint8Array && source.length === 0);
}
