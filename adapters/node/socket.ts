// A net.Socket as a channel.

import type { Socket } from "node:net";
import { type ConnectionAddresses, SocketChannel, tcpAddress } from "../../src/toolkit.ts";

/** The ends of a TCP socket; a socket of another kind has none. */
export function tcpAddresses({ remoteAddress, remotePort, localAddress, localPort }: Socket): ConnectionAddresses {
  const remote = tcpAddress(remoteAddress, remotePort);
  return remote === undefined ? {} : { remoteAddress: remote, localAddress: tcpAddress(localAddress, localPort) };
}

/** Where a socket has its channel. So all sockets share their listeners, which would otherwise be five closures for each. */
const CHANNEL = Symbol("channel");

interface ChannelSocket extends Socket {
  [CHANNEL]: NodeChannel;
}

/** The channel of a socket that is connected, and that no other code reads. */
export class NodeChannel extends SocketChannel {
  readonly #socket: ChannelSocket;

  constructor(socket: Socket, addresses: ConnectionAddresses = tcpAddresses(socket)) {
    super(addresses);
    this.#socket = Object.assign(socket, { [CHANNEL]: this });
    // Without it a small last record waits for the peer's delayed acknowledgement, 40 ms.
    socket.setNoDelay(true);
    socket.on("error", onError);
    socket.on("drain", onDrain);
    socket.on("close", onClose);
  }

  protected override startReading(): void {
    const socket = this.#socket;
    socket.on("data", onData);
    socket.on("end", onEnd);
  }

  protected override pauseSocket(): void {
    this.#socket.pause();
  }

  protected override resumeSocket(): void {
    this.#socket.resume();
  }

  /** The kernel has taken the bytes, or the socket's own buffer up to its high-water mark. */
  override write(pieces: readonly Uint8Array[]): Promise<void> | undefined {
    const socket = this.#socket;
    this.checkOpen();
    if (pieces.length === 1) return socket.write(pieces[0]!) ? undefined : this.room();
    // Corked, so that one system call writes all pieces.
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
    return socket.writableNeedDrain ? this.room() : undefined;
  }

  override end(): Promise<void> {
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

  protected override destroy(): void {
    this.#socket.destroy();
  }

  protected override terminate(): void {
    this.#socket.resetAndDestroy();
  }
}

function onError(this: ChannelSocket, error: unknown): void {
  this[CHANNEL].failed(error);
}

function onDrain(this: ChannelSocket): void {
  this[CHANNEL].drained();
}

function onClose(this: ChannelSocket): void {
  // If both ends have not come yet, other code has destroyed the socket.
  if (!this.readableEnded || !this.writableFinished) this[CHANNEL].failed(new Error("The socket was closed"));
}

function onData(this: ChannelSocket, { buffer, byteOffset, byteLength }: Uint8Array): void {
  // Not the Buffer itself: its slice() does not copy, and programs that read the body of a Response expect a copy. What Node
  // has read has a buffer of its own. A part of a buffer may be one of the pool of Buffer.
  this[CHANNEL].received(new Uint8Array(buffer, byteOffset, byteLength), byteLength === buffer.byteLength);
}

function onEnd(this: ChannelSocket): void {
  this[CHANNEL].ended();
}
