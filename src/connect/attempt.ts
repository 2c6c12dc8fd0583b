import { orAbort } from "../base/abort.ts";
import { Deadline } from "../base/deadline.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { checkConnection, closeConnection, type FastCgiConnection } from "../transport/connection.ts";

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

/**
 * Connects, or rejects with the signal's reason as soon as it is aborted, even where `connect` can't give an attempt up. What comes
 * too late is closed.
 *
 * @throws {TypeError} If what comes is no connection.
 */
export function connectOrAbort(
  connect: (signal: AbortSignal) => Promise<FastCgiConnection>,
  signal: AbortSignal,
): Promise<FastCgiConnection> {
  const connecting = async (): Promise<FastCgiConnection> => checkConnection(await connect(signal));
  return orAbort(connecting(), signal, closeConnection);
}
