// Runs the steps of `npm start` and `npm test`: plain Node, because it runs before any package is installed.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

export const projectFolder = fileURLToPath(new URL("..", import.meta.url));

/**
 * Runs a command in the project folder and resolves to its exit code: 128 + n when signal n ended it, as in a shell.
 * With `quiet` its output is shown only when it fails; `output` is where its pieces are kept.
 */
export function run(command, args, { env = process.env, quiet = false, output = [] } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: projectFolder,
      env,
      stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
    });
    child.stdout?.on("data", (chunk) => output.push(chunk));
    child.stderr?.on("data", (chunk) => output.push(chunk));
    const stopForwarding = forwardSignals(child);
    child.on("error", (error) => {
      stopForwarding();
      reject(new Error(`Cannot run ${command}: ${error.message}`));
    });
    child.on("close", (code, signal) => {
      stopForwarding();
      if (code !== 0) process.stderr.write(Buffer.concat(output));
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

/** Runs the npm that started us, so that a lock file is read by the version that the user chose. */
export function runNpm(args, options) {
  const cli = process.env.npm_execpath;
  return cli !== undefined && basename(cli) === "npm-cli.js"
    ? run(process.execPath, [cli, ...args], options)
    : run("npm", args, options);
}

/** While a child runs, it handles the signals: it stops in its own way, and this process ends with its exit code. */
function forwardSignals(child) {
  // A terminal sends Ctrl+C to the child as well. Sent once more, it would look like a second Ctrl+C.
  const onInterrupt = () => process.stdin.isTTY || child.kill("SIGINT");
  const onTerminate = () => child.kill("SIGTERM");
  process.on("SIGINT", onInterrupt).on("SIGTERM", onTerminate);
  return () => process.off("SIGINT", onInterrupt).off("SIGTERM", onTerminate);
}
