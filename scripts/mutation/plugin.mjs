// A test runner of Stryker. Stryker's own one for vitest starts a worker for each change, which takes a second of CPU time; and it takes a
// run in which no test ran for one in which no test failed, so that changes survive by chance (stryker-js issues 6073 and 6213).
//
// This one keeps its worker. So that a change can't harm the next one, a change counts as noticed only if the test that failed passes
// without it. Otherwise it is tried again with all modules loaded anew.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { declareClassPlugin, PluginKind } from "@stryker-mutator/api/plugin";
import {
  DryRunStatus,
  determineHitLimitReached,
  TestStatus,
  toMutantRunResult,
} from "@stryker-mutator/api/test-runner";
import { createVitest } from "vitest/node";
import { CHANNEL } from "./channel.mjs";
import { UnnoticedReporter } from "./unnoticed.mjs";

/** In the folder in which Stryker runs the tests: the milliseconds that each test took without a change. */
const DURATIONS_FILE = "mutation_durations.json";

/** Stryker lets a loop run so many times as often as is needed to see that it does not end. */
const TOO_PATIENT = 20;

class OneWorkerRunner {
  #vitest;
  #files = [];
  #channel;
  /** The end of the worker; null if there is none. */
  #running = null;
  /** The milliseconds that each test took without a change. */
  #durations = new Map();
  /** Whether the modules of the worker were loaded with a change in them, or may hold what it left. */
  #isStale = false;
  /** Takes the next message of the worker. */
  #take = () => {};

  capabilities() {
    // It loads modules anew by itself.
    return { reloadEnvironment: true };
  }

  async init() {
    process.env.NODE_ENV = "test";
    process.env.VITEST = "1";
    this.#channel = new BroadcastChannel(CHANNEL);
    this.#channel.onmessage = ({ data }) => this.#take(data);
    this.#vitest = await createVitest("test", { config: "vitest.mutation.config.ts", watch: false });
    const specifications = await this.#vitest.globTestSpecifications();
    this.#files = specifications.map(({ moduleId }) => moduleId);
    // Behind a change with which a loop had no end, Stryker goes on with a new process, which has no run without a change.
    if (!existsSync(DURATIONS_FILE)) return;
    this.#durations = new Map(JSON.parse(readFileSync(DURATIONS_FILE, "utf8")));
    await this.#startWorker();
  }

  async dryRun() {
    await this.#startWorker();
    const result = await this.#run({ files: this.#files, tests: null, bails: false });
    if (result.error !== undefined) return { status: DryRunStatus.Error, errorMessage: result.error };
    for (const { id, duration } of result.tests) this.#durations.set(id, duration);
    writeFileSync(DURATIONS_FILE, JSON.stringify([...this.#durations]));
    return { ...completed(result), mutantCoverage: result.coverage ?? { static: {}, perTest: {} } };
  }

  async mutantRun({ activeMutant, testFilter, hitLimit: most, mutantActivation }) {
    // For Stryker a loop is endless when it has run a hundred times as often as in all tests without a change: up to a minute for a decoder.
    const hitLimit = most === undefined ? undefined : Math.ceil(most / TOO_PATIENT);
    const tests = testFilter ?? null;
    const paths = tests === null ? null : new Set(tests.map(fileOf));
    const files = this.#filesFor(activeMutant.fileName).filter((file) => paths === null || paths.has(file));
    const patience = files.map((file) => this.#patience(file, tests));
    const run = { files, tests, mutant: activeMutant.id, hitLimit, bails: true, patience };
    const isStatic = mutantActivation === "static" || this.#isStale;
    const first = await this.#run({ ...run, reloads: isStatic });
    this.#isStale = mutantActivation === "static";
    if (isStatic || (await this.#isTrue(first))) return verdictOf(first, hitLimit);
    this.#isStale = true;
    return verdictOf(await this.#run({ ...run, reloads: true }), hitLimit);
  }

  /** The test files, first those that are named like the file. */
  #filesFor(source) {
    const isNamed = (file) => basename(file).startsWith(basename(source, ".ts"));
    return [...this.#files].sort((a, b) => isNamed(b) - isNamed(a));
  }

  /** A change that makes a test hang is noticed by the time that it takes: far more than any of its file without a change. */
  #patience(file, tests) {
    const durations = [...this.#durations]
      .filter(([id]) => fileOf(id) === file && (tests === null || tests.includes(id)))
      .map(([, duration]) => duration);
    return 3_000 + 5 * Math.max(0, ...durations);
  }

  /** Whether a test has failed that passes without the change. */
  async #isTrue({ tests = [] }) {
    const failed = tests.find(({ state }) => state === "fail");
    if (failed === undefined) return false;
    const files = [fileOf(failed.id)];
    const without = await this.#run({ files, tests: [failed.id], bails: true });
    return without.tests?.length > 0 && without.tests.every(({ state }) => state !== "fail");
  }

  async dispose() {
    await this.#endWorker();
    this.#channel?.close();
    await this.#vitest?.close();
  }

  async #startWorker() {
    await this.#endWorker();
    const ready = this.#next();
    // Any file will do: the worker does not load it.
    this.#running = this.#vitest.start([this.#files[0]]);
    await Promise.race([
      ready,
      this.#running.then(() => Promise.reject(new Error("Cannot run tests: the worker has ended"))),
    ]);
  }

  async #endWorker() {
    if (this.#running === null) return;
    this.#channel.postMessage({ is: "end" });
    await this.#running;
    this.#running = null;
    this.#vitest.state.filesMap.clear();
  }

  async #run(what) {
    const result = this.#next();
    this.#channel.postMessage({ is: "run", ...what });
    return result;
  }

  #next() {
    return new Promise((settle) => {
      this.#take = settle;
    });
  }
}

/** The file of a test. */
function fileOf(id) {
  return resolve(id.split("#")[0]);
}

function completed({ tests }) {
  return {
    status: DryRunStatus.Complete,
    tests: tests.map(({ id, name, state, failure, duration }) => ({
      id,
      name,
      timeSpentMs: duration,
      ...(state === "fail"
        ? { status: TestStatus.Failed, failureMessage: failure ?? "failed" }
        : { status: state === "pass" ? TestStatus.Success : TestStatus.Skipped }),
    })),
  };
}

function verdictOf(result, hitLimit) {
  if (result.error !== undefined) return toMutantRunResult({ status: DryRunStatus.Error, errorMessage: result.error });
  return toMutantRunResult(determineHitLimitReached(result.hitCount, hitLimit) ?? completed(result));
}

export const strykerPlugins = [
  declareClassPlugin(PluginKind.TestRunner, "one-worker", OneWorkerRunner),
  declareClassPlugin(PluginKind.Reporter, "unnoticed", UnnoticedReporter),
];
