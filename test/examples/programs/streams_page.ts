// A page that reports what it gets over examples/streams.

import { askInMemory } from "./streams_in_memory.ts";

const result = await askInMemory().catch((error: unknown) => ({ error: String(error) }));
await fetch("/result", { method: "POST", body: JSON.stringify(result) });
