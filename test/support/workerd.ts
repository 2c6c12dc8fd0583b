import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import { requireRuntime } from "../../scripts/setup.mjs";
import { ALIASES } from "./bundle.ts";
import { freePort } from "./free_port.ts";
import { startProcess } from "./process.ts";
import type { RuntimeClient } from "./runtimes.ts";
import { createTemporaryDirectory } from "./temporary_directory.ts";

/** The client in a Worker, where each operation is a request to it. */
export interface Worker extends RuntimeClient {
  /** What comes of a call of serve: the error, as Workers can't listen. */
  serve(): Promise<string>;
}

/** Bundles the battery's worker.ts without anything of Node, and starts it in workerd. */
export async function startWorker(): Promise<Worker> {
  const workerd = await startWorkerd("test/adapters/battery/programs/worker.ts");
  const ask = async (init?: RequestInit): Promise<unknown> => {
    const response = await fetch(workerd.url, init);
    if (!response.ok) throw new Error(`The Worker answered ${response.status}: ${await response.text()}`);
    return response.json();
  };
  return {
    pid: workerd.pid,
    serve: () => ask() as Promise<string>,
    run: (operation) => ask({ method: "POST", body: JSON.stringify(operation) }) as ReturnType<Worker["run"]>,
    stop: workerd.stop,
  };
}

/**
 * Bundles a Worker, named from the top of the project, without anything of Node, and starts it in workerd.
 *
 * @param variables What the Worker gets in its environment.
 * @param path Where it answers with success when it is ready.
 */
export async function startWorkerd(
  program: string,
  variables: Readonly<Record<string, string>> = {},
  path = "/",
): Promise<{ url: string; pid: number; stop(): Promise<void> }> {
  const command = requireRuntime("workerd");
  const directory = await createTemporaryDirectory("workerd");
  await build({
    entry: { worker: fileURLToPath(new URL(`../../${program}`, import.meta.url)) },
    outDir: directory.path,
    config: false,
    silent: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    external: ["cloudflare:sockets"],
    esbuildOptions(options) {
      options.alias = ALIASES;
    },
  });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const configuration = join(directory.path, "config.capnp");
  await writeFile(configuration, configurationOf(port, variables));
  const workerd = await startProcess(command, {
    name: "workerd",
    args: ["serve", configuration],
    ready: () => answers(new URL(path, url)),
  });
  return {
    url,
    pid: workerd.pid,
    async stop() {
      await workerd.stop();
      await directory.remove();
    },
  };
}

async function answers(url: URL): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

/** One Worker, without compatibility with Node, that may connect to this machine. */
function configurationOf(port: number, variables: Readonly<Record<string, string>>): string {
  const texts = Object.entries(variables).map(
    ([name, text]) => `, (name = ${JSON.stringify(name)}, text = ${JSON.stringify(text)})`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "internet", network = (allow = ["public", "private", "local"], tlsOptions = (trustBrowserCas = true)))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2025-01-01",
  bindings = [(name = "NETWORK", service = "internet")${texts.join("")}],
);
`;
}
