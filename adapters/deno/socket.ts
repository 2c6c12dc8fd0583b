// A connection of Deno as a channel. Its own streams would close the whole connection at the peer's end of file, and when `writable`
// is closed.

import { type ConnectionAddress, SocketChannel, tcpAddress } from "../../src/toolkit.ts";
import { type DenoAddress, type DenoConn, deno } from "./runtime.ts";

/** The bytes that a read has room for while more is coming. */
const LARGE_READ = 64 * 1024;

/**
 * The same on a connection that waits: it holds this memory for as long as it is idle. A request or response that is small, as most are,
 * needs one read.
 */
const SMALL_READ = 4 * 1024;

/** The address of TCP only. */
function addressOf(address: DenoAddress): ConnectionAddress | undefined {
  return address.transport === "tcp" ? tcpAddress(address.hostname, address.port) : undefined;
}

/** The channel of a connection that no other code reads or writes. */
export class DenoChannel extends SocketChannel {
  readonly #conn: DenoConn;
  #buffer = new Uint8Array(SMALL_READ);

  /** @param address The peer's, where that is not TCP. */
  constructor(conn: DenoConn, address?: ConnectionAddress) {
    super({ remoteAddress: address ?? addressOf(conn.remoteAddr), localAddress: addressOf(conn.localAddr) });
    this.#conn = conn;
    // Without it a small last record waits for the peer's delayed acknowledgement, 40 ms.
    conn.setNoDelay?.(true);
  }

  protected override startReading(): void {
    void this.readFrom(async () => {
      const length = await this.#conn.read(this.#buffer);
      return length === null ? { done: true } : { done: false, value: this.#take(length) };
    });
  }

  override async write(pieces: readonly Uint8Array[]): Promise<void> {
    this.checkOpen();
    try {
      for (const piece of pieces) {
        for (let start = 0; start < piece.length; ) start += await this.#conn.write(piece.subarray(start));
      }
    } catch (error) {
      this.failed(error);
    }
    this.checkOpen();
  }

  override async end(): Promise<void> {
    if (this.isClosed) return;
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      // A peer that is gone does not need this side's end of file.
      if (!this.isClosed && !(error instanceof deno().errors.NotConnected)) throw error;
    }
  }

  /** This also ends reads and writes that have not settled. */
  protected override destroy(): void {
    this.#conn.close();
  }

  /**
   * Returns the bytes that were read. A piece of half the buffer keeps it; a smaller one is copied, because it would keep
   * too much of it in memory.
   */
  #take(length: number): Uint8Array {
    const buffer = this.#buffer;
    let room = buffer.length;
    if (length === room) room = LARGE_READ;
    else if (length <= SMALL_READ) room = SMALL_READ;
    const keeps = length >= buffer.length / 2;
    if (keeps || room !== buffer.length) this.#buffer = new Uint8Array(room);
    return keeps ? buffer.subarray(0, length) : buffer.slice(0, length);
  }
}
