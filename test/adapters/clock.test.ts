import { expect, it, onTestFinished } from "vitest";
import { runRuntimeProgram } from "../support/runtimes.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import type { RuntimeName } from "./battery/programs/adapter.ts";

it.each<RuntimeName>(["node", "bun", "deno"])(
  "serve and fetch on %s never read the wall clock, and go on when it steps by hours",
  async (runtime) => {
    const folder = await createTemporaryDirectory("clock");
    onTestFinished(() => folder.remove());
    expect(await runRuntimeProgram(runtime, "../../programs/stepping_clock.ts", folder.path)).toEqual({
      readByLibrary: 0,
      answers: ["answer"],
      connections: 2,
      failures: [["timeout", "headerTimeout"]],
      members: ["answer", "answer", "answer", "late"],
    });
  },
);
