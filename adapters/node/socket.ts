// A net.Socket as a FastCgiConnection. Readable.toWeb and Writable.toWeb would do the same at twice the cost.

import type { Socket } from "node:net";
import type { ConnectionAddress, FastCgiConnection } from "../../src/index.ts";
import { tcpAddress } from "../shared/target.ts";

/** Chunks that are kept when nobody reads, before the socket is paused: pausing and resuming for each would cost more. */
const READ_AHEAD_CHUNKS = 2;

/** Wraps a socket that is connected. Its data must not have been read by anybody else. */
export function connectionOfSocket(socket: Socket, addresses: SocketAddresses): FastCgiConnection {
  // Without it a small last record waits for the peer's delayed acknowledgement, 40 ms.
  socket.setNoDelay(true);
  return {
    readable: new ReadableStream(new SocketSource(socket), { highWaterMark: READ_AHEAD_CHUNKS }),
    writable: new WritableStream(new SocketSink(socket)),
    close() {
      socket.destroy();
    },
    ...addresses,
  };
}

/** The ends of a connection. */
export interface SocketAddresses {
  readonly remoteAddress?: ConnectionAddress;
  readonly localAddress?: ConnectionAddress;
}

/** The ends of a TCP socket; a socket of another kind has none. */
export function tcpAddresses({ remoteAddress, remotePort, localAddress, localPort }: Socket): SocketAddresses {
  const remote = tcpAddress(remoteAddress, remotePort);
  const local = tcpAddress(localAddress, localPort);
  if (remote === undefined) return {};
  return { remoteAddress: remote, ...(local !== undefined && { localAddress: local }) };
}

class SocketSource implements UnderlyingDefaultSource<Uint8Array> {
  readonly #socket: Socket;
  /** Whether the stream takes nothing any more. */
  #over = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const socket = this.#socket;
    socket.on("data", (chunk: Uint8Array) => {
      if (this.#over) return;
      // Not the Buffer itself: its slice() is no copy, and whoever reads the body of a Response knows no Buffer.
      controller.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      if (controller.desiredSize! <= 0) socket.pause();
    });
    socket.on("end", () => {
      if (this.#over) return;
      this.#over = true;
      controller.close();
    });
    socket.on("error", (error) => {
      if (this.#over) return;
      this.#over = true;
      controller.error(error);
    });
    socket.on("close", () => {
      if (this.#over) return;
      this.#over = true;
      // Without an end of file before it: destroyed, by us.
      controller.error(new Error("The socket was closed"));
    });
  }

  pull(): void {
    this.#socket.resume();
  }

  /** Nobody reads any more. The socket flows on, so that the peer's end of file is seen; what comes is dropped. */
  cancel(): void {
    this.#over = true;
    this.#socket.removeAllListeners("data");
    this.#socket.resume();
  }
}

class SocketSink implements UnderlyingSink<Uint8Array> {
  readonly #socket: Socket;
  #error: Error | null = null;
  #wake: (() => void) | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    const wake = (): void => this.#wake?.();
    socket.on("drain", wake);
    socket.on("close", wake);
    socket.on("error", (error) => {
      this.#error = error;
      wake();
    });
  }

  start(controller: WritableStreamDefaultController): void {
    // A peer that resets the connection is noticed also while nothing is written.
    this.#socket.on("error", (error) => controller.error(error));
  }

  /** Resolves when the kernel, or the socket's own buffer up to its high-water mark, has taken the bytes. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    this.#check();
    return this.#socket.write(chunk) ? undefined : this.#drained();
  }

  close(): Promise<void> {
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

  abort(): void {
    this.#socket.destroy();
  }

  async #drained(): Promise<void> {
    while (this.#socket.writableNeedDrain && !this.#socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#check();
  }

  #check(): void {
    if (this.#error !== null) throw this.#error;
    if (this.#socket.destroyed) throw new Error("The socket was closed");
  }
}
