// npm run picture: writes cli/tap/page.png, the picture of the page of `fetchcgi tap --ui`, from traffic between nginx and php-fpm.
import { run } from "./run.mjs";
import { ensurePackages, ensureServers } from "./setup.mjs";

try {
  await ensurePackages();
  await ensureServers(["nginx", "php-fpm", "chromium"]);
  process.exitCode = await run(process.execPath, ["--import", "tsx", "test/support/tap_picture.ts"]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
