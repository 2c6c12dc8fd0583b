// A listening socket that is closed resets what waits in its backlog, though it looks connected to those who wait.

/** Turns of the event loop without a connection after which nobody waits any more. */
const QUIET_TURNS = 3;

/** Waits until no more connections come, or until `limit` milliseconds have passed. `accepted` is how many have come. */
export async function untilQuiet(accepted: () => number, limit: number): Promise<void> {
  const end = performance.now() + limit;
  let before = accepted();
  for (let quiet = 0; quiet < QUIET_TURNS && performance.now() < end; ) {
    // From one timer to the next every runtime asks the system who has connected; Node then accepts one only.
    await new Promise((resolve) => setTimeout(resolve, 1));
    quiet = accepted() === before ? quiet + 1 : 0;
    before = accepted();
  }
}
