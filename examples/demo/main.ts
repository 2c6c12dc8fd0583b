// The program behind `npm start`: a FastCGI application, and an HTTP front that calls it, in one process.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { FastCgiHttpClient, FastCgiUnixConnector, serve } from "fetchcgi/node";
import { type Server, serve as serveHttp } from "srvx";
import { createApp } from "./app.ts";
import { createFront } from "./front.ts";
import { RecordTap } from "./tap.ts";

const DEFAULT_PORT = 3000;

/** Starts both halves. Resolves with the URL, and with a function that stops them. */
async function start(port: number | undefined): Promise<{ url: string; stop: () => Promise<void> }> {
  const undo: (() => Promise<void> | void)[] = [];
  // Stopped in reverse order: the front before the application that it calls.
  const stop = async (): Promise<void> => {
    for (const step of undo.reverse()) await step();
  };
  try {
    // Only this user can enter the folder, so no other user can reach the application without the front.
    const folder = await mkdtemp(join(tmpdir(), "fetchcgi-demo-"));
    undo.push(() => rm(folder, { recursive: true, force: true }));

    const path = join(folder, "app.sock");
    const tap = new RecordTap(new FastCgiUnixConnector(path));
    const application = await serve({ path, fetch: createApp(tap.exchanges) });
    undo.push(() => application.close({ timeout: 2000 }));

    const client = new FastCgiHttpClient(tap, { keepAlive: true });
    undo.push(() => client.close());

    const front = await listen(createFront(client, tap.exchanges), port);
    // Closed at once, because a browser that watches the ticks would never leave by itself.
    undo.push(() => front.close(true));
    return { url: front.url!, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Listens on `port`. Without one, listens on the usual port, or on any free port if that one is taken. */
async function listen(fetch: ReturnType<typeof createFront>, port: number | undefined): Promise<Server> {
  const options = { fetch, hostname: "127.0.0.1", silent: true, gracefulShutdown: false };
  try {
    return await serveHttp({ ...options, port: port ?? DEFAULT_PORT }).ready();
  } catch (error) {
    if (port !== undefined || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return serveHttp({ ...options, port: 0 }).ready();
  }
}

/** `--port`, else the environment variable PORT, else undefined. */
function readPort(): number | undefined {
  const { values } = parseArgs({ options: { port: { type: "string" } } });
  const port = values.port ?? process.env.PORT;
  if (port === undefined || port === "") return undefined;
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) > 65_535)
    throw new Error(`Cannot listen on port ${port}: no such port`);
  return Number(port);
}

try {
  const { url, stop } = await start(readPort());
  console.log(`fetchcgi demo: ${url}  (Ctrl+C stops it)`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    // `once`, so that a second signal ends a program that hangs.
    process.once(signal, async () => {
      await stop();
      console.log("Stopped");
    });
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
