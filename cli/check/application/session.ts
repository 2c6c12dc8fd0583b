// The application under check: how to reach it, what is known about it, and everything sent and received so far.

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Connector, FastCgiError } from "../../../adapters/node/index.ts";
import type { ConversationLog } from "../report/rule.ts";
import { Conversation } from "./conversation.ts";
import { type RequestOptions, type RequestShape, requestRecords } from "./request.ts";

/** How an application is checked. */
export interface ApplicationCheckOptions extends RequestOptions {
  readonly connector: Connector;
  /** Milliseconds for every answer. */
  readonly timeout: number;
  /** Whether to leave out the rules that are risky. */
  readonly isSafe: boolean;
}

/** The name of the variable that shows whether variables arrive. */
export const CHECK_PARAM = "FETCHCGI_CHECK";

/** A random text that is on no page by chance. */
export function token(): string {
  return `x${randomBytes(12).toString("hex")}`;
}

/** Milliseconds between two attempts to reach an application that is gone. */
const POLL_INTERVAL = 100;

const GONE = "the application is gone: nothing listens there any more";

/** One check of an application. */
export class Session {
  readonly options: ApplicationCheckOptions;
  readonly #journal: Conversation[] = [];
  #current: Conversation[] = [];
  /** Whether the page shows its variables. */
  showsParams = false;
  /** Whether the other page sends back the body. */
  sendsBodyBack = false;
  /** The statuses of usual answers. */
  readonly usualStatus = { GET: 200, POST: 200 };
  /** The application's answer to FCGI_GET_VALUES; null if there was none. */
  values: ReadonlyMap<string, string> | null = null;

  constructor(options: ApplicationCheckOptions) {
    this.options = options;
  }

  /** Connections on which usual requests were sent. */
  get usualConversations(): readonly Conversation[] {
    return this.#journal.filter((conversation) => !conversation.isOdd);
  }

  /** All connections so far. */
  get conversations(): readonly Conversation[] {
    return this.#journal;
  }

  /** Opens a connection. `isOdd`: for invalid requests, whose answers are not compared with usual ones. */
  async open(isOdd = false): Promise<Conversation> {
    const { connector, timeout } = this.options;
    const connection = await connector.connect({ signal: AbortSignal.timeout(timeout) });
    const conversation = new Conversation(connection, { timeout, isOdd });
    this.#journal.push(conversation);
    this.#current.push(conversation);
    return conversation;
  }

  /** Sends a usual request on a connection of its own and waits for its end. */
  async request(shape: RequestShape = {}): Promise<Conversation> {
    const conversation = await this.open();
    await conversation.send(...requestRecords(this.options, shape));
    await conversation.untilEnd(shape.id ?? 1);
    return conversation;
  }

  /** Closes the connections that the last rule opened, and returns their traffic. */
  take(): ConversationLog[] {
    const logs = this.#current.map((conversation) => conversation.log());
    for (const conversation of this.#current) conversation.close();
    this.#current = [];
    return logs;
  }

  /** Why the application does not answer the next request, or null. */
  async complaint(): Promise<string | null> {
    const { complaint, isEnding } = await this.#ask();
    if (!isEnding) return complaint;
    // The operating system accepts connections for a process that is ending, until the process is gone. So this asks
    // again until the address refuses a connection, or the application answers again. An application may also close
    // connections for another reason.
    let isGone = false;
    await this.#poll(async () => {
      const next = await this.#ask();
      isGone = next.complaint === GONE;
      return !next.isEnding;
    });
    return isGone ? GONE : complaint;
  }

  /** Waits until the application is started again. Resolves with false if the time is over before. */
  returns(): Promise<boolean> {
    return this.#poll(async () => (await this.#ask()).complaint === null);
  }

  /** Sends a usual request. `isEnding`: the application closed the connection without an answer. */
  async #ask(): Promise<{ complaint: string | null; isEnding: boolean }> {
    try {
      const conversation = await this.request();
      if (conversation.end(1) !== null) return { complaint: null, isEnding: false };
      return {
        complaint: `the next request is not answered: ${conversation.silence}`,
        isEnding: conversation.isClosed,
      };
    } catch (error) {
      if (!(error instanceof FastCgiError)) throw error;
      return { complaint: GONE, isEnding: false };
    } finally {
      this.take();
    }
  }

  /** Asks again and again until the answer is yes, or the time for an answer is over. */
  async #poll(isTrue: () => Promise<boolean>): Promise<boolean> {
    const deadline = performance.now() + this.options.timeout;
    while (!(await isTrue())) {
      if (performance.now() >= deadline) return false;
      await sleep(POLL_INTERVAL);
    }
    return true;
  }
}
