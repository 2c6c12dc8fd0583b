// Starts and closes servers on a runtime, as soon as it is told or at a given time. Argument: its name. Reads operations, a line of JSON
// each, and prints an outcome for each.

import { createInterface } from "node:readline";
import { type Adapter, adapterOf, type RuntimeName } from "./adapter.ts";

/** What a racer does. */
export type RacerOperation =
  /** Serves and answers with `name`. */
  | { readonly do: "serve"; readonly at?: number; readonly name: string; readonly options: object }
  | { readonly do: "close"; readonly at?: number };

/** What came of it: `served`, or why not. */
export interface RacerOutcome {
  readonly served: boolean;
  readonly error?: string;
}

/** Runs operations one after the other. */
class Racer {
  readonly #adapter: Adapter;
  #server: Awaited<ReturnType<Adapter["serve"]>> | null = null;

  constructor(adapter: Adapter) {
    this.#adapter = adapter;
  }

  async run(operation: RacerOperation): Promise<RacerOutcome> {
    // Not asleep: processes that wait for the same moment have to wake up at the same moment.
    while (Date.now() < (operation.at ?? 0));
    if (operation.do === "close") {
      await this.#server?.close({ grace: 0 });
      this.#server = null;
      return { served: false };
    }
    const { name, options } = operation;
    try {
      this.#server = await this.#adapter.serve({ ...options, fetch: () => new Response(name) });
      return { served: true };
    } catch (error) {
      return { served: false, error: (error as Error).message };
    }
  }
}

const racer = new Racer(await adapterOf(process.argv[2] as RuntimeName));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await racer.run(JSON.parse(line))));
}
process.exit();
