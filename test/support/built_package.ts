import { existsSync, readdirSync, statSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import command from "../../tsup.command.config.ts";
import library from "../../tsup.config.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What the package is built from. */
const sources = ["src", "adapters", "cli", "tsup.config.ts", "tsup.command.config.ts"]
  .map((path) => join(root, path))
  .filter(existsSync);

/**
 * Puts the built package below `folder`, as `dist`: the project's own where it is newer than its sources, else a new build,
 * which takes ten times as long with its types.
 */
export async function buildPackage(folder: string, { types = true } = {}): Promise<string> {
  const dist = join(folder, "dist");
  await mkdir(folder, { recursive: true });
  if (isFresh()) await cp(join(root, "dist"), dist, { recursive: true });
  else {
    await build({ ...(library as object), config: false, silent: true, outDir: dist, ...(!types && { dts: false }) });
    await build({ ...(command as object), config: false, silent: true, outDir: join(dist, "cli") });
  }
  return dist;
}

function isFresh(): boolean {
  // Written last: the types, and the command.
  const built = ["dist/index.js", "dist/index.d.ts", "dist/cli/main.js"].map((path) => timeOf(join(root, path)));
  const changed = sources.flatMap((path) => filesIn(path).map(timeOf));
  return Math.min(...built) > Math.max(...changed);
}

function timeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function filesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, encoding: "utf8" }).map((name) => join(path, name));
}
