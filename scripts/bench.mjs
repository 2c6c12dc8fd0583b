// npm run bench: measures the library against its peers, on a fresh clone as well. Arguments go to bench/main.ts.
import { run } from "./run.mjs";
import { ensureBenchPackages, ensurePackages, ensureRuntimes, ensureServers } from "./setup.mjs";

try {
  await ensurePackages();
  await ensureBenchPackages();
  const args = process.argv.slice(2);
  const isShort = ["quick", "list", "profile"].some((word) => args.includes(word));
  const ensureServersOfBench = () => ensureServers(["cc", "libfcgi", "go", "nginx", "caddy"]);
  for (const ensure of [ensureServersOfBench, ...(isShort ? [] : [ensureRuntimes])]) {
    try {
      await ensure();
    } catch (error) {
      // The report lists those that are missing, with the reason.
      console.error(error.message);
    }
  }
  process.exitCode = await run(process.execPath, ["--import", "tsx", "bench/main.ts", ...args]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
