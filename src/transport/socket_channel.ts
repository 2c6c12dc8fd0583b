// The common part of all runtimes' sockets: writes that wait for room, and a reset. A runtime adds how its socket reads,
// writes and closes.

import { OrderedChannel } from "./ordered_channel.ts";

/**
 * A socket of a runtime as a channel, to be extended for each runtime.
 *
 * The runtime's class calls {@linkcode SocketChannel.received}, {@linkcode SocketChannel.ended},
 * {@linkcode SocketChannel.peerClosed}, {@linkcode SocketChannel.failed} and {@linkcode SocketChannel.drained} when its
 * socket reports this, from the start on: calls before there is a receiver are kept for it. If the runtime's sockets
 * are read by promises, it calls {@linkcode SocketChannel.readFrom} instead.
 */
export abstract class SocketChannel extends OrderedChannel {
  #onRoom: (() => void) | null = null;

  /** Closes a TCP socket so that its peer gets an error. Missing if the runtime can't do this. */
  protected terminate?(): void;

  /** See {@linkcode ByteChannel.reset}. Works for TCP, where the runtime can. */
  reset(reason: unknown): boolean {
    const isTcp = this.remoteAddress !== undefined && "hostname" in this.remoteAddress;
    if (!isTcp || this.terminate === undefined) return false;
    if (!this.isClosed) this.terminate();
    this.close(reason);
    return true;
  }

  /**
   * Called when the socket is closed without an error: the peer has closed it. This ends the peer's output, and nothing
   * can be written any more.
   */
  peerClosed(): void {
    this.ended();
    this.stopWriting(new Error("The socket was closed"));
  }

  /** Called when the socket has room again, after {@linkcode SocketChannel.room} was called. */
  drained(): void {
    this.#onRoom?.();
  }

  /**
   * Writes the pieces to a socket that accepts only as many bytes as it has room for.
   *
   * @param take Writes bytes to the socket. Returns the number that the socket has taken; a negative number means that
   * the socket is closed. If it has taken less than all, `drained` must be called when there is room again.
   */
  protected writeParts(pieces: readonly Uint8Array[], take: (bytes: Uint8Array) => number): Promise<void> | undefined {
    for (let index = 0; index < pieces.length; index++) {
      const piece = pieces[index]!;
      const taken = this.#offer(piece, take);
      if (taken < piece.length) return this.#writeRest([piece.subarray(taken), ...pieces.slice(index + 1)], take);
    }
    return undefined;
  }

  /** Resolves when the socket has room again. Rejects if it breaks or is closed. */
  protected async room(): Promise<void> {
    this.checkOpen();
    await new Promise<void>((resolve) => {
      this.#onRoom = resolve;
    });
    this.checkOpen();
  }

  /** Lets writes that wait find out that nothing can be written any more. */
  protected override wakeWriters(): void {
    this.drained();
  }

  async #writeRest(pieces: readonly Uint8Array[], take: (bytes: Uint8Array) => number): Promise<void> {
    await this.room();
    for (const piece of pieces) {
      for (let start = this.#offer(piece, take); start < piece.length; ) {
        await this.room();
        start += this.#offer(piece.subarray(start), take);
      }
    }
  }

  #offer(bytes: Uint8Array, take: (bytes: Uint8Array) => number): number {
    this.checkOpen();
    if (bytes.length === 0) return 0;
    const taken = take(bytes);
    if (taken >= 0) return taken;
    this.checkOpen();
    throw new Error("The socket was closed");
  }
}
