// npm run races -- <depth> [--minutes N] [--seed N] [--world name] [--order TEXT] [--runtime node|bun|deno] [--ledger]: runs the same
// operations of writer, server and client in every order up to a depth, and then longer orders at random for the given time. A broken rule
// is printed with the order that replays it.
import { tryOut } from "./tried.mjs";

await tryOut("races", "test/races/main.ts", process.argv.slice(2));
