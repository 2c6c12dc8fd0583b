// The body of a CGI response, which is as long as its Content-Length says.
//
// A body that is shorter fails. Of a longer one exactly the announced bytes come, as from every web server: a newline
// too many is common, and so are scripts that answer first and work on. The response is complete for its reader then,
// and the application goes on. Its further output is read and dropped; if there was any, its connection takes no other
// request.

import type { PieceTarget } from "../../codec/byte_queue.ts";
import { type ByteReader, type ByteReadResult, END_OF_BYTES } from "../../codec/byte_source.ts";
import type { IncomingResponse } from "../../codec/incoming_response.ts";
import { streamOf } from "../../codec/stream_of.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { discardBody } from "../shared/discard_body.ts";
import type { FastCgiStreamedBody } from "./streamed_response.ts";

/** The body of a response: what is left of stdout after the header. */
export class CgiBody implements ByteReader, FastCgiStreamedBody {
  readonly #incoming: IncomingResponse;
  readonly expectedBytes: number | null;
  readonly #maxDrainBytes: number;
  /** Bytes that are still to come; null if that is unknown. */
  #left: number | null;
  #stream: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  /** Whether the body is read below its stream. */
  #isTaken = false;

  /**
   * @param length The Content-Length; null if there is none.
   * @param maxDrainBytes The most bytes that are read and dropped after the announced length.
   */
  constructor(incoming: IncomingResponse, length: number | null, maxDrainBytes: number) {
    this.#incoming = incoming;
    this.expectedBytes = length;
    this.#left = length;
    this.#maxDrainBytes = maxDrainBytes;
    // An empty body is complete without a read.
    if (length === 0) this.#dropRest(0);
  }

  /** The body as a ReadableStream, the same each time. */
  get stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#stream ??= streamOf(this);
    return this.#stream;
  }

  get isRead(): boolean {
    return this.#left === null ? this.#incoming.stdoutQueue.isRead : this.#left === 0;
  }

  read(): ByteReadResult | Promise<ByteReadResult> {
    if (this.#left === 0) return END_OF_BYTES;
    const result = this.#incoming.stdoutQueue.read();
    return "done" in result ? this.#cut(result) : result.then((later) => this.#cut(later));
  }

  async takeInto(target: PieceTarget): Promise<void> {
    this.#isTaken = true;
    // Locks the stream for programs that hold it already, and for the Response whose body it is.
    void this.stream.getReader().cancel();
    const { stdoutQueue } = this.#incoming;
    if (this.#left === null) return stdoutQueue.takeInto(target);
    if (this.#left === 0) return;
    let surplus = 0;
    await stdoutQueue.takeInto({
      add: (piece) => {
        surplus = piece.length - this.#left!;
        target.add(surplus > 0 ? piece.subarray(0, -surplus) : piece);
        this.#left = Math.max(0, -surplus);
      },
      isFull: () => this.#left === 0,
    });
    if (this.#left > 0) throw bodyTooShort(this.expectedBytes!, this.#left);
    this.#dropRest(surplus);
  }

  cancel(reason: unknown): void {
    // takeInto() closes the stream, and goes on reading.
    if (!this.#isTaken) this.#incoming.stdoutQueue.cancel(reason);
  }

  /** What of a piece belongs to the body. */
  #cut(result: ByteReadResult): ByteReadResult {
    const left = this.#left;
    if (left === null) return result;
    if (result.done) throw bodyTooShort(this.expectedBytes!, left);
    const { length } = result.value!;
    this.#left = Math.max(0, left - length);
    if (this.#left > 0) return result;
    this.#dropRest(length - left);
    return { done: false, value: result.value!.subarray(0, left) };
  }

  /** Called when the reader has the whole body: drops the rest of the output. */
  #dropRest(surplus: number): void {
    const { stdoutQueue } = this.#incoming;
    if (surplus + stdoutQueue.cost > 0) this.#incoming.distrust();
    this.#incoming.detach();
    // Stryker disable next-line ConditionalExpression: a shortcut, for the end of the output can be dropped as well
    if (stdoutQueue.isRead) return;
    const rest: ByteReader = {
      read: async () => {
        const result = await stdoutQueue.read();
        if (!result.done) this.#incoming.distrust();
        return result;
      },
      cancel: (reason) => stdoutQueue.cancel(reason),
    };
    void discardBody(rest, this.#maxDrainBytes);
  }
}

/** The error of a body of which `left` of `length` bytes never came. */
export function bodyTooShort(length: number, left: number): FastCgiError {
  return new ShortBodyError(
    "lengthMismatch",
    `Cannot read the response body: expected ${length} bytes, got ${length - left}`,
  );
}

/** Unlike a request whose body has the wrong length, this is the fault of the application. */
class ShortBodyError extends FastCgiError {
  override get gatewayStatus(): number {
    return 502;
  }
}
