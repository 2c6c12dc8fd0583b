import { cp, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import command from "../../tsup.command.config.ts";
import library from "../../tsup.config.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Puts the built package, without its types, where a project has it, and links further packages of this project beside it. Returns the
 * file of the command. test/project/package.test.ts does the same by npm.
 */
export async function stagePackage(project: string, packages: readonly string[] = []): Promise<string> {
  const folder = join(project, "node_modules/fetchcgi");
  await mkdir(folder, { recursive: true });
  await cp(join(root, "package.json"), join(folder, "package.json"));
  const quiet = { config: false, silent: true, dts: false, sourcemap: false } as const;
  await build({ ...(library as object), ...quiet, outDir: join(folder, "dist") });
  await build({ ...(command as object), ...quiet, outDir: join(folder, "dist/cli") });
  for (const name of packages) await symlink(join(root, "node_modules", name), join(project, "node_modules", name));
  return join(folder, "dist/cli/main.js");
}
