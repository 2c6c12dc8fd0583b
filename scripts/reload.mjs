// npm run reload -- [rounds] [--on node|bun|deno] [--rate REQUESTS_PER_SECOND] [--ledger]: `fetchcgi serve` behind nginx under load, whose
// workers are killed and replaced. Says how many requests were lost.
import { tryOut } from "./tried.mjs";

await tryOut("reload", "test/reload/main.ts", process.argv.slice(2));
