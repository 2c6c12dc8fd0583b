/**
 * What `fetch` works on, until it has settled.
 *
 * A signal that follows another one, as that of `new Request(input, { signal })` and of `AbortSignal.any` does, is held by that
 * one only weakly: on Node it stops following once nothing else holds it. Nothing else does where a fetch waits for a piece of
 * a body, or for a hook, that never comes.
 */
const underWay = new Set<object>();

/** Runs `work`, and holds `subject` until it has settled. */
export async function holding<Result>(subject: object, work: () => Promise<Result>): Promise<Result> {
  underWay.add(subject);
  try {
    return await work();
  } finally {
    underWay.delete(subject);
  }
}
