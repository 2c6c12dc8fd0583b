import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

it("npm run mutation finds that the tests of a table notice every change in it", async () => {
  const command = ["scripts/mutation.mjs", "src/codec/response_state.ts"];
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: root });
  const [, noticed, all] = /^src\/codec\/response_state\.ts: (\d+) of (\d+) changes noticed$/m.exec(stdout)!;
  expect(Number(all)).toBeGreaterThan(40);
  expect(noticed).toBe(all);
});
