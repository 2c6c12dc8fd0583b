import { describe, expect, it, vi } from "vitest";
import {
  type ConnectOptions,
  type Connector,
  FastCgiError,
  type FastCgiHttpConnector,
  failover,
  roundRobin,
} from "../../src/toolkit.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { connectionPair, type MemoryConnection } from "../support/memory_connection.ts";
import { failOnUnhandledRejections, unhandledRejectionsOf } from "../support/unhandled_rejections.ts";

useFakeTime();
failOnUnhandledRejections();

/** A connector that connects, fails, or says nothing, as the test wants it. */
class Backend implements Connector {
  state: "up" | "down" | "silent" = "up";
  attempts = 0;
  readonly error = new FastCgiError("connectFailed", "Cannot connect: nothing listens there");
  signal: AbortSignal | undefined;
  /** Lets a silent attempt come to its end. */
  settle = (_how: "up" | "down"): void => {};
  connection: MemoryConnection | undefined;

  constructor(state: Backend["state"] = "up") {
    this.state = state;
  }

  async connect({ signal }: ConnectOptions): Promise<MemoryConnection> {
    this.attempts++;
    this.signal = signal;
    let { state } = this;
    if (state === "silent") {
      state = await new Promise((resolve) => {
        this.settle = resolve;
      });
    }
    if (state === "down") throw this.error;
    this.connection = connectionPair()[0];
    return this.connection;
  }
}

/** Connects once, and says which of the backends it was. */
async function winner(connector: Connector, ...backends: Backend[]): Promise<number> {
  const connection = await connector.connect({ signal: new AbortController().signal });
  return backends.findIndex((backend) => backend.connection === connection);
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => new Error("Expected a failure"),
    (reason: unknown) => reason,
  );
}

const noSignal = (): ConnectOptions => ({ signal: new AbortController().signal });

