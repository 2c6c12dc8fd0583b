// npm run fuzz -- <minutes> [--seed N] [--target name] [--path P] [--runtime node|bun|deno] [--ledger]: plays web servers and
// applications of every kind against the library, in memory, for the given time. A broken rule is printed with the line
// that replays it.
import { tryOut } from "./tried.mjs";

await tryOut("fuzz", "test/fuzz/main.ts", process.argv.slice(2));
