// npm run setup: installs everything that the tests need: the npm packages, the other runtimes, and the real servers
// and applications.
import { ensurePackages, ensureRuntimes, ensureServers } from "./setup.mjs";
import { runSteps } from "./steps.mjs";

process.exitCode = await runSteps([
  { title: "Packages", run: () => ensurePackages() },
  { title: "Runtimes", run: () => ensureRuntimes() },
  { title: "Servers", run: () => ensureServers() },
]);
