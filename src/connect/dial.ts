import { messageOf } from "../base/message_of.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiConnection } from "../transport/connection.ts";
import { connectOrAbort, withTimeLimit } from "./attempt.ts";
import type { Connector } from "./connector.ts";

/** Milliseconds before the first retry. Each further retry waits four times as long, up to MOST_DELAY. */
const FIRST_DELAY = 50;
/** Short, because a Unix socket with a full queue of connections refuses at once (EAGAIN), and has room as soon as its application accepts. */
const MOST_DELAY = 500;

/** The options of a client that are about connecting. */
export interface DialOptions {
  readonly connectTimeout: number;
  readonly maxConnectRetries: number;
  readonly onRetry: (retry: { reason: "connect"; error: unknown; attempt: number }) => void;
}

/**
 * Opens a connection, and tries again if that fails: nothing has been sent yet, so a retry does no harm.
 *
 * @param controller Aborts the attempts.
 * @throws {FastCgiError} `connectFailed`, or `timeout` after `connectTimeout` in all.
 * @throws {unknown} The reason of `controller`.
 */
export function dial(
  connector: Connector,
  options: DialOptions,
  controller: AbortController,
): Promise<FastCgiConnection> {
  const limit = { timeout: options.connectTimeout, limit: "connectTimeout" };
  return withTimeLimit(controller, limit, (signal) => connectWithRetries(connector, options, signal));
}

async function connectWithRetries(
  connector: Connector,
  { maxConnectRetries, onRetry }: DialOptions,
  signal: AbortSignal,
): Promise<FastCgiConnection> {
  for (let retry = 1; ; retry++) {
    try {
      return await connectOrAbort((given) => connector.connect({ signal: given }), signal);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      const error = connectError(cause);
      // A wrong call fails every time.
      if (retry > maxConnectRetries || cause instanceof TypeError) throw error;
      onRetry({ reason: "connect", error, attempt: retry });
      await pause(Math.min(FIRST_DELAY * 4 ** (retry - 1), MOST_DELAY), signal);
    }
  }
}

function connectError(cause: unknown): FastCgiError {
  if (cause instanceof FastCgiError) return cause;
  return new FastCgiError("connectFailed", `Cannot connect: ${messageOf(cause)}`, { cause });
}

/** Resolves after `delay` milliseconds, or rejects with the reason of `signal`. */
function pause(delay: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, delay);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
