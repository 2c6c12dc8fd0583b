/**
 * Waits until `isOver`, for so many turns of the microtask queue at most. What is about to come takes some turns through promises, and no
 * timer is short enough to wait for it.
 */
export async function waitTurns(turns: number, isOver: () => boolean): Promise<void> {
  for (let turn = 0; turn < turns && !isOver(); turn++) await null;
}
