// A whole adapter, for a runtime whose sockets only have callbacks: what CONTRIBUTING, "How to add a runtime", asks for, and no more.

import { type Connector, type FastCgiServer, SocketChannel, tcpAddress } from "../../../src/toolkit.ts";
import { type CallbackSocket, connect, listen } from "../../support/callback_runtime.ts";

export class CallbackChannel extends SocketChannel {
  readonly #socket: CallbackSocket;

  constructor(socket: CallbackSocket) {
    super({ remoteAddress: tcpAddress("::ffff:127.0.0.1", socket.peerPort) });
    this.#socket = socket;
    socket.onreadable = () => this.#read();
    socket.onwritable = () => this.drained();
    socket.onclose = (error) => (error === null ? this.peerClosed() : this.failed(error));
  }

  #read(): void {
    while (this.isReading) {
      const bytes = this.#socket.read();
      if (bytes === undefined) return;
      if (bytes === null) this.ended();
      else this.received(bytes);
    }
  }

  protected override startReading(): void {
    this.#read();
  }
  protected override resumeSocket(): void {
    this.#read();
  }
  override write(pieces: readonly Uint8Array[]): Promise<void> | undefined {
    return this.writeParts(pieces, (bytes) => this.#socket.write(bytes));
  }
  override async end(): Promise<void> {
    if (this.isOpen) this.#socket.shutdown();
  }
  protected override destroy(): void {
    this.#socket.close();
  }
}

/** Accepts the connections of web servers on a port. */
export function serveOn(port: number, server: FastCgiServer): AsyncDisposable {
  const stop = listen(port, (socket) => void server.serve(new CallbackChannel(socket)));
  const close = (): Promise<void> => {
    stop();
    return server.close();
  };
  return { [Symbol.asyncDispose]: close };
}

/** Opens connections to the application on a port. */
export const connectorTo = (port: number): Connector => ({
  connect: ({ signal }) =>
    new Promise((resolve, reject) => {
      const cancel = connect(port, (error, socket) => (error ? reject(error) : resolve(new CallbackChannel(socket!))));
      signal.addEventListener("abort", cancel, { once: true });
    }),
});
