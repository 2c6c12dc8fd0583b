// A php-fpm for the examples to talk to. A site of your own has one already: give its address in PHP_FPM.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer, type NetConnectOpts } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { requireProgram } from "../../scripts/setup.mjs";
import { temporaryFolder } from "./program.ts";

const READY_TIMEOUT = 10_000;

export interface PhpFpm {
  /** A path, or `host:port`. */
  address: string;
  stop(): Promise<void>;
}

/** Starts php-fpm with a few workers, as the current user and with files in a temporary folder. */
export async function startPhpFpm(listen: "unix" | "tcp"): Promise<PhpFpm> {
  if (process.env.PHP_FPM) return { address: process.env.PHP_FPM, stop: async () => {} };
  const program = requireProgram("php-fpm");
  const folder = temporaryFolder();
  const target: NetConnectOpts =
    listen === "unix" ? { path: join(folder, "php.sock") } : { host: "127.0.0.1", port: await freePort() };
  const address = "path" in target ? target.path : `${target.host}:${target.port}`;
  const isRoot = process.getuid?.() === 0;
  const config = join(folder, "php-fpm.conf");
  writeFileSync(
    config,
    `[global]
error_log = ${join(folder, "php-fpm.log")}
log_level = warning
[www]
listen = ${address}
${isRoot ? "user = root\ngroup = root\n" : ""}pm = static
pm.max_children = 4
`,
  );
  const args = [
    "--nodaemonize",
    "--force-stderr",
    "--fpm-config",
    config,
    ...(isRoot ? ["--allow-to-run-as-root"] : []),
  ];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(child, "exit");
  const kill = (): void => void child.kill();
  // Also when the example fails.
  process.once("exit", kill);
  for (const start = Date.now(); !(await answers(target)); await sleep(20)) {
    if (child.exitCode !== null) throw new Error(`Cannot start php-fpm: it ended with code ${child.exitCode}`);
    if (Date.now() - start > READY_TIMEOUT)
      throw new Error(`Cannot start php-fpm: not ready after ${READY_TIMEOUT} ms`);
  }
  const stop = async (): Promise<void> => {
    kill();
    await ended;
  };
  return { address, stop };
}

async function answers(target: NetConnectOpts): Promise<boolean> {
  const socket = connect(target);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Finds a free port, because php-fpm can't choose one. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
