// When a listening socket is closed, the system resets the connections that wait to be accepted. Their clients believe that they are
// connected, and may have sent requests already. So those connections are accepted first.

/** After so many turns of the event loop without a new connection, none waits any more. */
const QUIET_TURNS = 3;

/**
 * Waits until no more connections come, or until `limit` milliseconds have passed. `accepted` returns the number of
 * connections so far.
 */
export async function untilQuiet(accepted: () => number, limit: number): Promise<void> {
  const end = performance.now() + limit;
  let before = accepted();
  for (let quiet = 0; quiet < QUIET_TURNS && performance.now() < end; ) {
    // Between two timers every runtime asks the system for new connections. Node accepts only one each time.
    await new Promise((resolve) => setTimeout(resolve, 1));
    quiet = accepted() === before ? quiet + 1 : 0;
    before = accepted();
  }
}
