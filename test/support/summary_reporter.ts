import type { Reporter, TestModule } from "vitest/node";

/**
 * Closes a run with plain lines that any tool can read: one for each test that skips itself, with its reason, and
 * `N passed, N failed, N skipped`.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped: string[] = [];
    const count = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) count.failed++;
      for (const test of module.children.allTests()) {
        const { state, note } = test.result() as { state: "passed" | "failed" | "skipped" | "pending"; note?: string };
        if (state === "skipped" && note !== undefined) skipped.push(`skipped: ${test.name}: ${note}\n`);
        if (state === "pending") count.failed++;
        else count[state]++;
      }
    }
    process.stdout.write(
      `\n${skipped.join("")}${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`,
    );
  }
}
