import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";

/**
 * Closes a run with plain lines that any tool can read: one for each test that skips itself, with its reason, and
 * `N passed, N failed, N skipped`.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped: string[] = [];
    const count = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      const notRun = notRunIn(module);
      count.failed += notRun.failures;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (notRun.tests.has(test) || state === "pending") {
          count.failed++;
          continue;
        }
        const note = noteOf(test);
        if (note !== undefined) skipped.push(`skipped: ${test.name}: ${note}\n`);
        count[state]++;
      }
    }
    process.stdout.write(
      `\n${skipped.join("")}${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`,
    );
  }
}

/** Why a test skips itself. */
function noteOf(test: TestCase): string | undefined {
  const { state, note } = test.result() as { state: string; note?: string };
  return state === "skipped" ? note : undefined;
}

/**
 * The tests that did not run because something before them failed: an import, a `beforeAll`. vitest calls them skipped, and a run
 * without a server would look as good as one with it. `failures` are those that kept no test from running, such as an `afterAll`.
 */
function notRunIn(module: TestModule): { tests: ReadonlySet<TestCase>; failures: number } {
  const tests = new Set<TestCase>();
  let failures = 0;
  const failed: (TestModule | TestSuite)[] = [module, ...module.children.allSuites()].filter(
    (group) => group.errors().length > 0,
  );
  for (const group of failed) {
    const before = tests.size;
    for (const test of group.children.allTests("skipped")) if (noteOf(test) === undefined) tests.add(test);
    if (tests.size === before) failures++;
  }
  return { tests, failures };
}
