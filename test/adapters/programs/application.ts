// Serves with the options that the first argument has as JSON, until SIGTERM. Prints the address, or the error.

import { serve } from "../../../adapters/node/index.ts";

try {
  const server = await serve({
    ...JSON.parse(process.argv[2]!),
    fetch: (request) => new Response(`answered ${new URL(request.url).pathname}`),
  });
  console.log(JSON.stringify({ address: server.address ?? null }));
  process.once("SIGTERM", () => void server.close());
} catch (error) {
  console.log(JSON.stringify({ error: (error as Error).message }));
}
