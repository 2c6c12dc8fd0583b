// npm run runtimes: what the application and the client do on Node, Bun, Deno and in Workers, from real runs of their battery. Prints
// what works, what fails, and why a runtime can't do something. Arguments go to vitest: npm run runtimes -- bun deno
import { join } from "node:path";
import { projectFolder, run } from "./run.mjs";
import { ensurePackages, ensureRuntimes, ensureServers } from "./setup.mjs";

const args = process.argv.slice(2);
const isName = (arg) => /^(node|bun|deno|workerd)$/.test(arg);
const battery = "test/adapters/battery";
const files = args.some(isName) ? args.filter(isName).map((name) => `${battery}/${name}`) : [battery];

try {
  await ensurePackages();
  await ensureRuntimes();
  await ensureServers(["nginx", "php-fpm"]);
  const reporters = ["default", `${battery}/table_reporter.ts`].map((reporter) => `--reporter=${reporter}`);
  const vitest = join(projectFolder, "node_modules/.bin/vitest");
  process.exitCode = await run(vitest, ["run", ...reporters, ...args.filter((arg) => !isName(arg)), ...files]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
