// Serves the application on a runtime until SIGTERM. Arguments: its name, and options of serve as JSON, with the grace of its close. Prints
// lines of JSON: the address or the error, and what is noticed.

import { adapterOf, type RuntimeName } from "./adapter.ts";
import { application, type Notice } from "./application.ts";

const [name, options] = process.argv.slice(2);
const print = (line: Notice): void => console.log(JSON.stringify(line));

try {
  const { serve } = await adapterOf(name as RuntimeName);
  const handler = application(print);
  const { grace, ...given } = JSON.parse(options!);
  const server = await serve({
    onError: (error) => print({ error: String(error) }),
    ...given,
    fetch: (request, context) =>
      new URL(request.url).pathname === "/status" ? Response.json(server.status) : handler(request, context),
  });
  print({ address: server.address ?? null });
  process.once("SIGTERM", async () => {
    await server.close({ grace });
    print({ closed: true });
  });
} catch (error) {
  print({ name: (error as Error).name, message: (error as Error).message });
}
