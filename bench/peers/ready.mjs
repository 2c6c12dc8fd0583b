// How a program of the bench talks to the runner.

/** The address in the arguments: `/path` or `host:port`, as `listen` and `connect` of node:net take it. */
export function targetOf(address) {
  if (address.startsWith("/")) return { path: address };
  const [host, port] = address.split(":");
  return { host, port: Number(port) };
}

/** Says that the program can be used. */
export function ready() {
  // By way of `exit`, so that a profile is written.
  process.on("SIGTERM", () => process.exit(0));
  process.stdout.write("ready\n");
}

/**
 * The loop of a program that does the work itself: for each line of stdin, a number of seconds, `run` works for so long, and
 * one line of JSON with what it did and the CPU time it took goes to stdout.
 */
export async function rounds(run) {
  ready();
  let text = "";
  for await (const chunk of process.stdin) {
    text += chunk;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const seconds = Number(text.slice(0, end));
      text = text.slice(end + 1);
      const before = process.cpuUsage();
      const start = performance.now();
      const { count, errors = 0, p99 = null, firstError = null, bytes = null } = await run(seconds);
      const took = (performance.now() - start) / 1000;
      const { user, system } = process.cpuUsage(before);
      const result = { count, errors, p99, firstError, bytes, seconds: took, cpu: user + system };
      process.stdout.write(`${JSON.stringify(result)}\n`);
    }
  }
  process.exit(0);
}

/** `exchange` again and again, `width` of them at once. Each resolves when its answer was checked, or rejects. */
export async function concurrently(width, seconds, exchange) {
  const end = performance.now() + seconds * 1000;
  const latencies = [];
  let errors = 0;
  let firstError = null;
  const loop = async () => {
    for (let now = performance.now(); now < end; ) {
      const start = now;
      try {
        await exchange();
        now = performance.now();
        latencies.push(now - start);
      } catch (error) {
        errors++;
        firstError ??= String(error?.stack ?? error);
        now = performance.now();
        // What fails at once must not keep everything else from running.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  };
  await Promise.all(Array.from({ length: width }, loop));
  latencies.sort((a, b) => a - b);
  const p99 = latencies.length === 0 ? null : latencies[Math.floor((latencies.length - 1) * 0.99)] * 1000;
  return { count: latencies.length, errors, firstError, p99 };
}

/** `work` again and again in batches; it says how many units a call did. For what is synchronous, or nearly so. */
export async function repeatedly(seconds, work) {
  const end = performance.now() + seconds * 1000;
  let count = 0;
  do {
    count += await work();
  } while (performance.now() < end);
  return { count };
}
