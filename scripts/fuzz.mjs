// npm run fuzz -- <minutes> [--seed N] [--target name] [--path P] [--runtime node|bun|deno]: plays web servers and
// applications of every kind against the library, in memory, for the given time. A broken rule is printed with the line
// that replays it.
import { run } from "./run.mjs";
import { ensurePackages, requireRuntime } from "./setup.mjs";

const commands = {
  node: () => [process.execPath, "--expose-gc", "--import", "tsx"],
  bun: () => [requireRuntime("bun"), "--expose-gc"],
  deno: () => [requireRuntime("deno"), "run", "--quiet", "--allow-all", "--v8-flags=--expose-gc"],
};

try {
  await ensurePackages();
  const args = process.argv.slice(2);
  const at = args.indexOf("--runtime");
  const [, runtime = "node"] = at < 0 ? [] : args.splice(at, 2);
  if (!(runtime in commands)) throw new Error(`Cannot fuzz on ${runtime}: know ${Object.keys(commands).join(", ")}`);
  const [command, ...before] = commands[runtime]();
  process.exitCode = await run(command, [...before, "test/fuzz/main.ts", ...args]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
