// `fetchcgi serve` with a Hono application behind nginx, under load: workers are killed, and all are replaced. nginx repeats nothing, so
// that what is lost is seen. Bun and Deno have no workers: there the next process takes the path over, and the one before is told to end.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Pool } from "undici";
import { requireRuntime } from "../../scripts/setup.mjs";
import { type Load, startLoad } from "../support/load.ts";
import { type Nginx, startNginx } from "../support/nginx.ts";
import { type RunningProcess, startProcess, waitUntil } from "../support/process.ts";
import { childrenOf } from "../support/process_tree.ts";
import { stagePackage } from "../support/staged_package.ts";

export type ReloadRuntime = "node" | "bun" | "deno";

const COMMANDS: Readonly<Record<ReloadRuntime, () => readonly string[]>> = {
  node: () => [requireRuntime("node24")],
  bun: () => [requireRuntime("bun")],
  deno: () => [requireRuntime("deno"), "run", "--quiet", "--allow-all"],
};

const WORKERS = 2;

/** Requests that wait or run: as many as come while the processes of a busy machine start. */
const MAX_RUNNING = 400;

/** Answers with its process and the request's body, some of them after a while, so that requests run when it ends. */
const APP = `
import { Hono } from "hono";
const app = new Hono();
app.all("/*", async (c) => {
  const body = await c.req.text();
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
  return c.text(process.pid + " " + body);
});
export default app;
`;

/** The application, with the package. */
export interface Project {
  readonly folder: string;
  /** The file of the command. */
  readonly main: string;
}

/** Makes the application in a folder. */
export async function makeProject(folder: string): Promise<Project> {
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  writeFileSync(join(folder, "app.ts"), APP);
  return { folder, main: await stagePackage(folder, ["hono"]) };
}

/** What was done, and what was lost. */
export interface ReloadCounts {
  requests: number;
  /** Requests for each second, from the first one until no more were sent. */
  perSecond: number;
  /** Requests that were due and were not sent: with any, the load was not what it was to be. */
  leftOut: number;
  kills: number;
  reloads: number;
  /** Requests that failed and were running when a worker was killed. */
  lostByKill: number;
  /** All others that failed: none is right. */
  lostOtherwise: number;
}

/** An application under load. */
export class Reloads {
  readonly #runtime: ReloadRuntime;
  readonly #project: Project;
  readonly #path: string;
  readonly #runningAtKills = new Set<number>();
  readonly #ended: RunningProcess[] = [];
  #kills = 0;
  #reloads = 0;
  #requests = 0;
  #startedAt = 0;
  #current!: RunningProcess;
  #nginx!: Nginx;
  /** Connections to nginx that are kept. undici takes less time for a request than node:http, so that this process reaches the rate. */
  #pool!: Pool;
  #load!: Load;

  private constructor(runtime: ReloadRuntime, project: Project) {
    this.#runtime = runtime;
    this.#project = project;
    this.#path = join(project.folder, `${runtime}.sock`);
  }

