import { defineConfig } from "vitest/config";
import base from "./vitest.config.ts";

/** How `npm run mutation` runs the tests of one room: see scripts/mutation/worker.mjs. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: (process.env.MUTATION_TESTS ?? "test/protocol/").split(" ").map((start) => `${start}*.test.ts`),
    // They take too long for a run with each change.
    exclude: ["test/codec/vectors_*", "test/codec/fuzz*", "test/**/memory*", "test/**/freed_memory*"],
    testNamePattern:
      /^(?!.*(when ids have come round|100 requests interleaved|closed behind|every recorded answer|little memory|in proportion|cost that grows))/,
    runner: "./scripts/mutation/worker.mjs",
    reporters: [{}],
    passWithNoTests: true,
    pool: "threads",
    maxWorkers: 1,
    isolate: false,
    // The process of Stryker's test runner has it, and its threads can't be given it.
    execArgv: [],
    setupFiles: [...base.test!.setupFiles!, "./scripts/mutation/setup.mjs"],
    env: { CUT_STEP: "97" },
  },
});
