// The common part of all channels that this library makes: the order of callbacks, and an error that is stored once.
// socket_channel.ts adds what sockets need besides.

import type { ByteReader } from "../codec/byte_source.ts";
import type { ConnectionAddress, ConnectionAddresses } from "./address.ts";
import type { ByteChannel, ByteChannelEvents } from "./byte_channel.ts";
import { CLOSED } from "./connection.ts";

/**
 * A channel whose calls to its receiver come in order, none before there is a receiver and none after its close.
 *
 * What extends it calls {@linkcode OrderedChannel.received}, {@linkcode OrderedChannel.ended} and
 * {@linkcode OrderedChannel.failed}, or {@linkcode OrderedChannel.readFrom}, from the start on: calls before there is a
 * receiver are kept for it.
 *
 * @internal
 */
export abstract class OrderedChannel implements ByteChannel {
  readonly remoteAddress: ConnectionAddress | undefined;
  readonly localAddress: ConnectionAddress | undefined;
  #phase: "open" | "failed" | "closed" = "open";
  /** Why nothing can be written any more, once the channel is not open. */
  #failure: unknown;
  #events: ByteChannelEvents | null = null;
  /** The calls that came before there was a receiver; null if there are none. */
  #early: ((events: ByteChannelEvents) => void)[] | null = null;
  #hasEnded = false;
  #isPaused = false;
  #onResume: (() => void) | null = null;

  constructor({ remoteAddress, localAddress }: ConnectionAddresses = {}) {
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
  }

  abstract write(pieces: readonly Uint8Array[]): Promise<void> | undefined;
  abstract end(): Promise<void>;
  /** Closes the socket, in both directions. Called once. */
  protected abstract destroy(reason: unknown): void;
  /** Begins to read. Does nothing if the runtime reads from the start on. */
  protected startReading(): void {}
  /** Pauses reading. Does nothing if the runtime reads only when asked. */
  protected pauseSocket(): void {}
  /** Reads again. */
  protected resumeSocket(): void {}
  /** Called when nothing can be written any more, for writes that wait. */
  protected wakeWriters(): void {}

  start(events: ByteChannelEvents): void {
    // Not at once, because a runtime may call back while it begins to read.
    queueMicrotask(() => {
      this.#events = events;
      const early = this.#early;
      this.#early = null;
      for (const tell of early ?? []) this.#tell(tell);
      if (this.#phase === "closed") return;
      this.startReading();
      if (this.#isPaused) this.pauseSocket();
      else if (early !== null) this.resumeSocket();
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
    this.wakeWriters();
  }

  /**
   * Called with received bytes. The receiver may keep the piece.
   *
   * @param isSole Whether the runtime and the adapter don't use the piece's buffer any more: the receiver may change or detach it.
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

  /** Called when the socket broke. Does nothing if it was closed, or broke before. */
  failed(error: unknown): void {
    if (this.stopWriting(error)) this.#tell((events) => events.onError(error));
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

  /** Whether to read: there is a receiver that has not paused, and the peer has not ended. */
  protected get isReading(): boolean {
    return this.#events !== null && !this.#isPaused && !this.#hasEnded && this.#phase !== "closed";
  }

  /** Whether the channel was closed, by {@linkcode OrderedChannel.close} or a reset. */
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

  /** Stores why nothing can be written any more. Returns whether this is the first reason. */
  protected stopWriting(error: unknown): boolean {
    if (this.#phase !== "open") return false;
    this.#phase = "failed";
    this.#failure = error;
    this.wakeWriters();
    return true;
  }

  #tell(tell: (events: ByteChannelEvents) => void): void {
    if (this.#phase === "closed") return;
    if (this.#events !== null) {
      tell(this.#events);
      return;
    }
    this.#early ??= [];
    this.#early.push(tell);
    this.pauseSocket();
  }
}
