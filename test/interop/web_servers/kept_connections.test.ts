// FastCGI has no way to say that a connection will take no more requests: what crosses its end is lost, and only nginx sends it again.
// So an application keeps what the web server keeps, however many requests that are.

import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { serve } from "../../../adapters/node/index.ts";
import { connectionsOpened } from "../../support/connections_opened.ts";
import { keepAsking } from "../../support/kept_clients.ts";
import { createTemporaryDirectory } from "../../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";
import { startWebServer } from "../../support/web_servers/web_server.ts";
import { wirings } from "../../support/web_servers/wirings.ts";

failOnUnhandledRejections();

const REQUESTS = 32_000;
/** Few, so that each carries thousands of requests. */
const CONNECTIONS = 8;

const keeping = wirings.filter(({ name }) =>
  ["nginx, kept, buffered", "Apache, kept, unbuffered", "HAProxy, shared", "HAProxy, kept"].includes(name),
);

it.each(keeping)(
  "no request of 32,000 is lost on the connections that a web server keeps, at the defaults: $name",
  { timeout: 600_000 },
  async ({ server, example, edit }) => {
    const folder = await createTemporaryDirectory("kept");
    onTestFinished(() => folder.remove());
    await chmod(folder.path, 0o750); // Apache's workers come in as our group.
    const socket = join(folder.path, "app.sock");
    const errors: unknown[] = [];
    const listener = await serve({
      path: socket,
      onError: (error) => void errors.push(error),
      fetch: ({ url }) => new Response(new URL(url).pathname),
    });
    onTestFinished(() => listener.close({ timeout: 1 }));
    const web = await startWebServer(server, { example, socket, ...(edit && { edit }) });
    onTestFinished(() => web.stop());
    let outcome: unknown;
    const opened = await connectionsOpened(async () => {
      const options = { requests: REQUESTS, connections: CONNECTIONS };
      outcome = await Promise.race([keepAsking(web.port, options, (id) => `/${id}`), web.died]);
    });
    expect(outcome).toEqual({ answered: REQUESTS, failures: [] });
    expect(errors).toEqual([]);
    // nginx keeps a connection for 1,000 requests. With fewer on each this would show nothing.
    expect(opened).toBeLessThan(REQUESTS / 100);
  },
);
