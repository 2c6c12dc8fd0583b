// Starts and closes servers on a runtime, as soon as it is told or at a given time. Argument: its name. Reads operations, a line of JSON
// each, and prints an outcome for each.

import { createInterface } from "node:readline";
import { type Adapter, adapterOf, type RuntimeName } from "./adapter.ts";

/** What a racer does. */
export type RacerOperation =
  /** Serves and answers with `name`. */
  | { readonly do: "serve"; readonly at?: number; readonly name: string; readonly options: object }
  /** Closes: at once, or by what `close` does with these options. */
  | { readonly do: "close"; readonly at?: number; readonly options?: object }
  /** Closes when SIGTERM comes, or has come. */
  | { readonly do: "leave"; readonly at?: number }
  /** Sets the wall clock of the process forward by so many milliseconds, or back. */
  | { readonly do: "step"; readonly at?: number; readonly by: number };

/**
 * For a client that has connected and is not given the processor before it can write. It has more time than by default, because no request
 * may be lost on a busy machine either. Nothing waits for it: the clients keep no connection.
 */
const GRACE = 60_000;

/** The longest wait for a given time, in milliseconds: the clock of the machine may be set back in between. */
const MAX_WAIT = 1000;

const WallClock = Date;
let ahead = 0;
globalThis.Date = new Proxy(WallClock, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [target.now() + ahead] : args, newTarget),
  get: (target, name) => (name === "now" ? () => target.now() + ahead : Reflect.get(target, name)),
});

/**
 * What came of it: `served`, or why not; and of a server that is closed, how many requests it has had since it was started, what its
 * `onError` was told, and what a client was told that connected to its port right after that.
 */
export interface RacerOutcome {
  readonly served: boolean;
  readonly error?: string;
  readonly calls?: number;
  readonly told?: readonly string[];
  readonly after?: string;
}

/** Runs operations one after the other. */
class Racer {
  readonly #adapter: Adapter;
  #calls = 0;
  #told: string[] = [];
  #server: Awaited<ReturnType<Adapter["serve"]>> | null = null;
  #isTold = false;
  #onTold = (): void => {};

  constructor(adapter: Adapter) {
    this.#adapter = adapter;
  }

  async run(operation: RacerOperation): Promise<RacerOutcome> {
    // Not asleep: processes that wait for the same moment have to wake up at the same moment.
    const start = performance.now();
    while (WallClock.now() < (operation.at ?? 0) && performance.now() - start < MAX_WAIT);
    if (operation.do === "step") {
      ahead += operation.by;
      return { served: this.#server !== null };
    }
    if (operation.do === "leave") {
      if (!this.#isTold) {
        await new Promise<void>((resolve) => {
          this.#onTold = resolve;
        });
      }
      this.#isTold = false;
      return this.#close({ grace: GRACE });
    }
    if (operation.do === "close") return this.#close(operation.options ?? { grace: 0 });
    const { name, options } = operation;
    this.#calls = 0;
    this.#told = [];
    const onError = (error: unknown): void => {
      this.#told.push(String(error));
      console.error(error);
    };
    const fetch = async (): Promise<Response> => {
      const number = ++this.#calls;
      // Some take longer, so that the process works on them when it is told to leave or dies.
      if (number % 2 > 0) await new Promise((resolve) => setTimeout(resolve, number % 5));
      return new Response(name);
    };
    try {
      this.#server = await this.#adapter.serve({ ...options, onError, fetch });
      return { served: true };
    } catch (error) {
      return { served: false, error: (error as Error).message };
    }
  }

  /** SIGTERM has come. */
  tell(): void {
    this.#isTold = true;
    // At once, as a process does that is told to leave.
    void this.#close({ grace: GRACE });
    this.#onTold();
  }

  async #close(options: object): Promise<RacerOutcome> {
    const address = this.#server?.address;
    await this.#server?.close(options);
    const after = address !== undefined && "port" in address ? await this.#connect(address) : undefined;
    this.#server = null;
    return { served: false, calls: this.#calls, told: this.#told, ...(after !== undefined && { after }) };
  }

  async #connect(address: { readonly hostname: string; readonly port: number }): Promise<string> {
    try {
      const connector = new this.#adapter.FastCgiTcpConnector(address);
      const connection = await connector.connect({ signal: AbortSignal.timeout(MAX_WAIT) });
      await connection.close();
      return "connected";
    } catch (error) {
      return String(error);
    }
  }
}

const racer = new Racer(await adapterOf(process.argv[2] as RuntimeName));
process.on("SIGTERM", () => racer.tell());
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await racer.run(JSON.parse(line))));
}
process.exit();
