import type { StreamConnection } from "../../src/toolkit.ts";

/** One direction of a connection: what is written can be read, one chunk waits at most. */
function pipe(): {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
  break(error: Error): void;
} {
  let controller!: TransformStreamDefaultController<Uint8Array>;
  let ended = false;
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
    start(given) {
      controller = given;
    },
    flush() {
      ended = true;
    },
  });
  const breakOff = (error: Error): void => {
    // What was written and ended before is delivered, as a socket does it.
    if (!ended) controller.error(error);
  };
  return { readable, writable, break: breakOff };
}

/** A connection of streams that a test can look at. */
export interface MemoryConnection extends StreamConnection {
  /** Whether this end was closed. */
  readonly isClosed: boolean;
}

/** The two ends of a connection in memory, with back-pressure. Closing one end breaks both directions, as a reset does. */
export function connectionPair(): [web: MemoryConnection, application: MemoryConnection] {
  const there = pipe();
  const back = pipe();
  const end = (incoming: typeof there, outgoing: typeof there): MemoryConnection => {
    let isClosed = false;
    return {
      readable: incoming.readable,
      writable: outgoing.writable,
      get isClosed() {
        return isClosed;
      },
      close() {
        if (isClosed) return;
        isClosed = true;
        incoming.break(new Error("The connection was closed"));
        outgoing.break(new Error("The connection was closed"));
      },
    };
  };
  return [end(back, there), end(there, back)];
}
