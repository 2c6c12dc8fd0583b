// npm run test:unit: the tests of src/, with nothing installed but the npm packages. Arguments go to vitest.
import { join } from "node:path";
import { layerTests } from "./layers.mjs";
import { projectFolder, run } from "./run.mjs";
import { ensurePackages } from "./setup.mjs";

try {
  await ensurePackages();
  const vitest = join(projectFolder, "node_modules/.bin/vitest");
  // Both cores of a small machine, where vitest leaves one free.
  process.exitCode = await run(vitest, ["run", "--maxWorkers=100%", ...process.argv.slice(2), ...layerTests]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
