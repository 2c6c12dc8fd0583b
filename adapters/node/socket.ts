// A net.Socket as a channel.

import type { Socket } from "node:net";
import {
  type ByteChannel,
  type ByteChannelEvents,
  ChannelConnection,
  type ConnectionAddresses,
  type FastCgiConnection,
} from "../../src/toolkit.ts";
import { tcpAddress } from "../shared/target.ts";

/** Wraps a socket that is connected. Its data must not have been read by anybody else. */
export function connectionOfSocket(socket: Socket, addresses: ConnectionAddresses): FastCgiConnection {
  const isTcp = addresses.remoteAddress !== undefined && "hostname" in addresses.remoteAddress;
  return new ChannelConnection(new SocketChannel(socket, isTcp), addresses);
}

/** The ends of a TCP socket; a socket of another kind has none. */
export function tcpAddresses({ remoteAddress, remotePort, localAddress, localPort }: Socket): ConnectionAddresses {
  const remote = tcpAddress(remoteAddress, remotePort);
  return remote === undefined ? {} : { remoteAddress: remote, localAddress: tcpAddress(localAddress, localPort) };
}

class SocketChannel implements ByteChannel {
  readonly #socket: Socket;
  readonly #isTcp: boolean;
  #events: ByteChannelEvents | null = null;
  /** Why nothing can be written any more. */
  #failure: unknown = null;
  #isClosed = false;
  #hasEnded = false;
  #wake: (() => void) | null = null;

  constructor(socket: Socket, isTcp: boolean) {
    this.#socket = socket;
    this.#isTcp = isTcp;
    // Without it a small last record waits for the peer's delayed acknowledgement, 40 ms.
    socket.setNoDelay(true);
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => {
      // Without both ends before it: destroyed, by somebody else.
      if (!this.#hasEnded || !socket.writableFinished) this.#fail(new Error("The socket was closed"));
    });
  }

  start(events: ByteChannelEvents): void {
    this.#events = events;
    const socket = this.#socket;
    socket.on("data", (chunk: Uint8Array) => {
      // Not the Buffer itself: its slice() is no copy, and whoever reads the body of a Response knows no Buffer.
      if (!this.#isClosed) events.onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
    socket.on("end", () => {
      if (this.#isClosed) return;
      this.#hasEnded = true;
      events.onEnd();
    });
    // It may have broken before anybody listened.
    if (this.#failure !== null) queueMicrotask(() => this.#tellFailure());
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** The kernel has taken the bytes, or the socket's own buffer up to its high-water mark. */
  write(pieces: readonly Uint8Array[]): Promise<void> | undefined {
    const socket = this.#socket;
    this.#check();
    if (pieces.length === 1) return socket.write(pieces[0]!) ? undefined : this.#drained();
    // One system call for all.
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
    return socket.writableNeedDrain ? this.#drained() : undefined;
  }

  end(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = this.#socket;
      if (socket.destroyed || socket.writableFinished) {
        resolve();
        return;
      }
      socket.once("error", reject);
      socket.once("close", () => resolve());
      socket.end(() => resolve());
    });
  }

  close(reason: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#failure ??= reason;
    this.#socket.destroy();
    this.#wake?.();
  }

  reset(reason: unknown): boolean {
    if (!this.#isTcp) return false;
    if (!this.#isClosed) this.#socket.resetAndDestroy();
    this.close(reason);
    return true;
  }

  async #drained(): Promise<void> {
    const socket = this.#socket;
    while (socket.writableNeedDrain && this.#failure === null) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        socket.once("drain", resolve);
      });
    }
    this.#check();
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#wake?.();
    this.#tellFailure();
  }

  #tellFailure(): void {
    if (!this.#isClosed) this.#events?.onError(this.#failure);
  }
}
