/** The longest delay of a timer: 2³¹ − 1 ms. A timer with a longer one would fire at once. */
const MAX_DELAY = 0x7fff_ffff;

/**
 * Milliseconds by which a timer is late when the process has stood still meanwhile: it was stopped, the machine slept, or a program kept
 * the event loop busy.
 */
const LATE = 20;

/**
 * Turns of the event loop in which what came meanwhile is read, and their milliseconds. Deno looks at its timers before it looks at its
 * sockets, which it leaves out while a timer is due.
 */
const CATCH_UP_TURNS = 3;
const CATCH_UP_TURN = 10;

/**
 * A timeout that is restarted often. A restart only stores the new time; one timer runs, and reads that time when it
 * fires.
 *
 * A deadline can serve several timeouts of which one runs at a time. `restart` says which one, and `onExpire` is told.
 *
 * A process that stood still finds the timers first that ran out meanwhile, and then the input that came in time. So a timer that is late
 * waits for some more turns of the event loop: what is read there can restart the deadline.
 */
export class Deadline<What = void> {
  readonly #onExpire: (what: What) => void;
  #what: What | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #firesAt = 0;
  #delay = 0;
  #expiresAt = Number.POSITIVE_INFINITY;

  constructor(onExpire: (what: What) => void) {
    this.#onExpire = onExpire;
  }

  /** Whether the timeout runs. */
  get isRunning(): boolean {
    return this.#expiresAt !== Number.POSITIVE_INFINITY;
  }

  /**
   * Starts the timeout, or starts it again.
   *
   * @param delay Milliseconds. `Infinity` never expires.
   * @param what What runs out: passed to `onExpire`.
   */
  restart(delay: number, what: What): void {
    this.#what = what;
    this.#delay = delay;
    this.#expiresAt = performance.now() + delay;
    if (!this.isRunning) return;
    if (this.#timer !== undefined && this.#firesAt <= this.#expiresAt) return;
    clearTimeout(this.#timer);
    this.#arm(delay);
  }

  /**
   * Stops the timeout. Its timer may fire once more and do nothing: keeping it is cheaper where a restart follows soon,
   * as most do.
   */
  stop(): void {
    this.#expiresAt = Number.POSITIVE_INFINITY;
  }

  /** Stops the timeout and its timer, which would keep a process alive. */
  dispose(): void {
    this.stop();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(delay: number, turns: number = CATCH_UP_TURNS): void {
    const wait = Math.min(delay, MAX_DELAY);
    this.#firesAt = performance.now() + wait;
    this.#timer = setTimeout(() => this.#check(turns), wait);
  }

  #check(turns: number): void {
    this.#timer = undefined;
    if (!this.isRunning) return;
    const now = performance.now();
    // In Workers this clock is the wall clock, which can be set back. No more than the whole delay is left.
    this.#expiresAt = Math.min(this.#expiresAt, now + this.#delay);
    const left = this.#expiresAt - now;
    if (left > 0) {
      this.#arm(left);
      return;
    }
    if (turns < CATCH_UP_TURNS ? turns > 0 : now - this.#firesAt > LATE) {
      this.#arm(CATCH_UP_TURN, turns - 1);
      return;
    }
    this.stop();
    this.#onExpire(this.#what as What);
  }
}
