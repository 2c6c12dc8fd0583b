// npm run frameworks: the smallest app of each web framework, built by the framework's own tools, and asked the same over its own server
// and over FastCGI behind nginx. Writes test/frameworks/results.json, and the table in the README. Arguments choose: npm run frameworks -- hono
import { run } from "./run.mjs";
import { ensurePackages, ensureRuntimes, ensureServers } from "./setup.mjs";

try {
  await ensurePackages();
  await ensureRuntimes();
  await ensureServers(["nginx"]);
  process.exitCode = await run(process.execPath, [
    "--import",
    "tsx",
    "test/frameworks/main.ts",
    ...process.argv.slice(2),
  ]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
