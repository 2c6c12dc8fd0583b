// Debian's packages of PHP sites, unpacked into a folder: nothing is installed, and root is not needed.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { requireProgram } from "../../scripts/setup.mjs";

const run = promisify(execFile);

/** Packages that were downloaded, for the next run. */
const DOWNLOADS = fileURLToPath(new URL("../../node_modules/.cache/fetchcgi-sites", import.meta.url));

/** Downloads packages, and unpacks them into `folder`, as they would be in the root folder of the system. */
export async function unpackPackages(names: readonly string[], folder: string): Promise<void> {
  await mkdir(DOWNLOADS, { recursive: true });
  const there = await readdir(DOWNLOADS);
  const missing = names.filter((name) => !there.some((file) => file.startsWith(`${name}_`)));
  if (missing.length > 0) {
    console.log(`Downloading ${missing.join(", ")} ...`);
    const download = () => run("apt-get", ["download", ...missing], { cwd: DOWNLOADS });
    // A fresh machine has no list of packages, and an old list names versions that are no longer there.
    await download().catch(async () => {
      await run("apt-get", ["update"]).catch(() => {});
      return download();
    });
  }
  const files = await readdir(DOWNLOADS);
  for (const name of names) {
    const file = files.find((one) => one.startsWith(`${name}_`));
    await run("dpkg", ["-x", join(DOWNLOADS, file!), folder]);
  }
  await moveLinks(folder);
}

/** The version of a package that was unpacked, without Debian's own parts of it. */
export async function versionOf(name: string): Promise<string> {
  const file = (await readdir(DOWNLOADS)).find((one) => one.startsWith(`${name}_`));
  const version = decodeURIComponent(file?.split("_")[1] ?? "");
  return version.replace(/^\d+:/, "").replace(/-[^-]*$/, "");
}

/** Lets links that lead from the system's root folder into the packages lead into the folder instead. */
async function moveLinks(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const link = join(entry.parentPath, entry.name);
    const target = await readlink(link);
    // The file may be made later.
    if (!target.startsWith("/") || !existsSync(dirname(folder + target))) continue;
    await rm(link);
    await symlink(folder + target, link);
  }
}

/** Replaces the packages' absolute paths in the scripts of a folder. */
export async function movePaths(scripts: string, folder: string, paths: readonly string[]): Promise<void> {
  for (const entry of await readdir(scripts, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".php")) continue;
    const file = join(entry.parentPath, entry.name);
    const text = await readFile(file, "latin1");
    const moved = paths.reduce((moving, path) => moving.replaceAll(`'${path}`, `'${folder}${path}`), text);
    if (moved !== text) await writeFile(file, moved, "latin1");
  }
}

/** The version in the name of php-fpm, for the names of its extensions' packages, such as "8.2". */
export function phpVersion(): string {
  const [version] = /\d+\.\d+$/.exec(basename(requireProgram("php-fpm"))) ?? [];
  if (version === undefined) throw new Error("Cannot choose extensions of PHP: php-fpm has no version in its name");
  return version;
}

/** In the order in which PHP can load them. */
const EXTENSIONS = ["mbstring", "intl", "dom", "xml", "simplexml", "xmlreader", "xmlwriter"];

/** The environment in which PHP loads the extensions that are unpacked in `folder`, unless it has them already. */
export async function environmentWithExtensions(folder: string): Promise<NodeJS.ProcessEnv> {
  const settings = join(folder, "settings");
  await mkdir(settings);
  const { stdout } = await run(requireProgram("php-fpm"), ["-m"]);
  const loaded = stdout.toLowerCase().split("\n");
  const [api] = await readdir(join(folder, "usr/lib/php"));
  const missing = EXTENSIONS.filter((name) => !loaded.includes(name));
  const lines = missing.map((name) => `extension=${join(folder, "usr/lib/php", api!, `${name}.so`)}\n`);
  await writeFile(join(settings, "extensions.ini"), lines.join(""));
  // After the folder of the system.
  return { ...process.env, PHP_INI_SCAN_DIR: `:${settings}` };
}
