// A socket of Bun as a channel. Bun buffers nothing that is written: `write` takes what the kernel takes, and `drain` tells when there
// is room again.

import {
  type ByteChannel,
  type ByteChannelEvents,
  ChannelConnection,
  type ConnectionAddress,
  type FastCgiConnection,
} from "../../src/toolkit.ts";
import { tcpAddress } from "../shared/target.ts";
import type { BunSocket, BunSocketHandler } from "./runtime.ts";

/** A socket knows what its events are told to: Bun calls the same handlers for all sockets of a listener. */
export type SocketData = SocketChannel | undefined;

/** What Bun tells of sockets, told to their channels. `onOpen` gets the connection of a new socket. */
export function socketHandlers(
  onOpen: (connection: FastCgiConnection) => void,
  address?: ConnectionAddress,
): BunSocketHandler<SocketData> {
  return {
    open(socket) {
      // `address` is the peer's, where that is not TCP.
      const remoteAddress = address ?? tcpAddress(socket.remoteAddress, socket.remotePort);
      const channel = new SocketChannel(socket, remoteAddress !== undefined && "hostname" in remoteAddress);
      socket.data = channel;
      const localAddress = tcpAddress(socket.localAddress, socket.localPort);
      onOpen(new ChannelConnection(channel, { remoteAddress, localAddress }));
    },
    data: (socket, chunk) => socket.data?.received(chunk),
    drain: (socket) => socket.data?.drained(),
    end: (socket) => socket.data?.ended(),
    close: (socket, error) => socket.data?.gone(error),
    // What a handler threw. Without this Bun would print it.
    error(socket, error) {
      socket.data?.gone(error);
      socket.close();
    },
  };
}

class SocketChannel implements ByteChannel {
  readonly #socket: BunSocket<SocketData>;
  readonly #isTcp: boolean;
  #events: ByteChannelEvents | null = null;
  /** What came before anybody listened. */
  #early: ((events: ByteChannelEvents) => void)[] = [];
  #hasEnded = false;
  #isClosed = false;
  /** Why nothing can be written any more. */
  #failure: unknown = null;
  #wake: (() => void) | null = null;

  constructor(socket: BunSocket<SocketData>, isTcp: boolean) {
    this.#socket = socket;
    this.#isTcp = isTcp;
    // Without it a small last record waits for the peer's delayed acknowledgement, 40 ms.
    socket.setNoDelay(true);
  }

  start(events: ByteChannelEvents): void {
    if (this.#early.length === 0) {
      this.#events = events;
      return;
    }
    queueMicrotask(() => {
      this.#events = events;
      for (const tell of this.#early) this.#tell(tell);
      this.#early = [];
      this.#socket.resume();
    });
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  received(chunk: Uint8Array): void {
    this.#tell((events) => events.onData(chunk));
  }

  ended(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#tell((events) => events.onEnd());
  }

  /** The socket is closed. When we half-closed it before, this is all that tells of the peer's end of file. */
  gone(error?: Error): void {
    if (error === undefined) this.ended();
    else if (this.#failure === null) this.#tell((events) => events.onError(error));
    this.#failure ??= error ?? new Error("The socket was closed");
    this.#wake?.();
  }

  drained(): void {
    this.#wake?.();
  }

  /** The kernel has taken the bytes. */
  write(pieces: readonly Uint8Array[]): Promise<void> | undefined {
    for (let index = 0; index < pieces.length; index++) {
      const piece = pieces[index]!;
      const taken = this.#offer(piece);
      if (taken < piece.length) return this.#writeRest([piece.subarray(taken), ...pieces.slice(index + 1)]);
    }
    return undefined;
  }

  async end(): Promise<void> {
    if (this.#failure === null) this.#socket.shutdown();
  }

  close(reason: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#failure ??= reason;
    this.#wake?.();
    this.#socket.close();
  }

  reset(reason: unknown): boolean {
    if (!this.#isTcp) return false;
    if (!this.#isClosed) this.#socket.terminate();
    this.close(reason);
    return true;
  }

  async #writeRest(pieces: readonly Uint8Array[]): Promise<void> {
    await this.#room();
    for (const piece of pieces) {
      for (let start = this.#offer(piece); start < piece.length; start += this.#offer(piece.subarray(start))) {
        await this.#room();
      }
    }
  }

  async #room(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Returns how many bytes the kernel took. */
  #offer(bytes: Uint8Array): number {
    if (this.#failure !== null) throw this.#failure;
    if (bytes.length === 0) return 0;
    const taken = this.#socket.write(bytes);
    if (taken >= 0) return taken;
    throw this.#failure ?? new Error("The socket was closed");
  }

  #tell(tell: (events: ByteChannelEvents) => void): void {
    if (this.#isClosed) return;
    if (this.#events !== null) {
      tell(this.#events);
      return;
    }
    this.#early.push(tell);
    this.#socket.pause();
  }
}
