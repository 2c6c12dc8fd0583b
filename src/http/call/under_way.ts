import { SmallMap } from "../../base/small_map.ts";

/**
 * The objects that a `fetch` works on, until it has settled.
 *
 * A signal that follows another one, such as that of `new Request(input, { signal })` and of `AbortSignal.any`, is only
 * weakly held by that one: on Node it stops following once nothing else holds it. While a fetch waits for a hook, or
 * for a piece of a body, nothing else may hold it.
 */
const underWay = new SmallMap<object, object>();

/** Runs `work`, and keeps `subject` in memory until it has settled. */
export async function holding<Result>(subject: object, work: () => Promise<Result>): Promise<Result> {
  underWay.set(subject, subject);
  try {
    return await work();
  } finally {
    underWay.delete(subject);
  }
}
