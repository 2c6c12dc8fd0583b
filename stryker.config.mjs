// Used by npm run mutation, which adds the files and their tests.
/** @type {import("@stryker-mutator/api/core").PartialStrykerOptions} */
export default {
  testRunner: "one-worker",
  plugins: ["./scripts/mutation/plugin.mjs"],
  testRunnerNodeArgs: ["--expose-gc"],
  coverageAnalysis: "perTest",
  concurrency: 1,
  // vitest removes types without a look at them.
  disableTypeChecks: false,
  checkers: [],
  reporters: ["progress-append-only", "unnoticed"],
  allowConsoleColors: false,
  // Reached by what hangs only.
  timeoutMS: 10_000,
  dryRunTimeoutMinutes: 30,
  ignorePatterns: ["bench", "cli", "examples", "scripts/runtimes", "dist", "coverage"],
};
