import { setImmediate } from "node:timers";
import { Rejections } from "./rejections.ts";

interface Timer {
  readonly at: number;
  readonly call: () => void;
  /** Whether it is the fuzzer's own. */
  readonly isOwn: boolean;
}

/** Marks the timers of {@linkcode pause}. */
const OWN = Symbol("own");

/**
 * A clock that goes when it is told to. It stands in for the timers and `performance.now` of the runtime, without a test runner, so that
 * fuzzing is the same on every runtime.
 */
export class FakeClock {
  readonly #timers = new Map<number, Timer>();
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  #now = 1_000;
  #lastId = 0;

  /** Takes the place of the runtime's clock. */
  install(): void {
    const set = (call: (...args: unknown[]) => void, delay = 0, ...args: unknown[]): number => {
      this.#timers.set(++this.#lastId, {
        at: this.#now + Math.max(1, delay),
        call: () => call(...args),
        isOwn: args[0] === OWN,
      });
      return this.#lastId;
    };
    Object.assign(globalThis, { setTimeout: set, clearTimeout: (id: number) => void this.#timers.delete(id) });
    Object.defineProperty(performance, "now", { value: () => this.#now, configurable: true });
  }

  /** Gives the runtime its clock back. */
  uninstall(): void {
    Object.assign(globalThis, this.#real);
    Reflect.deleteProperty(performance, "now");
  }

  /** Timers of the library that run. */
  get pending(): number {
    return [...this.#timers.values()].filter(({ isOwn }) => !isOwn).length;
  }

  /** Lets `milliseconds` pass, and all that follows from it happen. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await turns(ROUNDS);
    for (;;) {
      const next = this.#next();
      if (next === null || this.#timers.get(next)!.at > end) break;
      const { at, call } = this.#timers.get(next)!;
      this.#timers.delete(next);
      this.#now = at;
      call();
      await turns(ROUNDS);
    }
    this.#now = end;
  }

  /** Lets the time come at which the next timer of the library fires, which it does before this returns. */
  fire(): void {
    const timers = [...this.#timers].filter(([, { isOwn }]) => !isOwn).sort(([, a], [, b]) => a.at - b.at);
    const [next] = timers;
    if (next === undefined) return;
    const [id, { at, call }] = next;
    this.#timers.delete(id);
    this.#now = Math.max(this.#now, at);
    call();
  }

  /** The timer that fires first. */
  #next(): number | null {
    let first: number | null = null;
    for (const [id, { at }] of this.#timers) if (first === null || at < this.#timers.get(first)!.at) first = id;
    return first;
  }
}

/** Lets what waits for no timer go on by some rounds of the event loop. */
export async function turns(count: number = 2): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextRound();
}

function nextRound(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/**
 * Rounds of the event loop that are enough for all that waits for no timer: reading a Blob takes the most, several on
 * Node 24 and later, and the library reads one for comparison.
 *
 * The rounds are counted because no event tells when all is done: the promises that are under way are the library's own, and
 * the runtime reads a Blob outside of JavaScript. If the count were too low, timers would fire earlier than they would beside
 * a real clock. That is an order that can also happen on a slow machine, so a conversation would be another one, and its
 * rules would hold all the same.
 */
const ROUNDS = 2 + (await roundsOfBlob());

async function roundsOfBlob(): Promise<number> {
  let isRead = false;
  const reading = new Response(new Blob(["a", "b", "c"]).stream()).arrayBuffer().then(() => {
    isRead = true;
  });
  let rounds = 0;
  for (; !isRead; rounds++) await nextRound();
  await reading;
  return rounds;
}

/** Waits on the clock of the runtime, or the one that stands in for it. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(() => resolve(), milliseconds, OWN));
}

/** Runs on a clock that goes when it is told to. Rejects if that leaves a rejection that nothing handles. */
export async function onFakeClock<Result>(run: (clock: FakeClock) => Promise<Result>): Promise<Result> {
  const clock = new FakeClock();
  const rejections = new Rejections();
  clock.install();
  rejections.start();
  try {
    const result = await run(clock);
    await turns();
    const [rejection] = rejections.take();
    if (rejection !== undefined) throw new Error("A rejection was not handled", { cause: rejection });
    return result;
  } finally {
    clock.uninstall();
    rejections.stop();
  }
}
