import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import {
  FastCgiHttpClient,
  type FastCgiHttpConnector,
  FastCgiTcpConnector,
  FastCgiUnixConnector,
} from "../../adapters/node/index.ts";
import { guardAgainstLoss, unguard } from "../support/guard.ts";
import { waitUntil } from "../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const program = fileURLToPath(new URL("programs/cluster.ts", import.meta.url));
let folder: TemporaryDirectory;
let path: string;

beforeEach(async () => {
  folder = await createTemporaryDirectory("cluster");
  path = join(folder.path, "app.sock");
});

afterEach(() => folder.remove());

interface Line {
  readonly worker: number;
  readonly address?: unknown;
  readonly error?: string;
  readonly closed?: true;
  readonly exited?: true;
}

/** The primary process of a cluster, until the test is over. */
class Cluster {
  readonly #child: ChildProcess;
  #output = "";
  #forked = 0;

  constructor(options: object, policy: string) {
    this.#child = spawn(process.execPath, ["--import", "tsx", program, JSON.stringify(options)], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, NODE_CLUSTER_SCHED_POLICY: policy },
    });
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
    });
    const pid = this.#child.pid!;
    guardAgainstLoss(pid);
    onTestFinished(async () => {
      // Workers end with their primary.
      this.#child.kill("SIGKILL");
      await waitUntil(() => this.#child.exitCode !== null || this.#child.signalCode !== null);
      unguard(pid);
    });
  }

  /** Starts a worker. Returns its number, or why it does not serve. */
  async fork(): Promise<number | string> {
    const worker = ++this.#forked;
    this.#child.stdin!.write("fork\n");
    const line = await this.#line((it) => it.worker === worker && ("address" in it || "error" in it));
    return line.error ?? worker;
  }

  async close(worker: number): Promise<void> {
    this.#child.stdin!.write(`close ${worker}\n`);
    await this.#line((it) => it.worker === worker && it.closed === true);
  }

  async kill(worker: number): Promise<void> {
    this.#child.stdin!.write(`kill ${worker}\n`);
    await this.#line((it) => it.worker === worker && it.exited === true);
  }

  get lines(): Line[] {
    return this.#output
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  async #line(is: (line: Line) => boolean): Promise<Line> {
    await waitUntil(() => this.lines.some(is), {
      message: `The cluster printed only ${this.#output}`,
    });
    return this.lines.find(is)!;
  }
}

/** Asks until all workers that should answer have done so. Fails if another one answers. */
async function expectAnswersFrom(
  workers: readonly number[],
  connector: FastCgiHttpConnector = new FastCgiUnixConnector(path),
): Promise<void> {
  const client = new FastCgiHttpClient(connector);
  const missing = new Set(workers);
  // With the policy "none" the kernel may choose the same worker some times.
  for (let tries = 0; missing.size > 0; tries++) {
    const worker = Number(await (await client.fetch("http://localhost/")).text());
    expect(workers).toContain(worker);
    missing.delete(worker);
    expect(tries).toBeLessThan(1000);
  }
}

describe.each(["rr", "none"])("workers of node:cluster with the policy %s", (policy) => {
  it("serve listens on the same path in all workers, also in those that start when others have ended", async () => {
    const cluster = new Cluster({ path }, policy);
    expect(await Promise.all([cluster.fork(), cluster.fork(), cluster.fork()])).toEqual([1, 2, 3]);
    await expectAnswersFrom([1, 2, 3]);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    await cluster.close(2);
    await expectAnswersFrom([1, 3]);
    await cluster.kill(3);
    await expectAnswersFrom([1]);
    expect(await cluster.fork()).toBe(4);
    await expectAnswersFrom([1, 4]);
    await Promise.all([cluster.close(1), cluster.close(4)]);
    // The last one removes the file, and what the workers shared.
    expect(readdirSync(folder.path)).toEqual([]);
    expect(cluster.lines.filter((line) => "onError" in line)).toEqual([]);
  });

  it("serve listens again when all workers were killed, and removes what is left of them", async () => {
    const cluster = new Cluster({ path }, policy);
    expect(await Promise.all([cluster.fork(), cluster.fork()])).toEqual([1, 2]);
    await cluster.kill(1);
    await cluster.kill(2);
    expect(existsSync(path)).toBe(true);
    const next = new Cluster({ path }, policy);
    expect(await next.fork()).toBe(1);
    expect(await cluster.fork()).toBe(`Cannot listen on ${path}: another process listens there (EADDRINUSE)`);
    await expectAnswersFrom([1]);
    await next.close(1);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it("serve takes the path over from the workers of another cluster when takeOver is true", async () => {
    const old = new Cluster({ path, takeOver: true }, policy);
    expect(await old.fork()).toBe(1);
    const cluster = new Cluster({ path, takeOver: true, mode: 0o600 }, policy);
    // So that no number is in both.
    for (const worker of [1, 2, 3]) expect(await cluster.fork()).toBe(worker);
    await cluster.close(1);
    await expectAnswersFrom([2, 3]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    // One that starts late does not take it back.
    expect(await old.fork()).toBe(`Cannot listen on ${path}: another process listens there (EADDRINUSE)`);
    await old.close(1);
    await expectAnswersFrom([2, 3]);
    await cluster.close(2);
    await cluster.close(3);
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

it("serve refuses in a worker of node:cluster a path where another process listens", async () => {
  const [one, other] = [new Cluster({ path }, "rr"), new Cluster({ path }, "rr")];
  expect(await one.fork()).toBe(1);
  expect(await other.fork()).toBe(`Cannot listen on ${path}: another process listens there (EADDRINUSE)`);
  await expectAnswersFrom([1]);
  expect(readdirSync(dirname(path)).filter((name) => !name.startsWith("."))).toEqual([basename(path)]);
});

it("serve listens on the same port in all workers of node:cluster", async () => {
  const cluster = new Cluster({ port: 0 }, "rr");
  expect(await Promise.all([cluster.fork(), cluster.fork()])).toEqual([1, 2]);
  const { port } = cluster.lines[0]!.address as { port: number };
  await expectAnswersFrom([1, 2], new FastCgiTcpConnector({ port }));
});
