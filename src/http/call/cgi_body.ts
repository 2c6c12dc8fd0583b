// The body of a CGI response, which is as long as its Content-Length says.
//
// A body that is shorter fails. Of a longer one exactly the announced bytes come, as from every web server: a newline
// too many is common, and so are scripts that answer first and work on. The response is complete for its reader then,
// and the application goes on. Its further output is read and dropped; if there was any, its connection takes no other
// request.

import { type ByteReader, type ByteReadResult, END_OF_BYTES } from "../../codec/byte_source.ts";
import type { IncomingResponse } from "../../codec/incoming_response.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { discardBody } from "../shared/discard_body.ts";

/** The body of a response: the bytes that came with the header, and the rest of stdout. */
export class CgiBody implements ByteReader {
  readonly #incoming: IncomingResponse;
  readonly #length: number | null;
  readonly #maxDrainBytes: number;
  #first: Uint8Array | null;
  /** Bytes that are still to come; null if that is unknown. */
  #left: number | null;

  /**
   * @param first The bytes that came with the header.
   * @param length The Content-Length; null if there is none.
   * @param maxDrainBytes The most bytes that are read and dropped after the announced length.
   */
  constructor(incoming: IncomingResponse, first: Uint8Array, length: number | null, maxDrainBytes: number) {
    this.#incoming = incoming;
    this.#length = length;
    this.#left = length;
    this.#maxDrainBytes = maxDrainBytes;
    this.#first = first.length > 0 ? first : null;
    // An empty body is complete without a read.
    if (length === 0) this.#dropRest(first.length);
  }

  get isRead(): boolean {
    return this.#left === null ? this.#first === null && this.#incoming.stdoutQueue.isRead : this.#left === 0;
  }

  read(): ByteReadResult | Promise<ByteReadResult> {
    if (this.#left === 0) return END_OF_BYTES;
    const result = this.#first === null ? this.#incoming.stdoutQueue.read() : { done: false, value: this.#first };
    this.#first = null;
    return "done" in result ? this.#cut(result) : result.then((later) => this.#cut(later));
  }

  cancel(reason: unknown): void {
    this.#incoming.stdoutQueue.cancel(reason);
  }

  /** What of a piece belongs to the body. */
  #cut(result: ByteReadResult): ByteReadResult {
    const left = this.#left;
    if (left === null) return result;
    if (result.done) throw this.#tooShort(left);
    const { length } = result.value!;
    this.#left = Math.max(0, left - length);
    if (this.#left === 0) this.#dropRest(length - left);
    return length > left ? { done: false, value: result.value!.subarray(0, left) } : result;
  }

  /** Called when the reader has the whole body: drops the rest of the output. */
  #dropRest(surplus: number): void {
    const { stdoutQueue } = this.#incoming;
    if (surplus > 0) this.#incoming.distrust();
    this.#incoming.detach();
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

  #tooShort(left: number): FastCgiError {
    const length = this.#length!;
    const message = `Cannot read the response body: expected ${length} bytes, got ${length - left}`;
    return new FastCgiError("lengthMismatch", message);
  }
}
