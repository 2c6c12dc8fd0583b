// Keeps workers running. It knows no processes: those are behind the interface Worker, so that all of this runs on the clock of a test.

/** A process that serves. */
export interface Worker {
  /** How messages name it. */
  readonly name: string;
  /** Resolves when it serves; rejects with the reason when it does not. */
  readonly ready: Promise<void>;
  /** Resolves with how it ended, such as "SIGKILL". */
  readonly exited: Promise<string>;
  /**
   * Ends it if it does not listen yet, and returns whether: its module may wait for something that never comes. Later it may have requests.
   */
  giveUp(): boolean;
  /** Asks it to finish what it has, and to end. */
  close(): void;
  /** Ends it at once. */
  kill(): void;
}

/** How many, and how they are made. */
export interface SupervisorOptions {
  readonly workers: number;
  fork(): Worker;
  /** Prints a line of the log. */
  report(line: string): void;
  /** Waits. */
  sleep(milliseconds: number): Promise<void>;
  /** Milliseconds of some clock. */
  now(): number;
}

/** A worker that lived for less than this, in milliseconds, has died at once. */
const QUICK_DEATH = 5000;
/** Milliseconds before a worker is replaced that has died at once: they double each time. */
const FIRST_DELAY = 200;
const MAX_DELAY = 30_000;

/** One of the places that workers have. */
interface Slot {
  worker: Worker;
  startedAt: number;
  /** How many workers in this place died at once, one after the other. */
  quickDeaths: number;
}

/** Starts workers, replaces those that die, and replaces all on demand. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: Slot[] = [];
  /** All workers that have not ended: in their places, on their way there, and told to end. */
  readonly #alive = new Set<Worker>();
  /** The successor that a reload waits for. */
  #next: Worker | null = null;
  /** Ends the wait for a worker that finishes. */
  #goOn = (): void => {};
  #reloading: Promise<boolean> | null = null;
  #reloadsAgain = false;
  #isClosed = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Starts all workers. Rejects, and leaves none, if one of them does not serve. */
  async start(): Promise<void> {
    const { workers, now } = this.#options;
    for (let i = 0; i < workers; i++) this.#slots.push({ worker: this.#fork(), startedAt: now(), quickDeaths: 0 });
    try {
      await Promise.all(this.#slots.map(({ worker }) => worker.ready));
    } catch (error) {
      // A call of `close` has ended those that did not serve yet, and lets the others finish.
      if (!this.#isClosed) {
        this.#isClosed = true;
        await this.#killAll();
      }
      throw error;
    }
    for (const slot of this.#slots) void this.#watch(slot, slot.worker);
  }

  /**
   * Replaces the workers one after the other: each goes when its successor serves. Without one that serves, it stays. A successor that
   * still loads the module is given up for one that loads it as it is now, and a worker that finishes is not waited for any longer.
   * Resolves with whether all were replaced.
   */
  reload(): Promise<boolean> {
    this.#reloadsAgain = this.#reloading !== null;
    this.#next?.giveUp();
    this.#goOn();
    this.#reloading ??= this.#reloadAll().finally(() => {
      this.#reloading = null;
    });
    return this.#reloading;
  }

  /** Lets all workers finish, and resolves when they have ended. `limit` ends them before. */
  async close(limit: Promise<void>): Promise<void> {
    this.#isClosed = true;
    for (const worker of this.#alive) this.#dismiss(worker);
    void limit.then(() => this.#killAll());
    await Promise.all([...this.#alive].map(({ exited }) => exited));
  }

  async #killAll(): Promise<void> {
    const workers = [...this.#alive];
    for (const worker of workers) worker.kill();
    await Promise.all(workers.map(({ exited }) => exited));
  }

  #fork(): Worker {
    const worker = this.#options.fork();
    this.#alive.add(worker);
    // Those that wait for it are told as well.
    worker.ready.catch(() => {});
    void worker.exited.then(() => this.#alive.delete(worker));
    return worker;
  }

  /** Lets a worker finish, or ends it if it has not begun. */
  #dismiss(worker: Worker): void {
    if (!worker.giveUp()) worker.close();
  }

  async #reloadAll(): Promise<boolean> {
    const { report, now } = this.#options;
    let areReplaced: boolean;
    do {
      this.#reloadsAgain = false;
      areReplaced = true;
      for (const slot of this.#slots) {
        if (this.#isClosed) return false;
        const next = this.#fork();
        const startedAt = now();
        this.#next = next;
        try {
          await next.ready;
        } catch (error) {
          if (!this.#isGivenUp()) report(`${(error as Error).message}; the workers before it go on`);
          areReplaced = false;
          break;
        } finally {
          this.#next = null;
        }
        // It was told to end together with all others.
        if (this.#isClosed) return false;
        const old = slot.worker;
        Object.assign(slot, { worker: next, startedAt, quickDeaths: 0 });
        this.#dismiss(old);
        report(`worker ${next.name} serves in place of worker ${old.name}`);
        void this.#watch(slot, next);
        await new Promise<void>((resolve) => {
          this.#goOn = resolve;
          void old.exited.then(() => resolve());
        });
      }
    } while (this.#reloadsAgain);
    return areReplaced;
  }

  /** Whether a successor that does not serve was ended by this class. */
  #isGivenUp(): boolean {
    return this.#reloadsAgain || this.#isClosed;
  }

  /** Replaces a worker when it dies. */
  async #watch(slot: Slot, worker: Worker): Promise<void> {
    const { report, sleep, now } = this.#options;
    const how = await worker.exited;
    // A reload has put another one in its place.
    if (this.#isClosed || slot.worker !== worker) return;
    const isQuick = now() - slot.startedAt < QUICK_DEATH;
    slot.quickDeaths = isQuick ? slot.quickDeaths + 1 : 0;
    const delay = isQuick ? Math.min(FIRST_DELAY * 2 ** (slot.quickDeaths - 1), MAX_DELAY) : 0;
    report(`worker ${worker.name} ended with ${how}; another one starts ${delay === 0 ? "now" : `in ${delay} ms`}`);
    if (delay > 0) await sleep(delay);
    if (this.#isClosed || slot.worker !== worker) return;
    const next = this.#fork();
    Object.assign(slot, { worker: next, startedAt: now() });
    next.ready.then(
      () => report(`worker ${next.name} serves`),
      (error) => report((error as Error).message),
    );
    await this.#watch(slot, next);
  }
}
