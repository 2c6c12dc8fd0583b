import { waitUntil } from "./process.ts";

/** Milliseconds without a change. */
const QUIET = 250;

/**
 * Waits until a number has stopped growing, for a bound that holds wherever it stops: on a machine where it only pauses the test is
 * milder, and never wrong.
 */
export async function stable(value: () => number): Promise<number> {
  let [last, since] = [-1, 0];
  await waitUntil(() => {
    const now = value();
    if (now !== last) [last, since] = [now, Date.now()];
    return Date.now() - since > QUIET;
  });
  return last;
}
