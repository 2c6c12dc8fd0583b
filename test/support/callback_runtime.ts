// An imaginary runtime, in memory, whose sockets only have callbacks and calls that never wait, as an event loop in C has them. Its sockets
// know no streams, no promises and no bytes that they keep for later: a socket that is full takes nothing.

/** Bytes that the system keeps of each direction. */
const CAPACITY = 64 * 1024;
/** Bytes that one read gives at most. */
const READ_BYTES = 16 * 1024;

/** A socket. Callbacks come in a turn of their own, never inside a call. */
export class CallbackSocket {
  /** There is something to read, or the peer's end. */
  onreadable: () => void = () => {};
  /** There is room again, after a write that took less than it was given. */
  onwritable: () => void = () => {};
  /** The peer has closed, and all that it sent has been read; or the connection broke. */
  onclose: (error: Error | null) => void = () => {};
  readonly peerPort: number;
  #peer!: CallbackSocket;
  #incoming: Uint8Array[] = [];
  #bytes = 0;
  #state: "open" | "shut down" | "closed" | "broken" = "open";
  #isFull = false;
  #hasToldClose = false;

  private constructor(peerPort: number) {
    this.peerPort = peerPort;
  }

  static pair(port: number): [CallbackSocket, CallbackSocket] {
    const [one, other] = [new CallbackSocket(port), new CallbackSocket(port + 1)];
    one.#peer = other;
    other.#peer = one;
    return [one, other];
  }

  /** What has come, undefined where nothing has, and null where the peer has ended and all of it was read. */
  read(): Uint8Array | null | undefined {
    if (this.#state === "closed" || this.#state === "broken") return undefined;
    const piece = this.#incoming.shift();
    if (piece === undefined) {
      this.#tellClose();
      return this.#peer.#state === "open" ? undefined : null;
    }
    const bytes = piece.subarray(0, READ_BYTES);
    if (piece.length > bytes.length) this.#incoming.unshift(piece.subarray(READ_BYTES));
    this.#bytes -= bytes.length;
    this.#peer.#tellRoom();
    return bytes;
  }

  /** How many bytes were taken: as many as there is room for. -1 where the connection is no longer there. */
  write(bytes: Uint8Array): number {
    if (this.#state !== "open" || this.#peer.#state === "closed") return -1;
    const room = Math.min(CAPACITY - this.#peer.#bytes, bytes.length);
    if (room < bytes.length) this.#isFull = true;
    if (room > 0) {
      this.#peer.#incoming.push(bytes.slice(0, room));
      this.#peer.#bytes += room;
      this.#peer.#tell(() => this.#peer.onreadable());
    }
    return room;
  }

  /** Ends what is sent. */
  shutdown(): void {
    if (this.#state !== "open") return;
    this.#state = "shut down";
    this.#peer.#tell(() => this.#peer.onreadable());
  }

  /** Closes both ways. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#peer.#tell(() => this.#peer.onreadable());
    this.#peer.#tellClose();
  }

  /** Breaks the connection, as a network does. */
  break(error: Error): void {
    for (const end of [this, this.#peer]) {
      end.#tell(() => {
        end.#state = "broken";
        end.onclose(error);
      });
    }
  }

  #tellRoom(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#tell(() => this.onwritable());
  }

  #tellClose(): void {
    if (this.#peer.#state !== "closed" || this.#incoming.length > 0 || this.#hasToldClose) return;
    this.#hasToldClose = true;
    this.#tell(() => this.onclose(null));
  }

  #tell(callback: () => void): void {
    setTimeout(() => {
      if (this.#state !== "closed" && this.#state !== "broken") callback();
    });
  }
}

const listeners = new Map<number, (socket: CallbackSocket) => void>();

/** Listens on a port. Returns what ends that. */
export function listen(port: number, onaccept: (socket: CallbackSocket) => void): () => void {
  listeners.set(port, onaccept);
  return () => listeners.delete(port);
}

/** Connects to a port. Returns what gives the attempt up. */
export function connect(port: number, onconnect: (error: Error | null, socket?: CallbackSocket) => void): () => void {
  const timer = setTimeout(() => {
    const accept = listeners.get(port);
    if (accept === undefined) {
      onconnect(new Error(`Nothing listens on port ${port}`));
      return;
    }
    const [ours, theirs] = CallbackSocket.pair(port);
    accept(theirs);
    onconnect(null, ours);
  });
  return () => clearTimeout(timer);
}
