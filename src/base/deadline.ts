/** The longest delay of a timer: 2³¹ − 1 ms. A timer with a longer one would fire at once. */
const MAX_DELAY = 0x7fff_ffff;

/**
 * Milliseconds by which a timer is late when the process has stood still meanwhile: it was stopped, the machine slept, or a program kept
 * the event loop busy.
 */
const LATE = 20;

/** How often such a timer is set again, for what came meanwhile to be read. Once is too few where sockets are looked at after the timers. */
const EXTENSIONS = 3;

/** Milliseconds for which it is set. */
const EXTENSION = 10;

/**
 * A timeout that is restarted often. A restart only stores the new time; one timer runs, and reads that time when it
 * fires.
 *
 * A deadline can serve several timeouts of which one runs at a time. `restart` says which one, and `onExpire` is told.
 *
 * When a process goes on that stood still, the timers that ran out meanwhile are the first to fire, before what came in time is read. So a
 * timer that is late is set again, for a moment: what is read then can restart the deadline.
 */
export class Deadline<What = void> {
  readonly #onExpire: (what: What) => void;
  #what: What | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #firesAt = 0;
  #delay = 0;
  #extensions: number | null = null;
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

  /** @param extensions How often it is set again if the deadline has expired then; null if that depends on how late it fires. */
  #arm(delay: number, extensions: number | null = null): void {
    const wait = Math.min(delay, MAX_DELAY);
    this.#firesAt = performance.now() + wait;
    this.#extensions = extensions;
    this.#timer = setTimeout(Deadline.#fire, wait, this);
  }

  /** One function for all timers: each idle connection has one. */
  static #fire<What>(deadline: Deadline<What>): void {
    deadline.#check(deadline.#extensions);
  }

  #check(extensions: number | null): void {
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
    const more = extensions ?? (now - this.#firesAt > LATE ? EXTENSIONS : 0);
    if (more > 0) {
      this.#arm(EXTENSION, more - 1);
      return;
    }
    this.stop();
    this.#onExpire(this.#what as What);
  }
}
