// What starts applications, run as examples/process-managers says. lighttpd and mod_fcgid are in web_servers.

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { FastCgiHttpClient, FastCgiUnixConnector } from "../../adapters/node/index.ts";
import { requireProgram } from "../../scripts/setup.mjs";
import { bundle } from "../support/bundle.ts";
import { guardAgainstLoss, unguard } from "../support/guard.ts";
import { type Load, startLoad } from "../support/load.ts";
import { startProcess, waitUntil } from "../support/process.ts";
import { childrenOf, isRunning, killTree } from "../support/process_tree.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const run = promisify(execFile);
const examples = fileURLToPath(new URL("../../examples/process-managers", import.meta.url));
let folder: TemporaryDirectory;
let program: string;
/** Where the examples listen, in a folder of the test. */
let socket: string;

beforeEach(async () => {
  folder = await createTemporaryDirectory("managed");
  program = await bundle("examples/process-managers/app.ts", folder.path);
  socket = join(folder.path, "app.sock");
});

afterEach(() => folder.remove());

/** The text of an example, with nothing replaced but the places. */
function exampleText(name: string): string {
  const text = readFileSync(join(examples, name), "utf8");
  return text
    .replaceAll("/usr/bin/multiwatch", () => requireProgram("multiwatch"))
    .replaceAll("/usr/bin/node", process.execPath)
    .replaceAll("/srv/app/app.js", program)
    .replaceAll("/run/app", folder.path);
}

/** Writes an example into the folder; returns its path. */
async function place(name: string): Promise<string> {
  const file = join(folder.path, name.replace("systemd/", ""));
  await writeFile(file, exampleText(name));
  return file;
}

/** Asks the application, without a second try; returns which process answered. */
async function whoAnswers(): Promise<string> {
  const client = new FastCgiHttpClient(new FastCgiUnixConnector(socket), { maxConnectRetries: 0 });
  const response = await client.fetch("http://localhost/");
  const [, pid] = /^Hello from process (\d+)\n$/.exec(await response.text()) ?? [];
  if (response.status !== 200 || pid === undefined) throw new Error(`answered ${response.status}`);
  return pid;
}

/** Asks all the time, until the test is over. */
function load(): Load {
  const started = startLoad(200, whoAnswers);
  onTestFinished(() => started.stop());
  return started;
}

describe("spawn-fcgi", () => {
  /** Runs the script; returns the processes that it has started. */
  async function spawnFcgi(): Promise<number[]> {
    const PATH = `${process.env.PATH}:${requireProgram("spawn-fcgi").replace(/\/[^/]+$/, "")}`;
    await run("sh", [await place("spawn-fcgi.sh")], { env: { ...process.env, PATH } });
    const pids = readFileSync(join(folder.path, "app.pid"), "utf8").trim().split("\n").map(Number);
    for (const pid of pids) guardAgainstLoss(pid);
    onTestFinished(() => {
      for (const pid of pids) {
        killTree(pid);
        unguard(pid);
      }
    });
    return pids;
  }

  it("serve answers in every process that spawn-fcgi has started on one socket", async () => {
    const pids = await spawnFcgi();
    expect(pids).toHaveLength(2);
    const asked = load();
    await waitUntil(() => asked.answeredBy.size === 2);
    expect([...asked.answeredBy].map(Number).toSorted()).toEqual(pids.toSorted());
    expect(asked.failures).toEqual([]);
  });

  it("serve loses no request when spawn-fcgi starts others on the path and the old ones are told to close", async () => {
    const before = [await spawnFcgi()];
    const asked = load();
    for (let restart = 0; restart < 3; restart++) {
      await asked.more(50);
      before.push(await spawnFcgi());
    }
    const current = before.pop()!.map(String);
    await waitUntil(() => current.some((pid) => asked.answeredBy.has(pid)));
    await waitUntil(() => !before.flat().some(isRunning));
    await asked.stop();
    expect(asked.failures).toEqual([]);
  });
});

describe("multiwatch", () => {
  it("serve loses no request when multiwatch replaces its processes one by one, and ends when multiwatch does", async () => {
    const PATH = `${process.env.PATH}:${requireProgram("spawn-fcgi").replace(/\/[^/]+$/, "")}`;
    const manager = await startProcess("sh", {
      name: "multiwatch",
      args: [await place("multiwatch.sh")],
      env: { ...process.env, PATH },
      ready: () => existsSync(socket),
    });
    onTestFinished(() => manager.stop());
    const asked = load();
    await waitUntil(() => asked.answeredBy.size === 2);
    const first = childrenOf(manager.pid);
    expect([...asked.answeredBy].map(Number).toSorted()).toEqual(first.toSorted());
    for (const pid of first) {
      const answered = asked.answeredBy.size;
      process.kill(pid, "SIGTERM");
      await waitUntil(() => !isRunning(pid) && asked.answeredBy.size > answered);
    }
    await asked.stop();
    expect(asked.failures).toEqual([]);
    const second = childrenOf(manager.pid);
    expect(second).toHaveLength(2);
    await manager.stop();
    expect(second.filter(isRunning)).toEqual([]);
  });
});

describe("systemd", () => {
  const setting = (file: string, name: string): string =>
    new RegExp(`^${name}=(.*)$`, "m").exec(exampleText(`systemd/${file}`))![1]!;

  it("serve takes the socket of the unit file when it is started by the service's command", async () => {
    const command = setting("app.service", "ExecStart").split(" ");
    const manager = await startProcess(requireProgram("systemd-socket-activate"), {
      name: "systemd-socket-activate",
      args: ["--listen", setting("app.socket", "ListenStream"), ...command],
      ready: () => existsSync(socket),
    });
    onTestFinished(() => manager.stop());
    // It is started by the first connection, which it therefore finds waiting, and in the place of what has started it.
    expect(await whoAnswers()).toBe(`${manager.pid}`);
    expect(await whoAnswers()).toBe(`${manager.pid}`);
    process.kill(manager.pid, "SIGTERM");
    expect(await manager.exited).toBe("code 0");
    // The socket is systemd's, who will start the application again.
    expect(existsSync(socket)).toBe(true);
  });

  it("systemd finds nothing to complain of in the unit files", async () => {
    const files = await Promise.all([place("systemd/app.socket"), place("systemd/app.service")]);
    const analyze = requireProgram("systemd-socket-activate").replace("socket-activate", "analyze");
    const { stdout, stderr } = await run(analyze, ["verify", "--man=no", "--generators=no", ...files]);
    expect((stdout + stderr).split("\n").filter((line) => line.includes("app."))).toEqual([]);
  });
});
