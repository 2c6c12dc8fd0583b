/** Settles as the promise does, or rejects with the signal's reason when it aborts before. What the promise waits for goes on. */
export function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** Settles as the promise does; null if the signal aborts before. */
export function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value | null> {
  return untilAborted(promise, signal).catch((error) => {
    if (signal.aborted) return null;
    throw error;
  });
}

/** A signal that aborts with another one, or when `end` is called. */
export function endingWith(other: AbortSignal): { readonly signal: AbortSignal; readonly end: () => void } {
  const controller = new AbortController();
  const end = (): void => controller.abort();
  if (other.aborted) end();
  other.addEventListener("abort", end, { once: true });
  return { signal: controller.signal, end };
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
