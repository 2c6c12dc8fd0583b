import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** In milliseconds: for what never comes. */
const PATIENCE = 60_000;

/** A TCP or Unix connection to send and read any bytes, well-formed or not. Text is sent as latin-1. */
export class RawConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #closed = false;
  #wake = (): void => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    const closed = (): void => {
      this.#closed = true;
      this.#wake();
    };
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket.on("error", () => {}); // A reset is one more way to close.
    socket.on("end", closed).on("close", closed);
  }

  static async open(
    target:
      | { readonly port: number; readonly host?: string; readonly localAddress?: string }
      | { readonly path: string },
  ): Promise<RawConnection> {
    // Half-open allowed: that the peer has stopped sending does not stop us.
    const socket = connect("path" in target ? target : { host: "127.0.0.1", ...target, allowHalfOpen: true });
    await once(socket, "connect");
    return new RawConnection(socket);
  }

  /** Everything received so far. */
  get received(): Buffer {
    return this.#received;
  }

  /** Whether the peer has ended or reset the connection. */
  get closed(): boolean {
    return this.#closed;
  }

  async write(data: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data, () => resolve());
    });
  }

  /** Waits until `enough` is true for what was received. Rejects when the peer closes before that. */
  async readUntil(enough: (received: Buffer) => boolean, timeout = PATIENCE): Promise<Buffer> {
    await this.#wait(() => enough(this.#received), timeout);
    if (!enough(this.#received)) throw new Error(`Cannot read on: closed by the peer after ${this.#quote()}`);
    return this.#received;
  }

  /** The head of an HTTP response: status line and headers. Later reads still see it. */
  async readHead(timeout?: number): Promise<string> {
    const received = await this.readUntil((bytes) => bytes.includes("\r\n\r\n"), timeout);
    return received.toString("latin1").split("\r\n\r\n", 1)[0] ?? "";
  }

  /** Everything until the peer closes. */
  async readToEnd(timeout = PATIENCE): Promise<Buffer> {
    await this.#wait(() => false, timeout);
    return this.#received;
  }

  /** Says that nothing more will be sent, and goes on reading. */
  end(): void {
    this.#socket.end();
  }

  /** Closes both directions without a reset. */
  close(): void {
    this.#socket.destroy();
  }

  /** Drops the connection with a TCP reset. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  async #wait(done: () => boolean, timeout: number): Promise<void> {
    const deadline = Date.now() + timeout;
    while (!done() && !this.#closed) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`Cannot read on: nothing more after ${timeout} ms and ${this.#quote()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #quote(): string {
    return `${this.#received.length} bytes: ${JSON.stringify(this.#received.subarray(0, 400).toString("latin1"))}`;
  }
}

/** Sends bytes on a new connection and reads until the server closes it: the request should say `Connection: close`. */
export async function rawExchange(port: number, data: string | Uint8Array, timeout?: number): Promise<string> {
  const connection = await RawConnection.open({ port });
  try {
    await connection.write(data);
    return (await connection.readToEnd(timeout)).toString("latin1");
  } finally {
    connection.close();
  }
}
