// npm run soak -- <minutes> [--runtime node|bun|deno] [--ledger]: traffic of all kinds between a server and a client over real sockets,
// with faults. Says what came of the requests, and whether memory, descriptors and timers are the same at the start, in the middle and at
// the end.
import { tryOut } from "./tried.mjs";

await tryOut("soak", "test/soak/main.ts", process.argv.slice(2));
