// npm run params: asks every web server what it sends, and writes the table at the end of specifications/params.md.
import { run } from "./run.mjs";
import { ensurePackages, ensureServers } from "./setup.mjs";

try {
  await ensurePackages();
  await ensureServers(["nginx", "apache2", "mod_fcgid", "lighttpd", "caddy", "haproxy", "h2o"]);
  process.exitCode = await run(process.execPath, ["--import", "tsx", "test/support/params/main.ts"]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
