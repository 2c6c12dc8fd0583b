// A web server with the battery's application behind it.

import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CloseOptions, serve } from "../../../adapters/node/index.ts";
import { bundle } from "../bundle.ts";
import { createTemporaryDirectory } from "../temporary_directory.ts";
import { batteryApplication } from "./application.ts";
import { Control } from "./control.ts";
import { exampleText } from "./example_config.ts";
import { type RunningWebServer, startWebServer, type WebServer } from "./web_server.ts";

/** A web server with one of the examples, as a column of the matrix. */
export interface Setup {
  readonly server: WebServer;
  /** What the matrix calls it, if there are several with the same server. */
  readonly name?: string;
  /** A file below `examples/web-servers`. */
  readonly example: string;
  /** Whether the web server starts the application. */
  readonly spawns?: boolean;
  /** Changes the example, for what it does not show. */
  readonly edit?: (config: string) => string;
}

/** A web server that runs, and its application. */
export interface World extends RunningWebServer {
  readonly control: Control;
  /** Where the application listens, unless the web server starts it. */
  readonly socket: string;
  /** Ends the application alone, unless the web server starts it. */
  stopApplication(): Promise<void>;
}

/** Another application than the battery's: listens on a Unix socket. */
export type Listen = (socket: string) => Promise<{ close(options?: CloseOptions): Promise<void> }>;

/** Starts the application, unless the web server does, and the web server. */
export async function startSetup(setup: Setup, listen?: Listen): Promise<World> {
  const { server, example, spawns = false, edit } = setup;
  const control = new Control();
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    control.openAll();
    for (const step of stops.splice(0).reverse()) await step();
  };
  try {
    const folder = await createTemporaryDirectory("application");
    stops.push(() => folder.remove());
    await chmod(folder.path, 0o750); // Apache's workers come in as our group.
    const socket = join(folder.path, "app.sock");
    let program: string | undefined;
    let stopApplication = (): Promise<void> => Promise.resolve();
    if (spawns) {
      const listening = await control.listen(join(folder.path, "control.sock"));
      await chmod(join(folder.path, "control.sock"), 0o660);
      stops.push(() => listening.close());
      program = await writeProgram(folder.path);
    } else {
      const application = batteryApplication(control);
      const listener = await (listen?.(socket) ?? serve({ ...application, path: socket }));
      stopApplication = () => listener.close({ timeout: 1000 });
      stops.push(stopApplication);
    }
    const running = await startWebServer(server, {
      example,
      socket,
      ...(program !== undefined && { program }),
      ...(edit !== undefined && { edit }),
    });
    stops.push(() => running.stop());
    return { ...running, control, socket, stopApplication, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The example's start script for the battery's application. */
async function writeProgram(folder: string): Promise<string> {
  const file = await bundle("test/support/web_servers/spawned.ts", folder);
  const script = exampleText("app.fcgi")
    .replace("/usr/bin/node", process.execPath)
    .replace("/srv/app/app.js", `${file} ${join(folder, "control.sock")}`);
  const program = join(folder, "app.fcgi");
  await writeFile(program, script);
  await chmod(program, 0o750);
  return program;
}
