// Work that an AbortSignal ends.

/** Runs `attempt` with a controller of its own, which also aborts with `signal`. */
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
 * What `work` comes to, or the signal's reason as soon as it is aborted, also where the work can't be given up.
 *
 * @param discard Gets what comes too late.
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
    // Nobody is left to hear of what can't be discarded.
    settled.catch(() => {});
  });
}
