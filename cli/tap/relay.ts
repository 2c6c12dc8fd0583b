// Passes the bytes of a connection on, in both directions and unchanged, and tells a watcher of them. What the watcher does with them has no
// influence on what is passed: it is called before a piece is written, and what it throws is dropped. It is asked one thing: how to close.

import { type ByteChannel, type FastCgiConnection, fromStreams } from "../../src/toolkit.ts";
import type { Party } from "../wire/trace.ts";

/** What a relay tells. */
export interface RelayWatcher {
  onBytes(from: Party, bytes: Uint8Array): void;
  onEnd(from: Party): void;
  onBroken(from: Party, reason: string): void;
  /** Whether the application has answered all requests. */
  isAnswered(): boolean;
  /** Called once, when both connections are closed. */
  onClosed(): void;
}

const OTHER: Readonly<Record<Party, Party>> = { "web server": "application", application: "web server" };

/** Two connections as one. */
export class Relay {
  readonly #channels: Readonly<Record<Party, ByteChannel>>;
  readonly #flows: Readonly<Record<Party, Flow>>;
  readonly #watcher: RelayWatcher;
  #isBroken = false;
  #isClosed = false;

  constructor(webServer: FastCgiConnection, application: FastCgiConnection, watcher: RelayWatcher) {
    this.#watcher = watcher;
    this.#channels = { "web server": fromStreams(webServer), application: fromStreams(application) };
    const flow = (from: Party): Flow =>
      new Flow(this.#channels[from], this.#channels[OTHER[from]], {
        onBytes: (bytes) => watcher.onBytes(from, bytes),
        onEnd: () => watcher.onEnd(from),
        onPassedEnd: () => this.#passedEnd(),
        onBroken: (error) => this.#broken(from, error),
        onUnwritable: (error) => this.#broken(OTHER[from], error),
      });
    this.#flows = { "web server": flow("web server"), application: flow("application") };
    for (const party of ["web server", "application"] as const) this.#channels[party].start(this.#flows[party]);
  }

  /** Closes both connections, once both parties have what came so far. */
  async finish(): Promise<void> {
    const flows = Object.values(this.#flows);
    for (const flow of flows) await flow.written;
    const ends = Object.values(this.#channels).map((channel) => channel.end().catch(() => {}));
    for (const flow of flows) flow.stop();
    await Promise.all(ends);
    this.close();
  }

  /** Closes both connections at once. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const channel of Object.values(this.#channels)) channel.close();
    contain(() => this.#watcher.onClosed());
  }

  #passedEnd(): void {
    if (Object.values(this.#flows).every((flow) => flow.isOver)) this.close();
  }

  /** Breaks the other connection too, once it has what came before. */
  #broken(party: Party, error: unknown): void {
    if (this.#isClosed) return;
    if (this.#isBroken) {
      // Now both have.
      this.close();
      return;
    }
    this.#isBroken = true;
    const other = this.#channels[OTHER[party]];
    contain(() => this.#watcher.onBroken(party, error instanceof Error ? error.message : String(error)));
    if (party === "application" && this.#watcher.isAnswered()) {
      // It has answered early, and takes no more of the request. A reset would destroy what the web server has not read of the answer.
      this.#flows["web server"].drop();
      this.#flows.application.end();
      this.#passedEnd();
      return;
    }
    this.#flows[OTHER[party]].stop();
    void this.#flows[party].written.then(() => {
      other.reset?.(error);
      this.close();
    });
  }
}

/** What a flow tells. */
interface FlowEvents {
  onBytes(bytes: Uint8Array): void;
  onEnd(): void;
  /** The receiver has got everything, and the end. */
  onPassedEnd(): void;
  /** The sender's connection broke. */
  onBroken(error: unknown): void;
  /** The receiver's connection broke. */
  onUnwritable(error: unknown): void;
}

/** One direction: what comes from one channel is written to another one, which is waited for. */
class Flow {
  readonly #from: ByteChannel;
  readonly #to: ByteChannel;
  readonly #events: FlowEvents;
  /** Pieces that came during a pause. */
  #waiting: Uint8Array[] = [];
  #write: Promise<void> | null = null;
  #mode: "passing" | "stopped" | "dropping" = "passing";
  /** The end of what comes: not there, there, or with the receiver (or dropped with the rest). */
  #end: "ahead" | "come" | "passed" = "ahead";

  constructor(from: ByteChannel, to: ByteChannel, events: FlowEvents) {
    this.#from = from;
    this.#to = to;
    this.#events = events;
  }

  get isOver(): boolean {
    return this.#end === "passed";
  }

  /** Resolves when the receiver has taken everything that came so far, or is gone. */
  get written(): Promise<void> {
    return this.#write ?? Promise.resolve();
  }

  /** Passes nothing on any more. */
  stop(): void {
    this.#mode = "stopped";
    this.#waiting = [];
  }

  /** Reads to the end, and passes nothing on any more. */
  drop(): void {
    this.stop();
    this.#mode = "dropping";
    if (this.#end === "ahead") this.#from.resume();
    else this.#end = "passed";
  }

  onData(bytes: Uint8Array): void {
    if (this.#mode !== "passing") return;
    contain(() => this.#events.onBytes(bytes));
    this.#waiting.push(bytes);
    if (this.#write === null) this.#pass();
  }

  onEnd(): void {
    if (this.#mode === "dropping") {
      this.#end = "passed";
      this.#events.onPassedEnd();
    }
    if (this.#mode !== "passing") return;
    contain(() => this.#events.onEnd());
    this.end();
  }

  /** Passes an end on, behind what came before. */
  end(): void {
    if (this.#mode !== "passing" || this.#end !== "ahead") return;
    this.#end = "come";
    if (this.#write === null) this.#pass();
  }

  onError(error: unknown): void {
    this.#events.onBroken(error);
  }

  #pass(): void {
    let room: Promise<void> | undefined;
    try {
      const pieces = this.#waiting.splice(0);
      room = pieces.length === 0 ? undefined : this.#to.write(pieces);
    } catch (error) {
      this.#unwritable(error);
      return;
    }
    if (room !== undefined) {
      this.#from.pause();
      this.#write = room.then(
        () => {
          this.#write = null;
          this.#from.resume();
          this.#pass();
          return this.#write ?? undefined;
        },
        (error) => this.#unwritable(error),
      );
    } else if (this.#end === "come" && this.#mode === "passing") {
      this.#passEnd();
    }
  }

  #passEnd(): void {
    this.#write = this.#to.end().then(
      () => {
        this.#end = "passed";
        this.#events.onPassedEnd();
      },
      (error) => this.#unwritable(error),
    );
  }

  #unwritable(error: unknown): void {
    this.#write = null;
    if (this.#mode !== "passing") return;
    this.stop();
    this.#events.onUnwritable(error);
  }
}

function contain(call: () => void): void {
  try {
    call();
  } catch {
    // What is shown must not change what is passed.
  }
}
