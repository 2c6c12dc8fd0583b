// A socket of Bun as a FastCgiConnection. Bun buffers nothing that is written: `write` takes what the kernel takes, and `drain`
// tells when there is room again.

import type { ConnectionAddress, FastCgiConnection } from "../../src/index.ts";
import { tcpAddress } from "../shared/target.ts";
import type { BunSocket, BunSocketHandler } from "./runtime.ts";

/** Chunks that are kept when nobody reads, before the socket is paused: pausing and resuming for each would cost more. */
const READ_AHEAD_CHUNKS = 2;

/** A socket knows what its events are told to: Bun calls the same handlers for all sockets of a listener. */
export type SocketData = SocketEnds | undefined;

/** What Bun tells of sockets, told to their ends. `onOpen` gets the connection of a new socket. */
export function socketHandlers(
  onOpen: (connection: FastCgiConnection) => void,
  address?: ConnectionAddress,
): BunSocketHandler<SocketData> {
  return {
    open(socket) {
      const ends = new SocketEnds(socket);
      socket.data = ends;
      onOpen(connectionOfSocket(socket, ends, address));
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

/** `address` is the peer's, where that is not TCP. */
function connectionOfSocket(
  socket: BunSocket<SocketData>,
  ends: SocketEnds,
  address: ConnectionAddress | undefined,
): FastCgiConnection {
  // Without it a small last record waits for the peer's delayed acknowledgement, 40 ms.
  socket.setNoDelay(true);
  return {
    readable: new ReadableStream(
      {
        start(controller) {
          ends.source = controller;
        },
        pull: () => ends.resume(),
        cancel: () => ends.discard(),
      },
      { highWaterMark: READ_AHEAD_CHUNKS },
    ),
    writable: new WritableStream({
      start(controller) {
        ends.sink = controller;
      },
      write: (chunk) => ends.write(chunk),
      close: () => ends.halfClose(),
      abort: () => ends.close(),
    }),
    close: () => ends.close(),
    remoteAddress: address ?? tcpAddress(socket.remoteAddress, socket.remotePort),
    localAddress: tcpAddress(socket.localAddress, socket.localPort),
  };
}

/** Both directions of one socket. */
class SocketEnds {
  source!: ReadableStreamDefaultController<Uint8Array>;
  sink!: WritableStreamDefaultController;
  readonly #socket: BunSocket<SocketData>;
  #isPaused = false;
  /** Whether `source` takes nothing any more. */
  #isRead = false;
  /** Why nothing can be written any more. */
  #failure: Error | null = null;
  #wake: (() => void) | null = null;

  constructor(socket: BunSocket<SocketData>) {
    this.#socket = socket;
  }

  received(chunk: Uint8Array): void {
    if (this.#isRead) return;
    this.source.enqueue(chunk);
    if (this.source.desiredSize! > 0 || this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** Nobody reads any more. The socket flows on, so that the peer's end of file is seen; what comes is dropped. */
  discard(): void {
    this.#isRead = true;
    this.resume();
  }

  ended(): void {
    if (this.#isRead) return;
    this.#isRead = true;
    this.source.close();
  }

  /** The socket is closed. When we half-closed it before, this is all that tells of the peer's end of file. */
  gone(error?: Error): void {
    if (error === undefined) this.ended();
    // A peer that resets the connection is noticed also while nothing is written.
    else if (this.#failure === null) this.sink.error(error);
    this.#over(error ?? new Error("The socket was closed"));
  }

  close(): void {
    this.#over(new Error("The socket was closed"));
    this.#socket.close();
  }

  drained(): void {
    this.#wake?.();
  }

  /** Resolves when the kernel has taken the bytes. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    const taken = this.#offer(chunk);
    return taken === chunk.length ? undefined : this.#writeRest(chunk, taken);
  }

  halfClose(): void {
    if (this.#failure === null) this.#socket.shutdown();
  }

  async #writeRest(chunk: Uint8Array, taken: number): Promise<void> {
    for (let start = taken; start < chunk.length; start += this.#offer(chunk.subarray(start))) {
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Returns how many bytes the kernel took. */
  #offer(bytes: Uint8Array): number {
    if (this.#failure !== null) throw this.#failure;
    if (bytes.length === 0) return 0;
    const taken = this.#socket.write(bytes);
    if (taken >= 0) return taken;
    throw this.#failure ?? new Error("The socket was closed");
  }

  #over(reason: Error): void {
    if (!this.#isRead) {
      this.#isRead = true;
      this.source.error(reason);
    }
    this.#failure ??= reason;
    this.#wake?.();
  }
}
