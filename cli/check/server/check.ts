import { setTimeout as sleep } from "node:timers/promises";
import type { ListenTarget } from "../../../adapters/system/listen.ts";
import type { ConnectionAddress } from "../../../src/toolkit.ts";
import { unlessAborted } from "../../frame/signal.ts";
import type { Finding } from "../report/rule.ts";
import { listenFor } from "./listen.ts";
import type { ObservedRequest } from "./observed.ts";
import { Observer } from "./observer.ts";
import { sendProbes } from "./probes.ts";
import { judgeServer, pageFor } from "./report.ts";

/** How a web server is checked. */
export interface ServerCheckOptions {
  readonly target: ListenTarget;
  /** The URL of the web server, if this command sends the requests. */
  readonly url?: URL | undefined;
  /** The number of requests to wait for. */
  readonly requests: number;
  /** Ends the check. */
  readonly signal: AbortSignal;
}

export interface ServerCheckEvents {
  onListening?(address: ConnectionAddress | undefined): void;
  onRequest?(request: ObservedRequest): void;
  /** Called with this command's own requests that were not answered as they should be. */
  onRefused?(refused: readonly string[]): void;
}

/** Milliseconds that an abort may take to arrive. */
const ABORT_TIME = 3000;

/**
 * Acts as an application until the signal aborts, enough requests have come, or this command's own requests were sent.
 */
export async function checkServer(options: ServerCheckOptions, events: ServerCheckEvents = {}): Promise<Finding[]> {
  let count = 0;
  let isEnough!: () => void;
  const enough = new Promise<void>((resolve) => {
    isEnough = resolve;
  });
  let isAborted!: () => void;
  const aborted = new Promise<void>((resolve) => {
    isAborted = resolve;
  });
  const observer = new Observer({
    page: pageFor,
    onRequest(request) {
      events.onRequest?.(request);
      if (request.aborted !== null) isAborted();
      if (++count >= options.requests) isEnough();
    },
  });
  const listener = await listenFor(options.target, (connection) => void observer.serve(connection));
  try {
    events.onListening?.(listener.address);
    const over = unlessAborted(enough, options.signal);
    if (options.url === undefined) {
      await over;
    } else {
      events.onRefused?.(await sendProbes(options.url));
      // The abort of this command's own request arrives through the web server, if at all.
      await Promise.race([aborted, over, sleep(ABORT_TIME, undefined, { ref: false })]);
    }
  } finally {
    const stopped = listener.stop();
    await observer.close();
    await stopped;
  }
  return judgeServer(observer.connections);
}
