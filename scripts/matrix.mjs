// npm run matrix: every web server against every case. Prints what works, what fails, and what a web server itself cannot do,
// with a reference. Arguments go to vitest: npm run matrix -- nginx
import { join } from "node:path";
import { projectFolder, run } from "./run.mjs";
import { ensurePackages, ensureServers } from "./setup.mjs";

const names = process.argv.slice(2);
const files = names.length > 0 ? names.map((name) => `test/interop/web_servers/${name}`) : ["test/interop/web_servers"];

try {
  await ensurePackages();
  await ensureServers(["nginx", "apache2", "mod_fcgid", "lighttpd", "caddy", "haproxy", "h2o"]);
  const reporter = "--reporter=test/support/web_servers/matrix_reporter.ts";
  const vitest = join(projectFolder, "node_modules/.bin/vitest");
  process.exitCode = await run(vitest, ["run", reporter, ...files]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
