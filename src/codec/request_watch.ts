// What `onRequestEnd` of a server tells. A watch is made when a request begins, if the program gave the callback, and goes
// with the request. It hears of the end in all places that know of one: the decoder, for a request that no handler got; the
// request itself, when it is aborted; and the exchange, when the response was sent or broke off. The first of them counts.

import { GrowingBytes } from "../base/growing_bytes.ts";
import { findHeaderEnd } from "../cgi/header_end.ts";
import { decodeByteString } from "../protocol/byte_string.ts";
import { FCGI_HEADER_LEN, MAX_SENT_CONTENT_LENGTH, RecordType } from "../protocol/constants.ts";
import { decodeRecordHeaderAt, type FastCgiRecord } from "../protocol/record.ts";
import type { FastCgiRequest, IncomingRequest, RequestObserver } from "./incoming_request.ts";
import type { RecordSink, WrittenRecords } from "./record_sink.ts";
import type { FastCgiRequestEnd, FastCgiRequestOutcome } from "./request_end.ts";

/** What is known of a request that a server has received, when it is over. */
export interface FastCgiServerRequestEnd extends FastCgiRequestEnd {
  /**
   * The request, as the handler's server got it; undefined if it ended before its variables had come. Its `params` are
   * the same object as the `params` of the fetch handler's context, so a WeakMap finds by them what the handler has kept.
   */
  readonly request: FastCgiRequest | undefined;
}

/**
 * Watches one request from its start to its end.
 *
 * @internal
 */
export class RequestWatch implements RequestObserver {
  method: string | undefined;
  url: (() => string) | null = null;
  readonly #startTime = performance.now();
  readonly #tell: (end: FastCgiServerRequestEnd) => void;
  #isOver = false;
  /** FCGI_STDOUT as far as it has no end of a header; null after that. */
  #header: GrowingBytes | null = new GrowingBytes();
  #headerTime: number | undefined;
  #status: number | undefined;
  #bodyBytes = 0;

  /** @param tell Never throws. */
  constructor(tell: (end: FastCgiServerRequestEnd) => void) {
    this.#tell = tell;
  }

  watched(sink: RecordSink): RecordSink {
    return new WatchedSink(sink, this);
  }

  /** Notes records of the response. */
  noteRecords(records: readonly FastCgiRecord[]): void {
    for (const { type, contentData } of records) if (type === RecordType.Stdout) this.noteStdout(contentData);
  }

  /** Notes content of FCGI_STDOUT. */
  noteStdout(content: Uint8Array): void {
    if (this.#header === null) {
      this.#bodyBytes += content.length;
      return;
    }
    const searched = this.#header.length;
    this.#header.add(content);
    const { bytes } = this.#header;
    const end = findHeaderEnd(bytes, searched);
    // No web server takes a longer header. What came is not kept for its end.
    if (end === -1 && bytes.length <= MAX_SENT_CONTENT_LENGTH) {
      // The first piece is kept as it is, but the program may use its memory again.
      // Stryker disable next-line ConditionalExpression: with true, later pieces are copied once more
      if (searched === 0) this.#header.add(new Uint8Array(this.#header.take()));
      return;
    }
    const header = end === -1 ? bytes : bytes.subarray(0, end);
    this.#header = null;
    this.#headerTime = performance.now();
    this.#status = statusOf(decodeByteString(header));
    this.#bodyBytes = bytes.length - header.length;
  }

  end(outcome: FastCgiRequestOutcome, error?: unknown, request: IncomingRequest | null = null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const startTime = this.#startTime;
    this.#tell({
      outcome,
      error,
      request: request?.copyable,
      method: this.method,
      url: this.url?.(),
      status: this.#status,
      requestBodyBytes: request?.stdinQueue.received ?? 0,
      responseBodyBytes: this.#bodyBytes,
      startTime,
      timeToHeader: this.#headerTime === undefined ? undefined : this.#headerTime - startTime,
      duration: performance.now() - startTime,
    });
  }
}

/** The status of a CGI response (RFC 3875 6.3.3, and 6.2.3 for a Location alone). */
function statusOf(header: string): number {
  const status = /^status:[ \t]*([0-9]{3})/im.exec(header)?.[1];
  if (status !== undefined) return Number(status);
  return /^location:/im.test(header) ? 302 : 200;
}

/** Passes records on, and tells a watch of them. */
class WatchedSink implements RecordSink {
  readonly #sink: RecordSink;
  readonly #watch: RequestWatch;

  constructor(sink: RecordSink, watch: RequestWatch) {
    this.#sink = sink;
    this.#watch = watch;
  }

  get isShared(): boolean {
    return this.#sink.isShared;
  }

  write(records: readonly FastCgiRecord[], atOnce?: boolean): WrittenRecords {
    this.#watch.noteRecords(records);
    return this.#sink.write(records, atOnce);
  }

  /** All of a response, of which the first record is all of its FCGI_STDOUT. */
  writeEncoded(bytes: Uint8Array, atOnce?: boolean): WrittenRecords {
    const { contentLength } = decodeRecordHeaderAt(bytes, 0);
    this.#watch.noteStdout(bytes.subarray(FCGI_HEADER_LEN, FCGI_HEADER_LEN + contentLength));
    return this.#sink.writeEncoded(bytes, atOnce);
  }
}
