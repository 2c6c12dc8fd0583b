import { describe, expect, it } from "vitest";
import { Supervisor, type Worker } from "../../cli/serve/supervisor.ts";
import { deferred } from "../support/open_stream.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

/** A worker whose life the test decides. */
class FakeWorker implements Worker {
  readonly name: string;
  readonly ready: Promise<void>;
  readonly exited: Promise<string>;
  closed = false;
  listens = false;
  serve!: () => void;
  fail!: (message: string) => void;
  exit!: (how: string) => void;

  constructor(name: string) {
    this.name = name;
    this.ready = new Promise((resolve, reject) => {
      this.serve = () => {
        this.listens = true;
        resolve();
      };
      this.fail = (message) => reject(new Error(message));
    });
    this.exited = new Promise((resolve) => {
      this.exit = resolve;
    });
  }

  giveUp(): boolean {
    if (!this.listens) this.kill();
    return !this.listens;
  }

  close(): void {
    this.closed = true;
  }

  kill(): void {
    this.exit("SIGKILL");
  }
}

/** A supervisor of fake workers on a clock of its own. */
function supervise(count: number) {
  const forked: FakeWorker[] = [];
  const lines: string[] = [];
  const sleeps: number[] = [];
  let time = 0;
  let isServing = true;
  const supervisor = new Supervisor({
    workers: count,
    fork() {
      const worker = new FakeWorker(String(forked.length + 1));
      forked.push(worker);
      if (isServing) worker.serve();
      return worker;
    },
    report: (line) => void lines.push(line),
    async sleep(milliseconds) {
      sleeps.push(milliseconds);
      time += milliseconds;
    },
    now: () => time,
  });
  return {
    supervisor,
    forked,
    lines,
    sleeps,
    pass: (milliseconds: number) => {
      time += milliseconds;
    },
    holdBack: () => {
      isServing = false;
    },
  };
}

