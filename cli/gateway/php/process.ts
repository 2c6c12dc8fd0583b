// One php-fpm, or php-cgi, with a socket of its own. It has a process group of its own: Ctrl+C in the terminal does not end it before the
// gateway does, and if its master is killed, its workers can be ended together.

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { FastCgiUnixConnector } from "../../../adapters/node/connect.ts";
import { printable } from "../../../adapters/shared/print.ts";
import type { Worker } from "../../serve/supervisor.ts";
import type { PhpProgram } from "./find.ts";
import type { Keeper } from "./keeper.ts";
import type { PhpUser } from "./user.ts";

export interface PhpOptions {
  readonly program: PhpProgram;
  readonly workers: number;
  readonly user: PhpUser | null;
  /** Settings of php.ini, for php-cgi: php-fpm gets them with each request. */
  readonly values: ReadonlyMap<string, string>;
  /** Resolves when the requests that run now have been answered, or have had time enough. */
  whenIdle(): Promise<void>;
  /** The private folder for its socket and its configuration. */
  readonly folder: string;
  readonly keeper: Keeper;
  /** Prints a line of its log. */
  report(line: string): void;
}

/** A PHP that was started. */
export interface PhpProcess extends Worker {
  readonly connector: FastCgiUnixConnector;
}

/** Milliseconds that PHP has to start: only what hangs takes so long. */
const START_TIMEOUT = 30_000;

/** The most characters of a line of its log. */
const MAX_MESSAGE = 8192;

let count = 0;

/** Starts PHP. */
export function startPhp(options: PhpOptions): PhpProcess {
  const { program, folder, keeper, report, whenIdle } = options;
  // A socket for each: the one before may still be in use.
  const own = join(folder, String(++count));
  // php-cgi lets every user connect to its socket.
  mkdirSync(own, { mode: 0o700 });
  const socket = join(own, "php.sock");
  const child = program.kind === "fpm" ? spawnFpm(options, own, socket) : spawnCgi(options, own, socket);
  const { pid } = child;
  const name = `php-${program.kind} ${pid}`;
  if (pid !== undefined) keeper.add(pid);
  const messageIn = logReader();
  createInterface(child.stderr!).on("line", (line) => {
    const text = messageIn(line);
    // Scripts write here as well, and what they write may be a client's.
    if (text !== null) report(`php-${program.kind}: ${printable(text, MAX_MESSAGE)}`);
  });
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => {
      // Workers that its master has left behind.
      killGroup(pid);
      if (pid !== undefined) keeper.delete(pid);
      rmSync(own, { recursive: true, force: true });
      resolve(signal ?? `code ${code}`);
    });
  });
  let isReady = false;
  const ready = untilAccepts(socket, name, exited).then(() => {
    isReady = true;
  });
  return {
    name,
    connector: FastCgiUnixConnector.phpFpm(socket),
    ready,
    exited,
    giveUp() {
      if (!isReady) killGroup(pid);
      return !isReady;
    },
    // Not before they have been answered: PHP would lose those that wait in the queue of its socket.
    close: () => void whenIdle().then(() => child.kill(program.kind === "fpm" ? "SIGQUIT" : "SIGTERM")),
    kill: () => killGroup(pid),
  };
}

function spawnFpm({ program, workers, user }: PhpOptions, own: string, socket: string): ChildProcess {
  const file = join(own, "php-fpm.conf");
  const settings: Readonly<Record<string, string>> = {
    listen: socket,
    ...(user !== null && { user: String(user.uid), group: String(user.gid) }),
    // A worker is started when there is a request for it, and ends when it was idle for a minute.
    pm: "ondemand",
    "pm.max_children": String(workers),
    "pm.process_idle_timeout": "60s",
    // What workers write to their standard error goes into the log, and scripts see the environment of the gateway.
    catch_workers_output: "yes",
    decorate_workers_output: "no",
    clear_env: "no",
    // Messages come with the answer (FCGI_STDERR), so that the gateway can say which request they belong to.
    "php_admin_value[error_log]": "",
    "php_admin_flag[log_errors]": "on",
    "php_admin_flag[fastcgi.logging]": "on",
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  writeFileSync(
    file,
    `[global]
error_log = ${join(own, "php-fpm.log")}
log_level = warning
daemonize = no
process_control_timeout = 5s
[gateway]
${lines.join("\n")}
`,
  );
  const root = user === null ? [] : ["--allow-to-run-as-root"];
  return spawn(program.path, ["--nodaemonize", "--force-stderr", "--fpm-config", file, ...root], STDIO);
}

function spawnCgi({ program, workers, user, values }: PhpOptions, own: string, socket: string): ChildProcess {
  // It makes the socket itself, as the user that it runs as.
  if (user !== null) {
    chownSync(own, user.uid, user.gid);
    chmodSync(join(own, ".."), 0o711);
  }
  const settings = new Map([["error_log", ""], ["log_errors", "1"], ["fastcgi.logging", "1"], ...values]);
  // PHP reads each as a line of php.ini, where a text in quotes has a backslash before a quote or a backslash.
  const args = [...settings].flatMap(([name, value]) => ["-d", `${name}="${value.replaceAll(/["\\]/g, "\\$&")}"`]);
  return spawn(program.path, [...args, "-b", socket], {
    ...STDIO,
    ...(user !== null && { uid: user.uid, gid: user.gid }),
    // Without a limit of requests, after which a child would end.
    env: { ...process.env, PHP_FCGI_CHILDREN: String(workers), PHP_FCGI_MAX_REQUESTS: "0" },
  });
}

const STDIO = { stdio: ["ignore", "ignore", "pipe"], detached: true } as const satisfies SpawnOptions;

async function untilAccepts(path: string, name: string, exited: Promise<string>): Promise<void> {
  let how: string | undefined;
  void exited.then((reason) => {
    how = reason;
  });
  const deadline = performance.now() + START_TIMEOUT;
  while (!(await accepts(path))) {
    if (how !== undefined) throw new Error(`${name} ended with ${how} before it accepted connections`);
    if (performance.now() > deadline)
      throw new Error(`${name} accepts no connections after ${START_TIMEOUT / 1000} seconds`);
    await sleep(20);
  }
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

/**
 * Makes a reader of the log's lines: a line without its time, or null for one that says nothing new. What scripts have PHP say comes with
 * the answer as well; an exception that is not caught has several lines, up to that which says where it was thrown.
 */
function logReader(): (line: string) => string | null {
  let isInException = false;
  return (line) => {
    const [, level, text] = /^\[[^\]]*\] ([A-Z]+): (.*)$/.exec(line) ?? [];
    if (level !== undefined) return level === "NOTICE" || level === "DEBUG" ? null : `${level.toLowerCase()}: ${text}`;
    if (line.startsWith("PHP message: ")) {
      isInException = /^PHP message: PHP [\w ]+: +Uncaught /.test(line);
      return null;
    }
    if (isInException) {
      isInException = !/^ +thrown in .* on line \d+$/.test(line);
      return null;
    }
    return line.trim() === "" ? null : line;
  };
}
