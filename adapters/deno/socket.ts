// A connection of Deno as a channel. Its own streams would close the whole connection at the peer's end of file, and when `writable`
// is closed.

import {
  type ByteChannel,
  type ByteChannelEvents,
  ChannelConnection,
  type ConnectionAddress,
  type FastCgiConnection,
} from "../../src/toolkit.ts";
import { tcpAddress } from "../shared/target.ts";
import { type DenoAddress, type DenoConn, deno } from "./runtime.ts";

const READ_BYTES = 64 * 1024;

/** Wraps a connection that nobody else reads or writes. `address` is the peer's, where that is not TCP. */
export function connectionOfConn(conn: DenoConn, address?: ConnectionAddress): FastCgiConnection {
  // Without it a small last record waits for the peer's delayed acknowledgement, 40 ms.
  conn.setNoDelay?.(true);
  return new ChannelConnection(new ConnChannel(conn), {
    remoteAddress: address ?? addressOf(conn.remoteAddr),
    localAddress: addressOf(conn.localAddr),
  });
}

/** Of TCP only. */
function addressOf(address: DenoAddress): ConnectionAddress | undefined {
  return address.transport === "tcp" ? tcpAddress(address.hostname, address.port) : undefined;
}

class ConnChannel implements ByteChannel {
  readonly #conn: DenoConn;
  #events: ByteChannelEvents | null = null;
  #buffer = new Uint8Array(READ_BYTES);
  #isPaused = false;
  #wake: (() => void) | null = null;
  #isClosed = false;
  /** Why nothing can be written any more. */
  #failure: unknown = null;

  constructor(conn: DenoConn) {
    this.#conn = conn;
  }

  start(events: ByteChannelEvents): void {
    this.#events = events;
    void this.#read(events);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake?.();
  }

  async write(pieces: readonly Uint8Array[]): Promise<void> {
    this.#check();
    try {
      for (const piece of pieces) {
        for (let start = 0; start < piece.length; ) start += await this.#conn.write(piece.subarray(start));
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#check();
  }

  async end(): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      // A peer that is gone has no need of our end of file.
      if (!this.#isClosed && !(error instanceof deno().errors.NotConnected)) throw error;
    }
  }

  close(reason: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#failure ??= reason;
    this.#wake?.();
    // Also ends what is being read and written.
    this.#conn.close();
  }

  /** One piece is read ahead of a pause, so that the peer's end is noticed while nobody reads. */
  async #read(events: ByteChannelEvents): Promise<void> {
    try {
      for (;;) {
        const length = await this.#conn.read(this.#buffer);
        while (this.#isPaused && !this.#isClosed) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        if (this.#isClosed) return;
        if (length === null) break;
        events.onData(this.#take(length));
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    events.onEnd();
  }

  /** What was read. A large piece takes the buffer with it, a small one would hold too much of it. */
  #take(length: number): Uint8Array {
    if (length < READ_BYTES / 2) return this.#buffer.slice(0, length);
    const piece = this.#buffer.subarray(0, length);
    this.#buffer = new Uint8Array(READ_BYTES);
    return piece;
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#events?.onError(error);
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }
}
