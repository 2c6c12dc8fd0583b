// Programs in one file: they start in a moment, and run under users who can't read this folder.

import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "tsup";

const projectFolder = fileURLToPath(new URL("../..", import.meta.url));

/** What programs import, as it is in the project. */
export const ALIASES: Record<string, string> = {
  "fetchcgi/node": join(projectFolder, "adapters/node/index.ts"),
  "fetchcgi/toolkit": join(projectFolder, "src/toolkit.ts"),
};

/** Bundles a program, named from the top of the project, into `app.mjs` of a folder; returns its path. */
export async function bundle(program: string, folder: string): Promise<string> {
  await build({
    config: false,
    silent: true,
    entry: { app: join(projectFolder, program) },
    outDir: folder,
    outExtension: () => ({ js: ".mjs" }),
    format: "esm",
    target: "node20",
    esbuildOptions(options) {
      options.alias = ALIASES;
      options.external = ["cloudflare:*"];
    },
  });
  const file = join(folder, "app.mjs");
  await chmod(file, 0o640);
  return file;
}