describe("failover", () => {
  it("failover takes the first connector as long as it connects", async () => {
    const [first, second] = [new Backend(), new Backend()];
    const connector = failover([first, second]);
    for (let i = 0; i < 3; i++) expect(await winner(connector, first, second)).toBe(0);
    expect(second.attempts).toBe(0);
  });

  it("failover takes the next connector when one fails, and tells onFailure", async () => {
    const [first, second, third] = [new Backend("down"), new Backend("down"), new Backend()];
    const onFailure = vi.fn();
    expect(await winner(failover([first, second, third], { onFailure }), first, second, third)).toBe(2);
    expect(onFailure.mock.calls).toEqual([
      [first.error, first],
      [second.error, second],
    ]);
  });

  it("failover asks a connector that failed last until coolDown is over", async () => {
    const [first, second] = [new Backend("down"), new Backend()];
    const connector = failover([first, second], { coolDown: 500 });
    expect(await winner(connector, first, second)).toBe(1);
    first.state = "up";
    await pass(499);
    expect(await winner(connector, first, second)).toBe(1);
    expect(first.attempts).toBe(1);
    await pass(1);
    expect(await winner(connector, first, second)).toBe(0);
  });

  it("failover asks a connector that failed as any other when the clock is set back", async () => {
    const [first, second] = [new Backend("down"), new Backend()];
    const connector = failover([first, second]);
    expect(await winner(connector, first, second)).toBe(1);
    first.state = "up";
    // In Workers, performance.now() is the wall clock.
    const { now } = performance;
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now.call(performance) - 7_200_000);
    expect(await winner(connector, first, second)).toBe(0);
    clock.mockRestore();
  });

  it("coolDown is 10 seconds unless set, and starts anew when the connector fails again", async () => {
    const [first, second] = [new Backend("down"), new Backend()];
    const connector = failover([first, second]);
    await winner(connector);
    await pass(9_999);
    await winner(connector);
    expect(first.attempts).toBe(1);
    await pass(1);
    await winner(connector);
    expect(first.attempts).toBe(2);
    await pass(9_999);
    await winner(connector);
    expect(first.attempts).toBe(2);
  });

  it("failover asks a connector that failed at every connection when coolDown is 0", async () => {
    const [first, second] = [new Backend("down"), new Backend()];
    const connector = failover([first, second], { coolDown: 0 });
    for (let i = 0; i < 3; i++) expect(await winner(connector, first, second)).toBe(1);
    expect(first.attempts).toBe(3);
  });

  it("failover goes on with a connector that has connected since the attempt began which failed late", async () => {
    const [dead, slow] = [new Backend("down"), new Backend("silent")];
    const onFailure = vi.fn();
    const connector = failover([dead, slow], { attemptTimeout: 1_000, onFailure });
    const late = failureOf(connector.connect(noSignal()));
    await pass(500);
    slow.state = "up";
    expect(await winner(connector, dead, slow)).toBe(1);
    await pass(500);
    expect(await late).toMatchObject({ code: "connectFailed" });
    expect(onFailure).toHaveBeenCalledTimes(2);
    // The dead one is not asked first again, as it would be if both had failed.
    expect(await winner(connector, dead, slow)).toBe(1);
    expect(dead.attempts).toBe(1);
  });

  it.each([failover, roundRobin])(
    "%o asks first, of those that failed, the one that connected last",
    async (compose) => {
      const [dead, slow, gone] = [new Backend("down"), new Backend(), new Backend("down")];
      const connector = compose([dead, slow, gone]);
      expect(await winner(connector, dead, slow, gone)).toBe(1);
      slow.state = "down";
      await failureOf(connector.connect(noSignal()));
      slow.state = "up";
      const attempts = dead.attempts;
      expect(await winner(connector, dead, slow, gone)).toBe(1);
      expect(dead.attempts).toBe(attempts);
      // Those that never connected keep their order.
      slow.state = "down";
      await failureOf(connector.connect(noSignal()));
      gone.state = "up";
      expect(await winner(connector, dead, slow, gone)).toBe(2);
      gone.state = "down";
      await failureOf(connector.connect(noSignal()));
      slow.state = "up";
      gone.state = "up";
      expect(await winner(connector, dead, slow, gone)).toBe(2);
    },
  );

  it("failover goes on with a connector that has connected since an attempt began that was aborted", async () => {
    const [first, second] = [new Backend("down"), new Backend("down")];
    const connector = failover([first, second]);
    await failureOf(connector.connect(noSignal()));
    const abortWhileSilent = async (silent: Backend): Promise<() => Promise<unknown>> => {
      silent.state = "silent";
      const abort = new AbortController();
      const aborted = failureOf(connector.connect({ signal: abort.signal }));
      await pass(0);
      return () => {
        abort.abort();
        return aborted;
      };
    };
    // The first fails again later than the second.
    await pass(5_000);
    await (await abortWhileSilent(second))();
    const abort = await abortWhileSilent(first);
    first.state = "up";
    expect(await winner(connector, first, second)).toBe(0);
    await abort();
    // The second is not tried last any more.
    await pass(5_000);
    second.state = "up";
    expect(await winner(connector, first, second)).toBe(0);
  });

  it("failover takes a connector that failed when the others fail, and trusts it again", async () => {
    const [first, second] = [new Backend("down"), new Backend()];
    const connector = failover([first, second]);
    await winner(connector);
    first.state = "up";
    second.state = "down";
    expect(await winner(connector, first, second)).toBe(0);
    second.state = "up";
    expect(await winner(connector, first, second)).toBe(0);
  });

  it("one connection finds out whether a connector is back, others do not wait for it", async () => {
    const [first, second] = [new Backend("down"), new Backend()];
    const connector = failover([first, second]);
    await winner(connector);
    await pass(10_000);
    first.state = "silent";
    const probe = winner(connector, first, second);
    expect(await winner(connector, first, second)).toBe(1);
    expect(first.attempts).toBe(2);
    first.settle("up");
    expect(await probe).toBe(0);
    first.state = "up";
    expect(await winner(connector, first, second)).toBe(0);
  });

  it("failover goes on after attemptTimeout when a connector is silent, and closes what it brings later", async () => {
    const [first, second] = [new Backend("silent"), new Backend()];
    const onFailure = vi.fn();
    const connecting = winner(failover([first, second], { onFailure }), first, second);
    await pass(2_999);
    expect(second.attempts).toBe(0);
    expect(first.signal!.aborted).toBe(false);
    await pass(1);
    expect(await connecting).toBe(1);
    const message = "Cannot connect: the application did not answer for 3000 ms";
    expect(onFailure.mock.calls).toEqual([
      [expect.objectContaining({ code: "timeout", limit: "attemptTimeout", message }), first],
    ]);
    expect(first.signal!.reason).toBe(onFailure.mock.calls[0]![0]);
    first.settle("up");
    await pass(0);
    expect(first.connection!.isClosed).toBe(true);
    expect(second.connection!.isClosed).toBe(false);
  });

  it.each([failover, roundRobin])(
    "%o names no alternative to a connection that is none of its applications'",
    async (compose) => {
      const [first, second] = [new Backend(), new Backend()];
      const connector = compose([first, second]);
      const overloaded = new FastCgiError("overloaded", "It is overloaded");
      const own = await connector.connect(noSignal());
      const alternative = connector.alternativeTo!(own, overloaded)!;
      expect(await winner(alternative, first, second)).toBe(own === first.connection ? 1 : 0);
      for (const other of [connector, alternative]) {
        expect(other.alternativeTo!(connectionPair()[0], overloaded)).toBeNull();
      }
      expect(alternative.alternativeTo!(own, overloaded)).toBeNull();
    },
  );

  it("failover has no timer left when a connection is open", async () => {
    const connector = failover([new Backend("down"), new Backend()]);
    await connector.connect(noSignal());
    expect(vi.getTimerCount()).toBe(0);
  });

  it("failover waits for as long as it takes when attemptTimeout is Infinity", async () => {
    const [first, second] = [new Backend("silent"), new Backend()];
    const connecting = winner(failover([first, second], { attemptTimeout: Number.POSITIVE_INFINITY }), first, second);
    await pass(1_000_000);
    first.settle("up");
    expect(await connecting).toBe(0);
  });

  it("failover rejects with all that went wrong when every connector fails", async () => {
    const [first, second] = [new Backend("down"), new Backend("silent")];
    const failing = failureOf(failover([first, second]).connect(noSignal()));
    await pass(3_000);
    const error = (await failing) as FastCgiError;
    expect(error).toMatchObject({ name: "FastCgiError", code: "connectFailed", gatewayStatus: 502 });
    expect(error.message).toBe(
      "Cannot connect: all 2 connectors failed: Cannot connect: nothing listens there; " +
        "Cannot connect: the application did not answer for 3000 ms",
    );
    expect((error.cause as AggregateError).errors).toEqual([first.error, expect.objectContaining({ code: "timeout" })]);
  });

  it("failover takes a connector that throws for one that failed", async () => {
    const thrown = "no error at all";
    const broken: Connector = {
      connect: () => {
        throw thrown;
      },
    };
    const second = new Backend();
    const onFailure = vi.fn();
    expect(await winner(failover<Connector>([broken, second], { onFailure }), second)).toBe(0);
    expect(onFailure).toHaveBeenCalledWith(thrown, broken);
    expect(await failureOf(failover([broken]).connect(noSignal()))).toMatchObject({
      code: "connectFailed",
      message: "Cannot connect: all 1 connectors failed: no error at all",
    });
  });

  it.each(["down", "up"] as const)("failover rejects with the reason of its signal (then %s)", async (later) => {
    const [first, second] = [new Backend("silent"), new Backend()];
    const onFailure = vi.fn();
    const connector = failover([first, second], { onFailure });
    const abort = new AbortController();
    const reason = new Error("no longer wanted");
    const connecting = failureOf(connector.connect({ signal: abort.signal }));
    await pass(0);
    abort.abort(reason);
    expect(await connecting).toBe(reason);
    expect(first.signal!.reason).toBe(reason);
    expect(vi.getTimerCount()).toBe(0);
    first.settle(later);
    await pass(0);
    expect(first.connection?.isClosed).toBe(later === "up" ? true : undefined);
    // That says nothing about the application.
    expect(second.attempts).toBe(0);
    expect(onFailure).not.toHaveBeenCalled();
    first.state = "up";
    expect(await winner(connector, first, second)).toBe(0);
  });

  it("an aborted connection leaves coolDown as it was", async () => {
    const [first, second] = [new Backend("down"), new Backend()];
    const connector = failover([first, second]);
    await winner(connector);
    await pass(10_000);
    first.state = "silent";
    const abort = new AbortController();
    const connecting = failureOf(connector.connect({ signal: abort.signal }));
    await pass(0);
    abort.abort();
    await connecting;
    first.state = "up";
    expect(await winner(connector, first, second)).toBe(0);
  });

  it("failover asks nobody when its signal has fired, also between two attempts", async () => {
    const [first, second] = [new Backend("down"), new Backend()];
    const reason = new Error("no longer wanted");
    expect(await failureOf(failover([first]).connect({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(first.attempts).toBe(0);
    const abort = new AbortController();
    const connector = failover([first, second], { onFailure: () => abort.abort(reason) });
    expect(await failureOf(connector.connect({ signal: abort.signal }))).toBe(reason);
    expect(second.attempts).toBe(0);
  });

  it("failover rejects with the reason of its signal when that fires while a connector fails", async () => {
    const abort = new AbortController();
    const reason = new Error("no longer wanted");
    const failing: Connector = {
      connect: () => {
        const failed = Promise.reject(new Error("from the connector"));
        // Runs after the failure is known, and before the library has acted on it.
        failed.catch(() => queueMicrotask(() => abort.abort(reason)));
        return failed;
      },
    };
    expect(await failureOf(failover([failing]).connect({ signal: abort.signal }))).toBe(reason);
  });

  it("failover has let go of its signal when a connection is open", async () => {
    const first = new Backend();
    const abort = new AbortController();
    await failover([first]).connect({ signal: abort.signal });
    abort.abort();
    expect(first.signal!.aborted).toBe(false);
    expect(first.connection!.isClosed).toBe(false);
  });

  it("failover goes on when onFailure throws", async () => {
    const [first, second] = [new Backend("down"), new Backend()];
    const thrown = new Error("from onFailure");
    const connector = failover([first, second], {
      onFailure: () => {
        throw thrown;
      },
    });
    const reasons = await unhandledRejectionsOf(async () => {
      expect(await winner(connector, first, second)).toBe(1);
    });
    expect(reasons).toEqual([thrown]);
  });

  it("failover can be made of connectors that were made the same way", async () => {
    const [first, second, third] = [new Backend("down"), new Backend("down"), new Backend()];
    const connector = failover([failover([first, second]), third]);
    expect(await winner(connector, first, second, third)).toBe(2);
  });
});

describe("roundRobin", () => {
  it("roundRobin takes the connectors in turn", async () => {
    const backends = [new Backend(), new Backend(), new Backend()];
    const connector = roundRobin(backends);
    const winners: number[] = [];
    for (let i = 0; i < 7; i++) winners.push(await winner(connector, ...backends));
    expect(winners).toEqual([0, 1, 2, 0, 1, 2, 0]);
  });

  it("roundRobin takes them in turn when connections are asked for at the same time", async () => {
    const backends = [new Backend("silent"), new Backend("silent")];
    const connector = roundRobin(backends);
    void connector.connect(noSignal());
    void connector.connect(noSignal());
    expect(backends.map((backend) => backend.attempts)).toEqual([1, 1]);
    for (const backend of backends) backend.settle("up");
  });

  it("roundRobin gives a connector that is named twice two turns, and one attempt for each connection", async () => {
    const [large, small] = [new Backend(), new Backend()];
    const connector = roundRobin([large, large, small]);
    const winners: number[] = [];
    for (let i = 0; i < 6; i++) winners.push(await winner(connector, large, small));
    expect(winners).toEqual([0, 0, 1, 0, 0, 1]);
    large.state = "down";
    expect(await winner(connector, large, small)).toBe(1);
    expect(large.attempts).toBe(5);
  });

  it("roundRobin passes over a connector that failed", async () => {
    const [first, second, third] = [new Backend(), new Backend("down"), new Backend()];
    const connector = roundRobin([first, second, third]);
    const winners: number[] = [];
    for (let i = 0; i < 6; i++) winners.push(await winner(connector, first, second, third));
    expect(winners).toEqual([0, 2, 2, 0, 2, 2]);
    expect(second.attempts).toBe(1);
  });

  it("roundRobin keeps its connectors when the array changes", async () => {
    const first = new Backend();
    const backends = [first];
    const connector = roundRobin(backends);
    backends.pop();
    expect(await winner(connector, first)).toBe(0);
  });
});

describe.each([
  ["failover", failover],
  ["roundRobin", roundRobin],
])("%s", (name, compose) => {
  it(`${name} has the preset of its first connector`, () => {
    const preset = { params: { X: "1" } };
    const first: FastCgiHttpConnector = { preset, connect: () => new Backend().connect(noSignal()) };
    const second: FastCgiHttpConnector = { ...first, preset: { params: { X: "2" } } };
    const composed: FastCgiHttpConnector = compose([first, second]);
    expect(composed.preset).toBe(preset);
    expect(compose([new Backend()])).not.toHaveProperty("preset");
  });

  it(`${name} throws when there is no connector, or an option can't be`, () => {
    const message = "Cannot compose connectors: expected at least one, got none";
    expect(() => compose([])).toThrow(new TypeError(message));
    expect(() => compose([new Backend()], { attemptTimeout: 0 })).toThrow(RangeError);
    expect(() => compose([new Backend()], { coolDown: -1 })).toThrow(RangeError);
    expect(() => compose([new Backend()], { coolDown: "1" as unknown as number })).toThrow(TypeError);
  });
});
