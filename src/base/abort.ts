// Runs work that ends when an AbortSignal aborts.

/** Runs `attempt` with a new AbortController that also aborts when `signal` does. */
export async function withController<Result>(
  signal: AbortSignal | undefined,
  attempt: (controller: AbortController) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal!.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await attempt(controller);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * Settles as `work` does, or rejects with the signal's reason as soon as that aborts. `work` itself may go on after
 * that.
 *
 * @param discard Called with the result of `work` if it comes after the abort.
 */
export function orAbort<Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
  discard: (late: Result) => unknown = () => {},
): Promise<Result> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    const settle = (): void => signal.removeEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    const settled = work.then(
      (result) => {
        settle();
        return signal.aborted ? discard(result) : resolve(result);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
    // An error of `discard` has no receiver: the promise was rejected before.
    settled.catch(() => {});
  });
}
