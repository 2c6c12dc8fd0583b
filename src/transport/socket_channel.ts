// The common part of all runtimes' channels: the order of callbacks, an error that is stored once, and writes that wait
// for room. A runtime adds how its socket reads, writes and closes.

import type { ByteReader } from "../codec/byte_source.ts";
import type { ConnectionAddress, ConnectionAddresses } from "./address.ts";
import type { ByteChannel, ByteChannelEvents } from "./byte_channel.ts";
import { CLOSED } from "./connection.ts";

/**
 * A socket of a runtime as a channel, to be extended for each runtime.
 *
 * The runtime's class calls {@linkcode SocketChannel.received}, {@linkcode SocketChannel.ended},
 * {@linkcode SocketChannel.peerClosed}, {@linkcode SocketChannel.failed} and {@linkcode SocketChannel.drained} when its
 * socket reports this, from the start on: calls before there is a receiver are kept for it. If the runtime's sockets
 * are read by promises, it calls {@linkcode SocketChannel.readFrom} instead.
 */
export abstract class SocketChannel implements ByteChannel {
  readonly remoteAddress: ConnectionAddress | undefined;
  readonly localAddress: ConnectionAddress | undefined;
  #phase: "open" | "failed" | "closed" = "open";
  /** Why nothing can be written any more, once the channel is not open. */
  #failure: unknown;
  #events: ByteChannelEvents | null = null;
  /** The calls that came before there was a receiver. */
  readonly #early: ((events: ByteChannelEvents) => void)[] = [];
  #hasEnded = false;
  #isPaused = false;
  #onResume: (() => void) | null = null;
  #onRoom: (() => void) | null = null;

  constructor({ remoteAddress, localAddress }: ConnectionAddresses = {}) {
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
  }

  abstract write(pieces: readonly Uint8Array[]): Promise<void> | undefined;
  abstract end(): Promise<void>;
  /** Closes the socket, in both directions. Called once. */
  protected abstract destroy(reason: unknown): void;
  /** Closes a TCP socket so that its peer gets an error. Missing if the runtime can't do this. */
  protected terminate?(): void;
  /** Begins to read. Does nothing if the runtime reads from the start on. */
  protected startReading(): void {}
  /** Pauses reading. Does nothing if the runtime reads only when asked. */
  protected pauseSocket(): void {}
  /** Reads again. */
  protected resumeSocket(): void {}

  start(events: ByteChannelEvents): void {
    // Not at once, because a runtime may call back while it begins to read.
    queueMicrotask(() => {
      this.#events = events;
      const early = this.#early.splice(0);
      for (const tell of early) this.#tell(tell);
      if (this.#phase === "closed") return;
      this.startReading();
      if (this.#isPaused) this.pauseSocket();
      else if (early.length > 0) this.resumeSocket();
    });
  }

  pause(): void {
    this.#isPaused = true;
    this.pauseSocket();
  }

  resume(): void {
    this.#isPaused = false;
    this.#onResume?.();
    if (this.#events !== null) this.resumeSocket();
  }

  close(reason: unknown = CLOSED): void {
    if (this.#phase === "closed") return;
    if (this.#phase === "open") this.#failure = reason;
    this.#phase = "closed";
    this.destroy(reason);
    this.#onResume?.();
    this.#onRoom?.();
  }

  reset(reason: unknown): boolean {
    const isTcp = this.remoteAddress !== undefined && "hostname" in this.remoteAddress;
    if (!isTcp || this.terminate === undefined) return false;
    if (this.#phase !== "closed") this.terminate();
    this.close(reason);
    return true;
  }

  /**
   * Called with received bytes. The receiver may keep the piece.
   *
   * @param isSole Whether the runtime and the adapter don't use the piece's buffer any more: the receiver may detach it.
   */
  received(piece: Uint8Array, isSole: boolean = false): void {
    if (this.#events === null) this.#tell((events) => events.onData(piece, isSole));
    else if (this.#phase !== "closed") this.#events.onData(piece, isSole);
  }

  /** Called when the peer has ended its output. A second call does nothing. */
  ended(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#tell((events) => events.onEnd());
  }

  /**
   * Called when the socket is closed without an error: the peer has closed it. This ends the peer's output, and nothing
   * can be written any more.
   */
  peerClosed(): void {
    this.ended();
    this.#fail(new Error("The socket was closed"));
  }

  /** Called when the socket broke. Does nothing if it was closed, or broke before. */
  failed(error: unknown): void {
    if (this.#fail(error)) this.#tell((events) => events.onError(error));
  }

  /** Called when the socket has room again, after {@linkcode SocketChannel.room} was called. */
  drained(): void {
    this.#onRoom?.();
  }

  /**
   * Reads with `read` until the end. During a pause one piece is read ahead, so that a broken connection is noticed. To
   * be called by `startReading`.
   */
  protected async readFrom(read: ByteReader["read"]): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await read();
        while (this.#isPaused && this.#phase !== "closed") {
          await new Promise<void>((resolve) => {
            this.#onResume = resolve;
          });
        }
        if (this.#phase === "closed") return;
        if (done) break;
        this.received(value!);
      }
    } catch (error) {
      this.failed(error);
      return;
    }
    this.ended();
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

  /** Whether to read: there is a receiver that has not paused, and the peer has not ended. */
  protected get isReading(): boolean {
    return this.#events !== null && !this.#isPaused && !this.#hasEnded && this.#phase !== "closed";
  }

  /** Whether the channel was closed, by {@linkcode SocketChannel.close} or {@linkcode SocketChannel.reset}. */
  protected get isClosed(): boolean {
    return this.#phase === "closed";
  }

  /** Whether something can be written. */
  protected get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** @throws {unknown} Why nothing can be written any more. */
  protected checkOpen(): void {
    if (this.#phase !== "open") throw this.#failure;
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

  /** Stores why nothing can be written any more. Returns whether this is the first reason. */
  #fail(error: unknown): boolean {
    if (this.#phase !== "open") return false;
    this.#phase = "failed";
    this.#failure = error;
    this.#onRoom?.();
    return true;
  }

  #tell(tell: (events: ByteChannelEvents) => void): void {
    if (this.#phase === "closed") return;
    if (this.#events !== null) {
      tell(this.#events);
      return;
    }
    this.#early.push(tell);
    this.pauseSocket();
  }
}
