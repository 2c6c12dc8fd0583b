// npm start: the demo, on a fresh clone as well. Arguments go to the demo: npm start -- --port 8080
import { run } from "./run.mjs";
import { ensurePackages } from "./setup.mjs";

try {
  await ensurePackages();
  const demo = ["--import", "tsx", "examples/demo/main.ts", ...process.argv.slice(2)];
  process.exitCode = await run(process.execPath, demo);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
