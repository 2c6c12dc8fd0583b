import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

it("npm run mutation finds that the tests of the constants notice every change in them", async ({ signal }) => {
  // The smallest file that has changes in functions and changes that are made when it is loaded.
  const command = ["scripts/mutation.mjs", "src/protocol/constants.ts"];
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: root, signal });
  const [, noticed, all] = /^src\/protocol\/constants\.ts: (\d+) of (\d+) changes noticed$/m.exec(stdout)!;
  expect(Number(all)).toBeGreaterThan(5);
  expect(noticed).toBe(all);
});
