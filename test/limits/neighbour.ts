import type { FastCgiHttpClient } from "../../src/index.ts";

/** How calls beside a flood went. */
export interface Beside {
  readonly answers: number;
  /** Milliseconds of the slowest answer. */
  readonly slowest: number;
}

/** The same in whole milliseconds, and nothing else. */
export function figuresOf({ answers, slowest }: Beside): Beside {
  return { answers, slowest: Math.round(slowest) };
}

/** Asks one thing again and again, beside what else is done to a server or a client. */
export class Neighbour implements Beside {
  readonly #client: FastCgiHttpClient;
  readonly #path: string;
  readonly #running: Promise<void>;
  #isOver = false;
  #hasFailed = false;
  answers = 0;
  slowest = 0;

  private constructor(client: FastCgiHttpClient, path: string) {
    this.#client = client;
    this.#path = path;
    this.#running = this.#goOn();
    this.#running.catch(() => {
      this.#hasFailed = true;
    });
  }

  /**
   * Resolves when the first answer has come, which does not count: it needs a connection.
   *
   * @param path What the application answers with "answered" and this path.
   */
  static async start(client: FastCgiHttpClient, path: string): Promise<Neighbour> {
    const neighbour = new Neighbour(client, path);
    await neighbour.more(1);
    neighbour.answers = 0;
    neighbour.slowest = 0;
    return neighbour;
  }

  /** Waits for so many more answers. */
  async more(count: number): Promise<void> {
    for (const enough = this.answers + count; this.answers < enough; ) await this.pause();
  }

  /** Waits a millisecond. Rejects once an answer is wrong or does not come: then there are no more. */
  async pause(): Promise<void> {
    await moment();
    if (this.#hasFailed) await this.#running;
  }

  /** Waits for the last answer. Rejects if an answer was wrong or did not come. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  /** The same, and closes the client. */
  async leave(): Promise<void> {
    try {
      await this.stop();
    } finally {
      await this.#client.close();
    }
  }

  async #goOn(): Promise<void> {
    const expected = `answered ${this.#path}`;
    while (!this.#isOver) {
      const start = performance.now();
      const text = await (await this.#client.fetch(`http://a.test${this.#path}`)).text();
      if (text !== expected) throw new Error(`Expected ${JSON.stringify(expected)}, got ${JSON.stringify(text)}`);
      this.slowest = Math.max(this.slowest, performance.now() - start);
      this.answers++;
      await moment();
    }
  }
}

/** A millisecond, in which others go on. */
function moment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
