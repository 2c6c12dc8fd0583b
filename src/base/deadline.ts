/** The longest delay that timers keep: 2³¹ − 1 ms. A longer one would fire at once. */
const MAX_DELAY = 0x7fff_ffff;

/**
 * A timeout that is pushed back often. Pushing it back only notes the time; one timer runs, and looks at the note when it
 * fires.
 *
 * One deadline may be for several things, of which only one runs at a time. It is told which when it is started, and says so when it
 * expires.
 */
export class Deadline<What = void> {
  readonly #onExpire: (what: What) => void;
  #what: What | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #firesAt = 0;
  #expiresAt = Number.POSITIVE_INFINITY;

  constructor(onExpire: (what: What) => void) {
    this.#onExpire = onExpire;
  }

  /** Whether the timeout runs. */
  get running(): boolean {
    return this.#expiresAt !== Number.POSITIVE_INFINITY;
  }

  /** Starts the timeout, or starts it anew. `delay` is in milliseconds; `Infinity` never expires. `what` is what runs out. */
  restart(delay: number, what: What): void {
    this.#what = what;
    this.#expiresAt = performance.now() + delay;
    if (!this.running) return;
    if (this.#timer !== undefined && this.#firesAt <= this.#expiresAt) return;
    clearTimeout(this.#timer);
    this.#arm(delay);
  }

  /** Stops the timeout. The timer may fire once more and do nothing: stopping and starting is the common case. */
  stop(): void {
    this.#expiresAt = Number.POSITIVE_INFINITY;
  }

  /** Stops the timeout and its timer, which would keep a process alive. */
  dispose(): void {
    this.stop();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(delay: number): void {
    const wait = Math.min(delay, MAX_DELAY);
    this.#firesAt = performance.now() + wait;
    this.#timer = setTimeout(() => this.#check(), wait);
  }

  #check(): void {
    this.#timer = undefined;
    if (!this.running) return;
    const left = this.#expiresAt - performance.now();
    if (left > 0) {
      this.#arm(left);
      return;
    }
    this.stop();
    this.#onExpire(this.#what as What);
  }
}
