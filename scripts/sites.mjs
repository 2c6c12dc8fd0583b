// npm run sites: WordPress, Adminer, DokuWiki and MediaWiki of Debian's packages behind `fetchcgi gateway`, used in a browser, and their
// answers compared with those of nginx. Writes test/sites/results.json, and the table in cli/gateway/README.md. Arguments choose: npm run sites -- adminer
import { run } from "./run.mjs";
import { ensurePackages, ensureRuntimes, ensureServers } from "./setup.mjs";

try {
  await ensurePackages();
  await ensureRuntimes();
  await ensureServers(["nginx", "php-fpm", "php-gd", "php-mysql", "mariadbd", "chromium"]);
  process.exitCode = await run(process.execPath, ["--import", "tsx", "test/sites/main.ts", ...process.argv.slice(2)]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
