// Starts and closes servers on a runtime, as soon as it is told or at a given time. Argument: its name. Reads operations, a line of JSON
// each, and prints an outcome for each.

import { createInterface } from "node:readline";
import { type Adapter, adapterOf, type RuntimeName } from "./adapter.ts";

/** What a racer does. */
export type RacerOperation =
  /** Serves and answers with `name`. */
  | { readonly do: "serve"; readonly at?: number; readonly name: string; readonly options: object }
  /** Closes: at once, or by what `close` does with these options. */
  | { readonly do: "close"; readonly at?: number; readonly options?: object };

/** What came of it: `served`, or why not; and how many requests the server has had since it was started. */
export interface RacerOutcome {
  readonly served: boolean;
  readonly error?: string;
  readonly calls?: number;
}

/** Runs operations one after the other. */
class Racer {
  readonly #adapter: Adapter;
  #calls = 0;
  #server: Awaited<ReturnType<Adapter["serve"]>> | null = null;

  constructor(adapter: Adapter) {
    this.#adapter = adapter;
  }

  async run(operation: RacerOperation): Promise<RacerOutcome> {
    // Not asleep: processes that wait for the same moment have to wake up at the same moment.
    while (Date.now() < (operation.at ?? 0));
    if (operation.do === "close") {
      await this.#server?.close(operation.options ?? { grace: 0 });
      this.#server = null;
      return { served: false, calls: this.#calls };
    }
    const { name, options } = operation;
    this.#calls = 0;
    const fetch = (): Response => {
      this.#calls++;
      return new Response(name);
    };
    try {
      this.#server = await this.#adapter.serve({ ...options, fetch });
      return { served: true };
    } catch (error) {
      return { served: false, error: (error as Error).message };
    }
  }
}

const racer = new Racer(await adapterOf(process.argv[2] as RuntimeName));
// As a process that is told to leave. What comes with the next operation waits for the same end.
process.on("SIGTERM", () => void racer.run({ do: "close", options: {} }));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await racer.run(JSON.parse(line))));
}
process.exit();
