import { FastCgiError } from "../protocol/errors.ts";
import { type Connector, closeConnection, type FastCgiConnection } from "./connection.ts";
import { Deadline } from "./deadline.ts";

/** How long an attempt may take, in milliseconds, and the option that says so. */
export interface TimeLimit {
  timeout: number;
  limit: string;
}

/**
 * Runs `attempt`, and aborts it with a `timeout` {@linkcode FastCgiError} when the time is over.
 *
 * @param controller What the attempt is aborted by.
 */
export async function withTimeLimit<Result>(
  controller: AbortController,
  { timeout, limit }: TimeLimit,
  attempt: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { signal } = controller;
  signal.throwIfAborted();
  const deadline = new Deadline(() => {
    const message = `Cannot connect: the application did not answer for ${timeout} ms`;
    controller.abort(new FastCgiError("timeout", message, { limit }));
  });
  deadline.restart(timeout);
  try {
    return await attempt(signal);
  } finally {
    deadline.dispose();
  }
}

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

/**
 * Connects, or rejects with the signal's reason as soon as it is aborted, even where the connector can't give an attempt up. What comes
 * too late is closed.
 */
export function connectOrAbort(connector: Connector, signal: AbortSignal): Promise<FastCgiConnection> {
  return orAbort(connector.connect({ signal }), signal, closeConnection);
}
