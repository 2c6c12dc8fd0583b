// Sends requests from a runtime. Arguments: its name, and checks as JSON. Prints the outcomes as JSON.

import { adapterOf, type RuntimeName } from "./adapter.ts";
import { type Check, check, type Outcome } from "./client_checks.ts";

const [name, checks] = process.argv.slice(2);
const adapter = await adapterOf(name as RuntimeName);
const outcomes: Outcome[] = [];
for (const one of JSON.parse(checks!) as Check[]) outcomes.push(await check(adapter, one));
console.log(JSON.stringify(outcomes));
// Bun can't give up connecting, and would wait for it.
process.exit();
