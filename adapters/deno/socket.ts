// A connection of Deno as a FastCgiConnection. Its own streams would close the whole connection at the peer's end of file, and when
// `writable` is closed.

import type { ConnectionAddress, FastCgiConnection } from "../../src/index.ts";
import { tcpAddress } from "../shared/target.ts";
import { type DenoAddress, type DenoConn, deno } from "./runtime.ts";

const READ_BYTES = 64 * 1024;

/** Wraps a connection that nobody else reads or writes. `address` is the peer's, where that is not TCP. */
export function connectionOfConn(conn: DenoConn, address?: ConnectionAddress): FastCgiConnection {
  // Without it a small last record waits for the peer's delayed acknowledgement, 40 ms.
  conn.setNoDelay?.(true);
  const ends = new ConnEnds(conn);
  return {
    readable: new ReadableStream({ pull: (controller) => ends.read(controller), cancel: () => void ends.discard() }),
    writable: new WritableStream({
      start: (controller) => {
        ends.sink = controller;
      },
      write: (chunk) => ends.write(chunk),
      close: () => ends.halfClose(),
      abort: () => ends.close(),
    }),
    close: () => ends.close(),
    remoteAddress: address ?? addressOf(conn.remoteAddr),
    localAddress: addressOf(conn.localAddr),
  };
}

/** Of TCP only. */
function addressOf(address: DenoAddress): ConnectionAddress | undefined {
  return address.transport === "tcp" ? tcpAddress(address.hostname, address.port) : undefined;
}

class ConnEnds {
  sink!: WritableStreamDefaultController;
  readonly #conn: DenoConn;
  #buffer = new Uint8Array(READ_BYTES);
  /** What is being read: two may not read at a time. */
  #reading: Promise<number | null> = Promise.resolve(0);
  #isDiscarded = false;
  #isClosed = false;

  constructor(conn: DenoConn) {
    this.#conn = conn;
  }

  /** One chunk is read ahead by the stream, so that the peer's end is noticed while nobody reads. */
  async read(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#reading = this.#read();
    const length = await this.#reading;
    if (this.#isDiscarded) return;
    if (length === null) controller.close();
    else controller.enqueue(this.#take(length));
  }

  /** Nobody reads any more. The connection flows on, so that the peer can send what it has and its end; it is dropped. */
  async discard(): Promise<void> {
    this.#isDiscarded = true;
    try {
      if ((await this.#reading) === null) return;
      while ((await this.#read()) !== null);
    } catch {
      // Over, in another way.
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    try {
      for (let start = 0; start < chunk.length; ) start += await this.#conn.write(chunk.subarray(start));
    } catch (error) {
      throw this.#reason(error);
    }
  }

  async halfClose(): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      // A peer that is gone has no need of our end of file.
      if (!this.#isClosed && !(error instanceof deno().errors.NotConnected)) throw error;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Also ends what is being read and written.
    this.#conn.close();
  }

  async #read(): Promise<number | null> {
    try {
      return await this.#conn.read(this.#buffer);
    } catch (error) {
      // A peer that resets the connection is noticed also while nothing is written.
      if (!this.#isClosed) this.sink.error(error);
      throw this.#reason(error);
    }
  }

  /** What was read. A large piece takes the buffer with it, a small one would hold too much of it. */
  #take(length: number): Uint8Array {
    if (length < READ_BYTES / 2) return this.#buffer.slice(0, length);
    const piece = this.#buffer.subarray(0, length);
    this.#buffer = new Uint8Array(READ_BYTES);
    return piece;
  }

  #reason(error: unknown): unknown {
    return this.#isClosed ? new Error("The socket was closed") : error;
  }
}
