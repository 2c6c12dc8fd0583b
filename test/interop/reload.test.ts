// An application that is restarted under load, in processes of its own: every request is answered, by the old one or the new one.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { bundle } from "../support/bundle.ts";
import { freePort } from "../support/free_port.ts";
import { guardAgainstLoss, unguard } from "../support/guard.ts";
import { httpRequest } from "../support/http.ts";
import { startLoad } from "../support/load.ts";
import { startSocketManager } from "../support/socket_manager.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { haproxy, nginx } from "../support/web_servers/servers.ts";
import { type RunningWebServer, startWebServer } from "../support/web_servers/web_server.ts";

failOnUnhandledRejections();

const RESTARTS = 20;
const REQUESTS_PER_SECOND = 200;

let folder: TemporaryDirectory;
let program: string;

beforeAll(async () => {
  folder = await createTemporaryDirectory("reload");
  await chmod(folder.path, 0o750);
  program = await bundle("test/support/web_servers/reloaded.ts", folder.path);
});

afterAll(() => folder.remove());

/** Something that can be restarted. */
interface Restarted {
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** As the README says for a path: the next process takes the path over, then the one before is told to close. */
async function restartedOnPath(path: string, grace: number): Promise<Restarted> {
  const start = (): Promise<Application> => startApplication(grace, path);
  let current = await start();
  const closed: Promise<void>[] = [];
  return {
    async restart() {
      const old = current;
      current = await start();
      closed.push(old.close());
    },
    async stop() {
      await Promise.all([...closed, current.close()]);
    },
  };
}

interface Application {
  /** Sends SIGTERM, and waits for the process to end by itself. */
  close(): Promise<void>;
}

async function startApplication(grace: number, path: string): Promise<Application> {
  const child = spawn(process.execPath, [program, `${grace}`, path], { stdio: ["ignore", "pipe", "inherit"] });
  const { pid } = child;
  guardAgainstLoss(pid!);
  const exited = once(child, "exit").finally(() => unguard(pid!));
  await once(child.stdout, "data");
  return {
    async close() {
      child.kill("SIGTERM");
      expect(await exited).toEqual([0, null]);
    },
  };
}

/** Every other request is a POST, some of them longer than what any buffer on the way holds. Returns who answered. */
async function ask(url: string, id: number): Promise<string> {
  const body = id % 2 === 0 ? randomBytes(id % 20 === 0 ? 50_000 : 100).toString("hex") : "";
  const { status, text } = await httpRequest(`${url}/${id}`, body === "" ? {} : { body });
  const [, by, echo] = /^(\d+) (.*)$/s.exec(text()) ?? [];
  if (status !== 200 || by === undefined || echo !== body) throw new Error(`${status} ${text().slice(0, 200)}`);
  return by;
}

/** Restarts under load, and checks every request. Returns how many processes have answered some. */
async function restartUnderLoad(web: RunningWebServer, application: Restarted): Promise<number> {
  const load = startLoad(REQUESTS_PER_SECOND, (id) => ask(web.url, id));
  for (let restart = 0; restart < RESTARTS; restart++) {
    await load.more(40);
    await application.restart();
  }
  await load.more(40);
  await load.stop();
  expect(load.failures).toEqual([]);
  return load.answeredBy.size;
}

/** Of nginx's example: opens a connection for each request. HAProxy's example does. */
function withoutKeeping(config: string): string {
  return config.replaceAll(/^.*keep.*\n/gm, "");
}

const setups = [
  { server: nginx, example: "nginx/reload.conf" },
  { server: haproxy, example: "haproxy/reload.cfg" },
];
/** Milliseconds: the default. */
const GRACE = 250;

describe.each(setups)("an application behind $server.name", ({ server, example }) => {
  it("serve loses no request when it is restarted 20 times on the same path under load", async () => {
    const socket = join(folder.path, `${server.name}.sock`);
    const application = await restartedOnPath(socket, GRACE);
    onTestFinished(() => application.stop());
    const web = await startWebServer(server, { example, socket, edit: withoutKeeping });
    onTestFinished(() => web.stop());
    expect(await restartUnderLoad(web, application)).toBe(RESTARTS + 1);
  });

  it("serve loses no request when it is restarted 20 times on a port that is kept for it", async () => {
    const port = await freePort();
    const application = await startSocketManager(port, [process.execPath, program, `${GRACE}`]);
    onTestFinished(() => application.stop());
    const edit = (config: string): string =>
      withoutKeeping(config).replaceAll(/unix[:@]\S+?\.sock/g, `127.0.0.1:${port}`);
    const web = await startWebServer(server, { example, socket: "/unused.sock", edit });
    onTestFinished(() => web.stop());
    expect(await restartUnderLoad(web, application)).toBe(RESTARTS + 1);
  });
});

it("serve loses no request on connections that nginx keeps when its grace is longer than they are kept", async () => {
  const socket = join(folder.path, "kept.sock");
  const application = await restartedOnPath(socket, 3_000);
  onTestFinished(() => application.stop());
  const edit = (config: string): string => config.replaceAll("5s;", "1s;");
  const web = await startWebServer(nginx, { example: "nginx/reload.conf", socket, edit });
  onTestFinished(() => web.stop());
  // Requests stay with older processes as long as connections are kept.
  expect(await restartUnderLoad(web, application)).toBeGreaterThan(2);
});