/** Lets everything happen that only waits for promises. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

describe("Supervisor", () => {
  it("replaces a worker that dies, at once if it has lived for a while", async () => {
    const { supervisor, forked, lines, sleeps, pass } = supervise(2);
    await supervisor.start();
    pass(10_000);
    forked[0]!.exit("SIGKILL");
    await settle();
    expect(lines).toEqual(["worker 1 ended with SIGKILL; another one starts now", "worker 3 serves"]);
    expect(forked).toHaveLength(3);
    expect(sleeps).toEqual([]);
  });

  it("waits longer and longer before it replaces workers that die at once", async () => {
    const { supervisor, forked, sleeps, pass } = supervise(1);
    await supervisor.start();
    for (let i = 0; i < 12; i++) {
      forked.at(-1)!.exit("code 1");
      await settle();
    }
    expect(sleeps).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000, 30_000]);
    pass(10_000);
    forked.at(-1)!.exit("code 1");
    await settle();
    forked.at(-1)!.exit("code 1");
    await settle();
    expect(sleeps.slice(12)).toEqual([200]);
  });

  it("replaces all workers one after the other, each when its successor serves and before the next one goes", async () => {
    const { supervisor, forked, lines, holdBack } = supervise(2);
    await supervisor.start();
    holdBack();
    const reloaded = supervisor.reload();
    await settle();
    expect(forked.map(({ closed }) => closed)).toEqual([false, false, false]);
    forked[2]!.serve();
    await settle();
    expect(forked.map(({ closed }) => closed)).toEqual([true, false, false]);
    forked[0]!.exit("code 0");
    await settle();
    forked[3]!.serve();
    await settle();
    expect(forked.map(({ closed }) => closed)).toEqual([true, true, false, false]);
    forked[1]!.exit("code 0");
    await reloaded;
    expect(lines).toEqual(["worker 3 serves in place of worker 1", "worker 4 serves in place of worker 2"]);
  });

  it("keeps the workers when their successor does not serve", async () => {
    const { supervisor, forked, lines, holdBack } = supervise(2);
    await supervisor.start();
    holdBack();
    const reloaded = supervisor.reload();
    await settle();
    forked[2]!.fail("SyntaxError: Unexpected token");
    expect(await reloaded).toBe(false);
    expect(lines).toEqual(["SyntaxError: Unexpected token; the workers before it go on"]);
    expect(forked.map(({ closed }) => closed)).toEqual([false, false, false]);
  });

  it("reloads once more when it is asked to while it reloads", async () => {
    const { supervisor, forked } = supervise(1);
    await supervisor.start();
    const reloaded = supervisor.reload();
    await settle();
    void supervisor.reload();
    void supervisor.reload();
    forked[0]!.exit("code 0");
    await settle();
    forked[1]!.exit("code 0");
    await reloaded;
    expect(forked).toHaveLength(3);
  });

  it("does not wait for a worker that finishes when it is to reload again", async () => {
    const { supervisor, forked } = supervise(1);
    await supervisor.start();
    const reloaded = supervisor.reload();
    await settle();
    expect(forked.map(({ closed }) => closed)).toEqual([true, false]);
    void supervisor.reload();
    await settle();
    expect(forked.map(({ closed }) => closed)).toEqual([true, true, false]);
    for (const worker of forked.slice(0, 2)) worker.exit("code 0");
    expect(await reloaded).toBe(true);
  });

  it("gives up a successor that never serves when it is to reload again", async () => {
    const { supervisor, forked, lines, holdBack } = supervise(1);
    await supervisor.start();
    holdBack();
    const reloaded = supervisor.reload();
    await settle();
    void supervisor.reload();
    expect(await forked[1]!.exited).toBe("SIGKILL");
    forked[1]!.fail("worker 2 ended with SIGKILL before it served");
    await settle();
    expect(forked[0]!.closed).toBe(false);
    forked[2]!.serve();
    await settle();
    expect(forked[0]!.closed).toBe(true);
    forked[0]!.exit("code 0");
    await reloaded;
    expect(lines).toEqual(["worker 3 serves in place of worker 1"]);
  });

  it("ends no successor that listens already and may have requests when it is to reload again or to close", async () => {
    const { supervisor, forked, holdBack } = supervise(1);
    await supervisor.start();
    holdBack();
    const reloaded = supervisor.reload();
    await settle();
    forked[1]!.listens = true;
    void supervisor.reload();
    const ended: string[] = [];
    void forked[1]!.exited.then((how) => ended.push(how));
    await settle();
    expect(forked.map(({ closed }) => closed)).toEqual([false, false]);
    forked[1]!.serve();
    await settle();
    expect(forked.map(({ closed }) => closed)).toEqual([true, false]);
    forked[0]!.exit("code 0");
    await settle();
    forked[2]!.listens = true;
    const closed = supervisor.close(new Promise(() => {}));
    await settle();
    expect(forked.map((worker) => worker.closed)).toEqual([true, true, true]);
    expect(ended).toEqual([]);
    for (const worker of forked) worker.exit("code 0");
    forked[2]!.serve();
    await closed;
    expect(await reloaded).toBe(false);
  });

  it("ends a worker that took the place of a dead one and never serves when its successor does", async () => {
    const { supervisor, forked, pass, holdBack } = supervise(1);
    await supervisor.start();
    holdBack();
    pass(10_000);
    forked[0]!.exit("SIGKILL");
    await settle();
    expect(forked).toHaveLength(2);
    const reloaded = supervisor.reload();
    await settle();
    forked[2]!.serve();
    await reloaded;
    expect(await forked[1]!.exited).toBe("SIGKILL");
    forked[1]!.fail("worker 2 ended with SIGKILL before it served");
    await settle();
    expect(forked).toHaveLength(3);
  });

  it("starts none when one of them can't serve", async () => {
    const { supervisor, forked, holdBack } = supervise(2);
    holdBack();
    const started = supervisor.start();
    forked[0]!.serve();
    forked[1]!.fail("Cannot listen on /run/app.sock");
    await expect(started).rejects.toThrow("Cannot listen on /run/app.sock");
    expect(await Promise.all(forked.map(({ exited }) => exited))).toEqual(["SIGKILL", "SIGKILL"]);
    await settle();
    expect(forked).toHaveLength(2);
  });

  it("lets workers finish, replaces none then, and kills those that don't end in time", async () => {
    const { supervisor, forked } = supervise(2);
    await supervisor.start();
    const limit = deferred();
    const closed = supervisor.close(limit.promise);
    expect(forked.map((worker) => worker.closed)).toEqual([true, true]);
    forked[0]!.exit("code 0");
    await settle();
    limit.resolve();
    await closed;
    expect(await forked[1]!.exited).toBe("SIGKILL");
    expect(forked).toHaveLength(2);
  });

  it("ends workers as well that are on their way when it closes", async () => {
    const { supervisor, forked, lines, holdBack } = supervise(1);
    await supervisor.start();
    holdBack();
    const reloaded = supervisor.reload();
    await settle();
    const closed = supervisor.close(new Promise(() => {}));
    expect(forked.map((worker) => worker.closed)).toEqual([true, false]);
    // It does not listen to requests to end yet.
    expect(await forked[1]!.exited).toBe("SIGKILL");
    forked[1]!.fail("worker 2 ended with SIGKILL before it served");
    forked[0]!.exit("code 0");
    await closed;
    await reloaded;
    expect(lines).toEqual([]);
    expect(forked).toHaveLength(2);
  });
});
