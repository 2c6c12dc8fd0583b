/** A request that was not answered as it should be. */
export interface LoadFailure {
  readonly id: number;
  readonly reason: string;
}

export interface Load {
  readonly failures: readonly LoadFailure[];
  /** Who answered, of all who did. */
  readonly answeredBy: ReadonlySet<string>;
  /** The requests that are being answered. */
  running(): Set<number>;
  /** Requests that were due and were not sent, because too many were running: the rate was not reached. */
  leftOut(): number;
  /** Resolves when so many more requests were answered or failed. */
  more(requests: number): Promise<void>;
  /** Sends no more, and waits for what was sent. */
  stop(): Promise<void>;
}

/** Requests at once, unless a test says otherwise. */
const MAX_RUNNING = 50;

/**
 * Sends requests at a steady rate, whether the ones before were answered or not. `ask` sends one, checks the answer, and says who
 * answered; the number is of the request. Beyond `maxRunning` requests at once the rate falls: a machine that can't keep up is not what
 * is tested.
 */
export function startLoad(
  requestsPerSecond: number,
  ask: (id: number) => Promise<string>,
  maxRunning: number = MAX_RUNNING,
): Load {
  const running = new Map<number, Promise<void>>();
  const failures: LoadFailure[] = [];
  const answeredBy = new Set<string>();
  let sent = 0;
  let leftOut = 0;
  let done = 0;
  let wake = (): void => {};

  const send = async (id: number): Promise<void> => {
    try {
      answeredBy.add(await ask(id));
    } catch (error) {
      failures.push({ id, reason: String(error) });
    }
    done++;
    wake();
  };
  const started = performance.now();
  let due = 0;
  const timer = setInterval(() => {
    // What a late timer has missed is sent now, but not what found too many running: it is left out.
    const now = Math.floor(((performance.now() - started) * requestsPerSecond) / 1000);
    for (; due < now; due++) {
      if (running.size >= maxRunning) {
        leftOut++;
        continue;
      }
      const id = ++sent;
      running.set(
        id,
        send(id).finally(() => running.delete(id)),
      );
    }
  }, 1000 / requestsPerSecond);

  return {
    failures,
    answeredBy,
    running: () => new Set(running.keys()),
    leftOut: () => leftOut,
    async more(requests) {
      const goal = done + requests;
      while (done < goal) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(running.values());
    },
  };
}
