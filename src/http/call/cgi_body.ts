// The body of a CGI response, which is as long as its Content-Length says.
//
// A body that is shorter fails. Of a longer one exactly the announced bytes come, as from every web server: a newline
// too many is common, and so are scripts that answer first and work on. The response is complete for its reader then,
// and the application goes on. Its further output is read and dropped; if there was any, its connection takes no other
// request.

import type { ByteReader } from "../../codec/byte_source.ts";
import type { IncomingResponse } from "../../codec/incoming_response.ts";
import type { PieceSource } from "../../codec/piece_stream.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { discardBody } from "../shared/discard_body.ts";

/** The body of a response: the bytes that came with the header, and the rest of stdout. */
export class CgiBody implements PieceSource {
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

  whenReadable(): Promise<void> {
    return this.#incoming.stdoutQueue.whenReadable();
  }

  abandon(reason: unknown): void {
    this.#incoming.stdoutQueue.abandon(reason);
  }

  take(): Uint8Array | null | undefined {
    const left = this.#left;
    if (left === 0) return null;
    const piece = this.#first ?? this.#incoming.stdoutQueue.take();
    this.#first = null;
    if (left === null || piece === undefined) return piece;
    if (piece === null) throw this.#tooShort(left);
    this.#left = Math.max(0, left - piece.length);
    if (this.#left === 0) this.#dropRest(piece.length - left);
    return piece.length > left ? piece.subarray(0, left) : piece;
  }

  /** Called when the reader has the whole body: drops the rest of the output. */
  #dropRest(surplus: number): void {
    const { stdoutQueue } = this.#incoming;
    if (surplus > 0) this.#incoming.distrust();
    this.#incoming.detach();
    if (stdoutQueue.isRead) return;
    const rest: ByteReader = {
      read: async () => {
        const value = await stdoutQueue.read();
        if (value === null) return { done: true };
        this.#incoming.distrust();
        return { done: false, value };
      },
      cancel: async (reason) => stdoutQueue.abandon(reason),
    };
    void discardBody(rest, this.#maxDrainBytes);
  }

  #tooShort(left: number): FastCgiError {
    const length = this.#length!;
    const message = `Cannot read the response body: expected ${length} bytes, got ${length - left}`;
    return new FastCgiError("lengthMismatch", message);
  }
}
