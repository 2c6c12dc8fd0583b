/**
 * Waits until `isOver` returns true, for so many turns of the microtask queue at most. A value that is on its way through a few promises
 * needs some turns; the shortest timer would take a millisecond.
 */
export async function waitTurns(turns: number, isOver: () => boolean): Promise<void> {
  for (let turn = 0; turn < turns && !isOver(); turn++) await null;
}
