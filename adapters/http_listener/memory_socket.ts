// Two sockets of Node.js that are joined in memory: what is written to one is read from the other.

import { Socket } from "node:net";

/** Sockets of Node.js get text as it was written. */
interface Chunk {
  readonly chunk: Uint8Array | string;
  readonly encoding: BufferEncoding;
}

/** A socket whose other end is a socket of this process. It is a `net.Socket`, because applications test for one. */
export class MemorySocket extends Socket {
  #peer: MemorySocket | null = null;
  /** Tells the peer that this end has room for more. */
  #onRoom: (() => void) | null = null;
  #hasEnd = false;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    super({ allowHalfOpen: true });
  }

  /** Joins two sockets. */
  static join(one: MemorySocket, other: MemorySocket): void {
    one.#peer = other;
    other.#peer = one;
  }

  override _read(): void {
    const onRoom = this.#onRoom;
    this.#onRoom = null;
    onRoom?.();
  }

  override _write(chunk: Uint8Array | string, encoding: BufferEncoding, callback: () => void): void {
    const bytes = bytesOf({ chunk, encoding });
    // In a turn of its own: an error that a listener of the application throws must not surface in the code that writes.
    process.nextTick(() => this.#peer!.#take(bytes, callback));
    this.#refreshTimeout();
  }

  override _writev(chunks: readonly Chunk[], callback: () => void): void {
    const pieces = chunks.map(bytesOf);
    this._write(Buffer.concat(pieces), "utf8", callback);
  }

  override _final(callback: () => void): void {
    process.nextTick(() => this.#peer!.#takeEnd());
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    // The peer would wait for room for ever.
    this._read();
    const peer = this.#peer!;
    // An end that was cut must not look whole, and the peer learns of it even if it does not read.
    const isWhole = error === null && this.writableEnded && this.writableLength === 0;
    process.nextTick(() => {
      if (isWhole) peer.#takeEnd();
      else peer.destroy(error ?? resetError());
    });
    super._destroy(error, callback);
  }

  #take(chunk: Uint8Array, callback: () => void): void {
    // As after the close of a real connection, the writer learns of it by the end of what it reads.
    const isTaking = !this.destroyed && !this.#hasEnd;
    if (isTaking) this.#refreshTimeout();
    if (!isTaking || this.push(chunk)) callback();
    else this.#onRoom = callback;
  }

  #takeEnd(): void {
    if (this.#hasEnd || this.destroyed) return;
    this.#hasEnd = true;
    this.push(null);
  }

  /** As that of a socket of the system: "timeout" after so many milliseconds without a byte in either direction. */
  override setTimeout(timeout: number, callback?: () => void): this {
    (this as { timeout?: number }).timeout = timeout;
    if (callback !== undefined) {
      if (timeout > 0) this.once("timeout", callback);
      else this.off("timeout", callback);
    }
    this.#refreshTimeout();
    return this;
  }

  #refreshTimeout(): void {
    clearTimeout(this.#timer);
    if (!this.timeout || this.destroyed) return;
    this.#timer = setTimeout(() => this.emit("timeout"), this.timeout);
    this.#timer.unref();
  }
}

/** The error of a socket whose peer has closed the connection in the middle. */
function resetError(): Error {
  return Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", syscall: "read" });
}

function bytesOf({ chunk, encoding }: Chunk): Uint8Array {
  return typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
}
