// A socket of Bun as a channel. Bun does not buffer: `write` takes as much as the kernel takes, and `drain` is called
// when there is room again.

import {
  type ByteChannel,
  type ConnectionAddress,
  type ConnectionAddresses,
  SocketChannel,
  tcpAddress,
} from "../../src/toolkit.ts";
import type { BunSocket, BunSocketHandler } from "./runtime.ts";

/** The channel of a socket, which its data holds, because Bun calls the same handlers for all sockets of a listener. */
export type SocketData = BunChannel | undefined;

/**
 * Handlers that pass Bun's callbacks to the channels of sockets. `onOpen` gets the channel of a new socket.
 *
 * @param address The peer's, where that is not TCP.
 */
export function socketHandlers(
  onOpen: (channel: ByteChannel) => void,
  address?: ConnectionAddress,
): BunSocketHandler<SocketData> {
  return {
    open(socket) {
      const remoteAddress = address ?? tcpAddress(socket.remoteAddress, socket.remotePort);
      const localAddress = tcpAddress(socket.localAddress, socket.localPort);
      socket.data = new BunChannel(socket, { remoteAddress, localAddress });
      onOpen(socket.data);
    },
    data: (socket, chunk) => socket.data?.received(chunk, true),
    drain: (socket) => socket.data?.drained(),
    end: (socket) => socket.data?.ended(),
    // If this side has half-closed before, only this call tells of the peer's end of file.
    close: (socket, error) => (error === undefined ? socket.data?.peerClosed() : socket.data?.failed(error)),
    // Gets an error that a handler threw. Without this Bun would print it.
    error(socket, error) {
      socket.data?.failed(error);
      socket.close();
    },
  };
}

class BunChannel extends SocketChannel {
  readonly #socket: BunSocket<SocketData>;

  constructor(socket: BunSocket<SocketData>, addresses: ConnectionAddresses) {
    super(addresses);
    this.#socket = socket;
    // Without it a small last record waits for the peer's delayed acknowledgement, 40 ms.
    socket.setNoDelay(true);
  }

  protected override pauseSocket(): void {
    this.#socket.pause();
  }

  protected override resumeSocket(): void {
    this.#socket.resume();
  }

  /** The kernel has taken the bytes. */
  override write(pieces: readonly Uint8Array[]): Promise<void> | undefined {
    return this.writeParts(pieces, this.#take);
  }

  readonly #take = (bytes: Uint8Array): number => this.#socket.write(bytes);

  override async end(): Promise<void> {
    if (this.isOpen) this.#socket.shutdown();
  }

  protected override destroy(): void {
    this.#socket.close();
  }

  protected override terminate(): void {
    this.#socket.terminate();
  }
}
