// npm run limits [-- --on node|bun|deno] [--only text] [--part 1/4] [--mib 64] [--connections 10000] [--ledger]: floods towards a server and
// a client until each limit, and many connections at once, on each runtime or on one; with the memory of the process, and neighbours that
// go on. --only chooses the floods whose name has the text, and --part a part of those.
import { tryOut } from "./tried.mjs";

await tryOut("limits", "test/limits/main.ts", process.argv.slice(2));
