// What a test and the application behind a web server tell each other past that server: what has happened, and that something
// may go on. Nothing then depends on time. An application that a web server starts is another process, so it talks over a socket.

import { connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { deferred } from "../open_stream.ts";

type Deferred<Value> = ReturnType<typeof deferred<Value>>;

/** The application's side. */
export interface Stage {
  /** Tells that something happened. */
  tell(event: string, detail?: string): void;
  /** Waits until the test opens the gate. */
  gate(name: string): Promise<void>;
}

/** The test's side, and the stage of an application in the same process. */
export class Control implements Stage {
  readonly #events = new Map<string, Deferred<string>>();
  readonly #gates = new Map<string, Deferred<void>>();
  readonly #opened: string[] = [];
  readonly #remote = new Set<Socket>();
  #keys = 0;

  /** A name that no other test uses. */
  key(): string {
    return `k${++this.#keys}`;
  }

  /** Resolves to the detail once the application has told of the event. */
  happened(event: string): Promise<string> {
    return entry(this.#events, event).promise;
  }

  /** Opens a gate. */
  open(name: string): void {
    entry(this.#gates, name).resolve();
    this.#opened.push(name);
    for (const socket of this.#remote) socket.write(`${JSON.stringify({ open: name })}\n`);
  }

  /** Opens every gate, so that no handler waits any more: a server that closes waits for them. */
  openAll(): void {
    for (const name of this.#gates.keys()) this.open(name);
  }

  tell(event: string, detail = ""): void {
    entry(this.#events, event).resolve(detail);
  }

  gate(name: string): Promise<void> {
    return entry(this.#gates, name).promise;
  }

  /** Lets applications in other processes join. Closing ends them. */
  async listen(path: string): Promise<{ close(): Promise<void> }> {
    const server: Server = createServer((socket) => {
      this.#remote.add(socket);
      socket.on("error", () => {}).on("close", () => this.#remote.delete(socket));
      for (const name of this.#opened) socket.write(`${JSON.stringify({ open: name })}\n`);
      createInterface({ input: socket }).on("line", (line) => {
        const { event, detail } = JSON.parse(line);
        this.tell(event, detail);
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return {
      close: () =>
        new Promise((resolve) => {
          server.close(() => resolve());
          for (const socket of this.#remote) socket.destroy();
        }),
    };
  }
}

/** The stage of an application that a web server has started. The process ends with the test. */
export function remoteStage(path: string): Stage {
  const gates = new Map<string, Deferred<void>>();
  const socket = connect(path);
  socket.on("error", () => {}).on("close", () => process.exit());
  createInterface({ input: socket }).on("line", (line) => entry(gates, JSON.parse(line).open).resolve());
  return {
    tell: (event, detail) => void socket.write(`${JSON.stringify({ event, detail })}\n`),
    gate: (name) => entry(gates, name).promise,
  };
}

function entry<T>(entries: Map<string, Deferred<T>>, name: string): Deferred<T> {
  let found = entries.get(name);
  if (found === undefined) {
    found = deferred<T>();
    entries.set(name, found);
  }
  return found;
}
