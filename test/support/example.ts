import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type RunningProcess, startProcess, waitUntil } from "./process.ts";
import { createTemporaryDirectory } from "./temporary_directory.ts";

const projectFolder = fileURLToPath(new URL("../..", import.meta.url));

export interface Example extends RunningProcess {
  /** What it printed, without the slash at the end. */
  readonly url: string;
  /** Where it keeps temporary files. */
  readonly folder: string;
  /** What is in that folder. */
  leftovers(): string[];
}

/** Starts `examples/<name>/main.ts` as its README says, on a free port. `command` is the runtime with its arguments. */
export async function startExample(
  name: string,
  variables: NodeJS.ProcessEnv = {},
  [runtime, ...args]: readonly [string, ...string[]] = [process.execPath, "--import", "tsx"],
): Promise<Example> {
  const temporary = await createTemporaryDirectory("example");
  const { PHP_FPM: _, ...inherited } = process.env;
  let started: RunningProcess;
  try {
    started = await startProcess(runtime, {
      name: `the example ${name}`,
      args: [...args, `examples/${name}/main.ts`],
      cwd: projectFolder,
      env: { ...inherited, PORT: "0", TMPDIR: temporary.path, ...variables },
    });
  } catch (error) {
    await temporary.remove();
    throw error;
  }
  const { exited, stdout, stderr } = started;
  let ended: string | undefined;
  void exited.then((how) => {
    ended = how;
  });
  const stop = async (): Promise<void> => {
    await started.stop();
    await temporary.remove();
  };
  const pattern = new RegExp(`^${name}: (https?://127\\.0\\.0\\.1:\\d+)/`);
  try {
    await waitUntil(
      () => {
        if (ended !== undefined) throw new Error(`Cannot start the example ${name}: ended with ${ended}\n${stderr()}`);
        return pattern.test(stdout());
      },
      { message: `Cannot start the example ${name}: it printed no URL` },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  const leftovers = (): string[] => readdirSync(temporary.path).filter((entry) => !entry.startsWith("tsx-"));
  return { ...started, url: pattern.exec(stdout())![1]!, folder: temporary.path, leftovers, stop };
}
