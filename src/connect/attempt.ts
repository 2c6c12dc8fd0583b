import { orAbort } from "../base/abort.ts";
import { Deadline } from "../base/deadline.ts";
import { checkFunction, checkSignal } from "../base/unexpected.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { checkConnection, closeConnection, type FastCgiConnection } from "../transport/connection.ts";

/** The most milliseconds that an attempt may take, and the option that says so. */
export interface AttemptLimit {
  timeout: number;
  limit: string;
}

/**
 * Runs `attempt`, and aborts it with a `timeout` {@linkcode FastCgiError} when the time is over.
 *
 * @param controller Aborts the attempt.
 */
export async function withTimeLimit<Result>(
  controller: AbortController,
  { timeout, limit }: AttemptLimit,
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
 * Connects, or rejects with the signal's reason as soon as it aborts, even if `connect` can't cancel an attempt. A
 * connection that comes too late is closed.
 *
 * @throws {TypeError} If `connect` gives something else than a connection, or an argument is not what it must be.
 */
export async function connectOrAbort(
  connect: (signal: AbortSignal) => Promise<FastCgiConnection>,
  signal: AbortSignal,
): Promise<FastCgiConnection> {
  checkFunction(connect, "connect", false);
  checkSignal(signal, "Cannot connect", false);
  const connecting = async (): Promise<FastCgiConnection> => checkConnection(await connect(signal));
  return orAbort(connecting(), signal, closeConnection);
}
