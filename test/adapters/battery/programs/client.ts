// The client of a runtime. Argument: its name. Reads operations, a line of JSON each, and prints an outcome for each.

import { createInterface } from "node:readline";
import { adapterOf, type RuntimeName } from "./adapter.ts";
import { operate } from "./operations.ts";

// Deno opens a file for the first of these, and panics if it can't.
process.once("SIGTERM", () => process.exit());
const adapter = await adapterOf(process.argv[2] as RuntimeName);
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await operate(adapter, JSON.parse(line))));
}
// Bun can't give up connecting, and would wait for it.
process.exit();
