// When a listening socket is closed, the system resets the connections that wait to be accepted. Their clients believe that they are
// connected, and may have sent requests already. So those connections are accepted first.

/** After so many turns of the event loop without a new connection, none waits any more. */
const QUIET_TURNS = 3;

/** When to stop accepting, even if connections go on coming. */
export interface BacklogLimit {
  /** Milliseconds. */
  readonly time?: number;
  /** Connections: no more than so many can have waited. */
  readonly connections?: number;
}

/**
 * Waits until no more connections come, or until a limit is reached. `accepted` returns the number of connections so far.
 */
export async function untilQuiet(accepted: () => number, limit: BacklogLimit): Promise<void> {
  const { time = Number.POSITIVE_INFINITY, connections = Number.POSITIVE_INFINITY } = limit;
  const end = performance.now() + time;
  let before = accepted();
  const most = before + connections;
  for (let quiet = 0; quiet < QUIET_TURNS && before < most && performance.now() < end; ) {
    // Between two timers every runtime asks the system for new connections. Node accepts only one each time.
    await new Promise((resolve) => setTimeout(resolve, 1));
    quiet = accepted() === before ? quiet + 1 : 0;
    before = accepted();
  }
}
