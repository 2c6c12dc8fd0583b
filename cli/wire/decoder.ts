import { Conversation } from "./conversation.ts";
import type { Exchange, WireOptions } from "./exchange.ts";
import type { Report } from "./report.ts";
import type { Sides, TraceEvent } from "./trace.ts";

/** Makes reports of a trace, for all its connections. */
export class TraceDecoder {
  readonly #options: WireOptions;
  readonly #sides: Sides;
  readonly #onReport: (report: Report) => void;
  readonly #conversations = new Map<number, Conversation>();
  #requests = 0;

  constructor(options: WireOptions, sides: Sides, onReport: (report: Report) => void) {
    this.#options = options;
    this.#sides = sides;
    this.#onReport = onReport;
  }

  /** Requests that are not over. */
  *active(): Iterable<Exchange> {
    for (const conversation of this.#conversations.values()) yield* conversation.active;
  }

  /** Whether a connection can be closed without harm to a request. */
  isIdle(connection: number): boolean {
    return this.#conversations.get(connection)?.isIdle ?? true;
  }

  /** Whether the application has answered all requests of a connection. */
  isAnswered(connection: number): boolean {
    return this.#conversations.get(connection)?.isAnswered ?? false;
  }

  take(event: TraceEvent): void {
    const { connection, time } = event;
    let conversation = this.#conversations.get(connection);
    if (conversation === undefined) {
      conversation = new Conversation({ connection, time }, this.#sides, this.#options, {
        next: () => ++this.#requests,
        onConnection: this.#onReport,
        onRecord: this.#onReport,
        onExchange: this.#onReport,
      });
      this.#conversations.set(connection, conversation);
    }
    conversation.take(event);
    if (event.what === "closed") this.#conversations.delete(connection);
  }

  /** The trace ends here. */
  end(time: number): void {
    for (const conversation of this.#conversations.values()) conversation.close(time);
    this.#conversations.clear();
  }
}
