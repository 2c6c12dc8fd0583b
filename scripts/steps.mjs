// Runs steps one after the other. A step that fails does not stop the next.

/**
 * Runs every step and prints which failed. Resolves with the exit code: the n-th step that failed adds 2 ** n, so that
 * the code names all that failed. After SIGINT or SIGTERM the run ends with the current step, with the code that a
 * shell would give.
 */
export async function runSteps(steps) {
  let interrupted = 0;
  const onInterrupt = () => {
    interrupted = 130;
  };
  const onTerminate = () => {
    interrupted = 143;
  };
  process.on("SIGINT", onInterrupt).on("SIGTERM", onTerminate);
  const results = [];
  for (const [index, { title, run }] of steps.entries()) {
    if (interrupted > 0) break;
    console.log(`\n== ${title} ==`);
    const start = performance.now();
    const code = await codeOf(run);
    const seconds = Math.round((performance.now() - start) / 1000);
    results.push({ title, code, seconds, bit: code === 0 ? 0 : 2 ** index });
  }
  process.off("SIGINT", onInterrupt).off("SIGTERM", onTerminate);

  console.log("\n== Steps ==");
  for (const { title, code, seconds } of results) {
    console.log(`${code === 0 ? "ok    " : "FAILED"} ${title} (${seconds} s${code === 0 ? "" : `, code ${code}`})`);
  }
  for (const { title } of steps.slice(results.length)) console.log(`NOT RUN ${title}`);
  return interrupted > 0 ? interrupted : results.reduce((sum, { bit }) => sum + bit, 0);
}

async function codeOf(run) {
  try {
    const code = await run();
    return typeof code === "number" ? code : 0;
  } catch (error) {
    console.error(error.message);
    return 1;
  }
}
