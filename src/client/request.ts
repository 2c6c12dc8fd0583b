import type { FastCgiClientResponse } from "../codec/incoming_response.ts";
import { RecordType, Role } from "../protocol/constants.ts";
import { encodeNameValuePairChunks, type NameValuePair } from "../protocol/name_value_pairs.ts";
import { parseLength } from "../protocol/params.ts";
import { encodeBeginRequestBody, type FastCgiRecord, NO_CONTENT } from "../protocol/record.ts";
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

/** Methods that do no harm when they happen twice (RFC 9110 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);

/** Whether sending a request twice does no harm, and is possible: all of it is still there. */
export function isRepeatable(request: FastCgiRequestInit): boolean {
  if (!streamsOf(request).every((source) => source instanceof Uint8Array)) return false;
  for (const [name, value] of request.params) if (name === "REQUEST_METHOD") return IDEMPOTENT.has(value);
  return false;
}

/** Sends one request: its params, then the streams of its role, in the order of FastCGI 6. */
export class RequestSender {
  readonly #writer: RecordWriter;
  readonly #requestId: number;
  readonly #request: FastCgiRequestInit;
  /** What is still to be sent. */
  readonly #waiting: Set<ByteSource>;
  #stream: StreamSender | null = null;
  #stopped = false;

  constructor(writer: RecordWriter, requestId: number, request: FastCgiRequestInit) {
    this.#writer = writer;
    this.#requestId = requestId;
    this.#request = request;
    this.#waiting = new Set(streamsOf(request));
  }

  /** Sends nothing more, and cancels the request's streams. */
  stop(reason: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stream?.stop(reason);
    for (const source of this.#waiting) void cancelSource(source, reason);
  }

  /** Resolves to whether all was sent. Rejects if a stream fails or is not as long as announced. */
  async send(keepConn: boolean): Promise<boolean> {
    const { role = Role.Responder, stdin, data } = this.#request;
    const params = [...this.#request.params];
    const lengths = new Map(params);
    const requestId = this.#requestId;
    const records: FastCgiRecord[] = [
      { type: RecordType.BeginRequest, requestId, contentData: encodeBeginRequestBody({ role, keepConn }) },
      ...encodeNameValuePairChunks(params).map((contentData) => ({ type: RecordType.Params, requestId, contentData })),
      { type: RecordType.Params, requestId, contentData: NO_CONTENT },
    ];
    const begun = this.#writer.write(...records);
    if (role !== Role.Authorizer) {
      await this.#sendStream(RecordType.Stdin, stdin, parseLength(lengths.get("CONTENT_LENGTH")), "the request body");
    }
    if (role === Role.Filter) {
      await this.#sendStream(RecordType.Data, data, parseLength(lengths.get("FCGI_DATA_LENGTH")), "the data");
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
    this.#waiting.delete(bytes);
    this.#stream = new StreamSender(this.#writer, type, this.#requestId);
    await this.#stream.send(expected === null ? bytes : checkLength(bytes, expected, name));
    // Only what is whole gets an end: without it a backend can tell that the body was cut.
    if (!this.#stopped) this.#writer.write({ type, requestId: this.#requestId, contentData: NO_CONTENT });
  }
}
