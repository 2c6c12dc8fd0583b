// npm run test:unit: the tests of src/, with nothing installed but the npm packages. Arguments go to vitest.
import { join } from "node:path";
import { layerTests } from "./layers.mjs";
import { projectFolder, run } from "./run.mjs";
import { ensurePackages } from "./setup.mjs";

try {
  await ensurePackages();
  const vitest = join(projectFolder, "node_modules/.bin/vitest");
  // Loading src/ anew for each file takes a third of the time, and no test may spoil it for the next. npm test does load it anew.
  process.exitCode = await run(vitest, ["run", "--no-isolate", ...process.argv.slice(2), ...layerTests]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