  /** Starts it, with so many requests per second. */
  static async start(runtime: ReloadRuntime, requestsPerSecond: number, project: Project): Promise<Reloads> {
    const reloads = new Reloads(runtime, project);
    try {
      reloads.#current = await reloads.#serve();
      reloads.#nginx = await startNginx({
        http: `upstream app { server unix:${reloads.#path}; }`,
        // nginx closes no connection of the load: a request could be on its way to it.
        server: `keepalive_timeout 1h;
          keepalive_requests 1000000000;
          location / { include fastcgi_params; fastcgi_pass app; fastcgi_next_upstream off; }`,
      });
      reloads.#pool = new Pool(reloads.#nginx.url, { keepAliveTimeout: 600_000, keepAliveMaxTimeout: 600_000 });
      reloads.#startedAt = performance.now();
      reloads.#load = startLoad(requestsPerSecond, (id) => reloads.#ask(id), MAX_RUNNING);
      return reloads;
    } catch (error) {
      await reloads.#stopAll();
      throw error;
    }
  }

  /** Resolves when so many more requests were answered. */
  async more(requests: number): Promise<void> {
    await this.#load.more(requests);
  }

  /** Kills a worker, and waits until its successor answers. Only on Node: elsewhere no other process answers meanwhile. */
  async kill(): Promise<void> {
    const victim = childrenOf(this.#current.pid)[0]!;
    const before = new Set(this.#load.answeredBy);
    for (const id of this.#load.running()) this.#runningAtKills.add(id);
    process.kill(victim, "SIGKILL");
    this.#kills++;
    await this.#untilNew(before, 1);
  }

  /** Replaces all processes by new ones, and waits until they answer. */
  async reload(): Promise<void> {
    const before = new Set(this.#load.answeredBy);
    if (this.#runtime === "node") {
      const done = (): number => this.#current.stderr().split("fetchcgi: reloaded").length;
      const doneBefore = done();
      process.kill(this.#current.pid, "SIGHUP");
      await waitUntil(() => done() > doneBefore);
      await this.#untilNew(before, WORKERS);
    } else {
      const old = this.#current;
      this.#current = await this.#serve("--take-over");
      this.#ended.push(old);
      process.kill(old.pid, "SIGTERM");
      await this.#untilNew(before, 1);
    }
    this.#reloads++;
  }

  /** Ends all, and says what was lost. */
  async stop(): Promise<ReloadCounts> {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    await this.#load.stop();
    const lost = this.#load.failures.map(({ id }) => id);
    const lostByKill = lost.filter((id) => this.#runningAtKills.has(id)).length;
    process.kill(this.#current.pid, "SIGTERM");
    const ends = await Promise.all([...this.#ended, this.#current].map(({ exited }) => exited));
    await this.#stopAll();
    if (ends.some((how) => how !== "code 0")) throw new Error(`Cannot end serve: it ended with ${ends.join(", ")}`);
    return {
      requests: this.#requests,
      perSecond: Math.round(this.#requests / seconds),
      leftOut: this.#load.leftOut(),
      kills: this.#kills,
      reloads: this.#reloads,
      lostByKill,
      lostOtherwise: lost.length - lostByKill,
    };
  }

  async #stopAll(): Promise<void> {
    await this.#pool?.destroy();
    await this.#nginx?.stop();
    for (const running of [...this.#ended, this.#current]) await running?.stop();
  }

  async #serve(...more: string[]): Promise<RunningProcess> {
    const [command, ...before] = COMMANDS[this.#runtime]();
    const workers = this.#runtime === "node" ? ["--workers", String(WORKERS)] : [];
    const running = await startProcess(command!, {
      name: "fetchcgi serve",
      args: [...before, this.#project.main, "serve", "app.ts", "--listen", this.#path, ...workers, ...more],
      cwd: this.#project.folder,
    });
    let ended: string | undefined;
    void running.exited.then((how) => {
      ended = how;
    });
    await waitUntil(() => {
      if (ended !== undefined) throw new Error(`Cannot start serve: it ended with ${ended}\n${running.stderr()}`);
      return running.stderr().includes("fetchcgi: serving");
    });
    return running;
  }

  /** Waits until so many processes have answered that had not before. */
  async #untilNew(before: ReadonlySet<string>, count: number): Promise<void> {
    await waitUntil(() => [...this.#load.answeredBy].filter((pid) => !before.has(pid)).length >= count);
  }

  /** Every other request is a POST. */
  async #ask(id: number): Promise<string> {
    this.#requests++;
    const sent = id % 2 === 0 ? null : `body ${id}`;
    const method = sent === null ? "GET" : "POST";
    const { statusCode, body } = await this.#pool.request({ path: `/${id}`, method, body: sent });
    const text = await body.text();
    const [, pid, echo] = /^(\d+) (.*)$/s.exec(text) ?? [];
    if (statusCode !== 200 || pid === undefined || echo !== (sent ?? ""))
      throw new Error(`status ${statusCode} ${text.slice(0, 100)}`);
    return pid;
  }
}
