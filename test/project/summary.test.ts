import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

const outcomes = `
describe("a server is missing", () => {
  beforeAll(() => { throw new Error("Cannot use nginx: not installed"); });
  it("1", () => {});
  describe("in a group", () => it("2", () => {}));
});
describe("a server does not stop", () => {
  afterAll(() => { throw new Error("Cannot stop nginx"); });
  it("3", () => {});
  it("4", ({ skip }) => skip("Bun has no such thing"));
});
it("5", () => expect(1).toBe(2));
`;

it("a run closes with what passed, failed and skipped itself, and a test that could not run has failed", async () => {
  const folder = await createTemporaryDirectory("summary");
  onTestFinished(() => folder.remove());
  await writeFile(join(folder.path, "outcomes.test.mjs"), outcomes);
  const args = ["run", "--globals", "--root", folder.path, `--reporter=${path("test/support/summary_reporter.ts")}`];
  const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>((resolve) => {
    execFile(process.execPath, [path("node_modules/vitest/vitest.mjs"), ...args], (error, stdout) => {
      resolve({ code: error?.code, stdout });
    });
  });
  expect(stdout).toMatch(/^skipped: 4: Bun has no such thing\n1 passed, 4 failed, 1 skipped\n$/m);
  expect(code).toBe(1);
});
