/**
 * Waits until `isOver` returns true, or for so many turns of the microtask queue without progress. A value that is on
 * its way through a few promises needs some turns; the shortest timer would take a millisecond.
 *
 * @param progress Returns a number that changes when there is progress. The turns are counted anew then.
 */
export async function waitTurns(turns: number, isOver: () => boolean, progress: () => number = () => 0): Promise<void> {
  let last = progress();
  for (let turn = 0; turn < turns && !isOver(); turn++) {
    await null;
    const now = progress();
    if (now === last) continue;
    last = now;
    turn = -1;
  }
}

/** A turn of the event loop, from when it is made. */
export class Turn {
  /** Resolves when all that is ready in this turn has been served; never after {@linkcode Turn.dispose}. */
  readonly over: Promise<void>;
  readonly #start = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(onOver: () => void) {
    this.over = new Promise((resolve) => {
      this.#timer = setTimeout(() => {
        onOver();
        resolve();
      });
    });
  }

  /** In milliseconds. */
  get age(): number {
    return performance.now() - this.#start;
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }
}
