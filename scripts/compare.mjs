// npm run compare: the same requests to nginx and to `fetchcgi gateway`, and where their answers differ.
import { run } from "./run.mjs";
import { ensurePackages, ensureServers } from "./setup.mjs";

try {
  await ensurePackages();
  await ensureServers(["nginx", "php-fpm"]);
  process.exitCode = await run(process.execPath, ["--import", "tsx", "test/compare/main.ts"]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
