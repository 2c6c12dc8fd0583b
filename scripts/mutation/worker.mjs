// What runs the tests of a mutation run, in a worker of vitest that stays: to start one for each change takes a second of CPU time, and the
// tests a few milliseconds. Test files are loaded anew for each run, modules of src/ only when they must be.
import { startTests } from "@vitest/runner";
import { getNames, getTests } from "@vitest/runner/utils";
import { vi } from "vitest";
import { VitestTestRunner } from "vitest/runners";
import { CHANNEL } from "./channel.mjs";

export default class MutationRunner extends VitestTestRunner {
  #isServing = false;
  /** The names of the tests to run; null for all. */
  #chosen = null;
  #hasFailed = false;
  #bails = false;
  #hasSetUp = false;

  async importFile(path, source) {
    // The file with which vitest started this worker: it only starts it.
    if (!this.#isServing) return;
    if (source === "setup") {
      if (this.#hasSetUp) return;
    } else {
      const module = this.workerState.evaluatedModules.getModuleById(path);
      if (module !== undefined) this.workerState.evaluatedModules.invalidateModule(module);
    }
    await super.importFile(path, source);
  }

  async onAfterRunFiles(files) {
    if (this.#isServing) return super.onAfterRunFiles(files);
    this.#isServing = true;
    // vitest need not know of these tests.
    this.onCollected = () => {};
    this.onTaskUpdate = () => {};
    this.onCollectStart = (file) => {
      this.workerState.current = file;
    };
    const channel = new BroadcastChannel(CHANNEL);
    await new Promise((resolve) => {
      channel.onmessage = async ({ data }) => {
        if (data.is === "end") resolve();
        else if (data.is === "run") {
          const result = await this.#run(data).catch((error) => ({ error: String(error?.stack ?? error) }));
          channel.postMessage({ is: "result", ...result });
        }
      };
      channel.postMessage({ is: "ready" });
    });
    channel.close();
  }

  async onBeforeRunTask(test) {
    if (this.#chosen !== null && !this.#chosen.has(idOf(test))) test.mode = "skip";
    if (this.#bails && this.#hasFailed) test.mode = "skip";
    if (test.mode === "run" || test.mode === "queued") globalThis.__stryker__.currentTestId = idOf(test);
    await super.onBeforeRunTask(test);
  }

  onAfterRunTask(test) {
    globalThis.__stryker__.currentTestId = undefined;
    this.#hasFailed ||= test.result.state === "fail";
    return super.onAfterRunTask(test);
  }

  /**
   * @param patience How long a test of each file may take, in milliseconds; as long as in any run if there is none.
   * @param reloads Whether all modules are loaded anew: those of src/ with the change in them.
   */
  async #run({ files, tests, mutant, hitLimit, bails, patience, reloads }) {
    if (reloads) vi.resetModules();
    globalThis.__stryker__ ??= {};
    const stryker = globalThis.__stryker__;
    Object.assign(stryker, { activeMutant: mutant, hitLimit, hitCount: hitLimit === undefined ? undefined : 0 });
    this.#chosen = tests === null ? null : new Set(tests);
    this.#hasFailed = false;
    this.#bails = bails;
    const results = [];
    for (const [index, path] of files.entries()) {
      if (bails && this.#hasFailed) break;
      if (patience !== undefined) this.config.testTimeout = patience[index];
      this.workerState.filepath = path;
      const [file] = await startTests([{ filepath: path }], this);
      this.#hasSetUp = true;
      const all = getTests(file);
      for (const test of all) {
        const { state, errors, duration = 0 } = test.result ?? {};
        if (state === undefined || (test.mode === "skip" && state !== "fail")) continue;
        results.push({
          id: idOf(test),
          name: getNames(test).slice(1).join(" "),
          state,
          failure: errors?.[0]?.message,
          duration,
        });
      }
      // The file could not be loaded, or a hook for all of its tests failed.
      if (file.result?.state === "fail" && !results.some(({ state }) => state === "fail")) {
        this.#hasFailed = true;
        const failure = file.result.errors?.[0]?.message ?? suiteFailure(file) ?? "failed";
        results.push({ id: `${path}#`, name: path, state: "fail", failure, duration: 0 });
      }
    }
    stryker.activeMutant = undefined;
    return { tests: results, hitCount: stryker.hitCount, coverage: stryker.mutantCoverage };
  }
}

function idOf(test) {
  return `${test.file.name}#${getNames(test).slice(1).join(" > ")}`;
}

function suiteFailure(suite) {
  for (const task of suite.tasks ?? []) {
    const found = task.result?.errors?.[0]?.message ?? suiteFailure(task);
    if (found !== undefined) return found;
  }
}
