// npm run processes -- <rounds> [--on node|bun|deno] [--at-once 1] [--ledger]: processes that start, close, take over and die on one path or
// port at the same moment, on each runtime or on one; several rounds at once, if asked. What was tried until Ctrl+C counts.
import { tryOut } from "./tried.mjs";

await tryOut("processes", "test/processes/main.ts", process.argv.slice(2));
