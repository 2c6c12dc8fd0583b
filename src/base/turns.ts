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
