// A Worker that answers with what it gets over examples/streams.

import { askInMemory } from "./streams_in_memory.ts";

export default {
  fetch: async (): Promise<Response> => Response.json(await askInMemory()),
};
