// Puts an app into a folder of its own, with the packages that it names and the package of this project, and builds it.

import { execFile, execFileSync } from "node:child_process";
import { cp, mkdir, readFile, rm, symlink } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { requireRuntime } from "../../scripts/setup.mjs";
import { buildPackage } from "../support/built_package.ts";
import type { Framework } from "./framework.ts";
import type { Installed } from "./trial.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const appsFolder = fileURLToPath(new URL("apps", import.meta.url));
/** Not in the repository. */
const installedFolder = fileURLToPath(new URL(".installed", import.meta.url));
const execute = promisify(execFile);

/** Node.js 24, because many build tools need a newer one than 20. */
function commandOf({ runtime }: Framework): string[] {
  return [requireRuntime(runtime ?? "node24")];
}

function runtimeOf(framework: Framework, [command]: readonly string[]): string {
  const text = execFileSync(command!, ["--version"], { encoding: "utf8" });
  return `${framework.runtime === "bun" ? "Bun" : "Node.js"} ${text.trim().replace(/^v/, "")}`;
}

/** Puts the built package where every app finds it. */
export async function stageForApps(): Promise<void> {
  await rm(join(installedFolder, "node_modules/fetchcgi"), { recursive: true, force: true });
  await stageLibrary(installedFolder);
}

async function stageLibrary(project: string): Promise<void> {
  const folder = join(project, "node_modules/fetchcgi");
  await mkdir(folder, { recursive: true });
  await cp(join(root, "package.json"), join(folder, "package.json"));
  await buildPackage(folder, { types: false });
}

/** Installs and builds the app of a framework. Its packages stay for the next time. */
export async function install(name: string, framework: Framework): Promise<Installed> {
  const folder = join(installedFolder, name);
  await copyApp(name, framework, folder);
  const command = commandOf(framework);
  const node = dirname(requireRuntime("node24"));
  const env = {
    ...process.env,
    PATH: `${node}:${process.env.PATH}`,
    ASTRO_TELEMETRY_DISABLED: "1",
    NEXT_TELEMETRY_DISABLED: "1",
  };
  const options = { cwd: folder, env, maxBuffer: 64 * 1024 * 1024 };
  await execute(
    "npm",
    ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline"],
    options,
  );
  for (const [tool, ...args] of framework.builds ?? []) {
    await execute(join(folder, "node_modules/.bin", tool!), args, options);
  }
  return { folder, version: await versionOf(framework, folder), command, runtime: runtimeOf(framework, command) };
}

/** Makes an app ready of packages of this project, in an empty folder. */
export async function stageApp(
  name: string,
  framework: Framework,
  folder: string,
  packages: readonly string[],
): Promise<Installed> {
  await copyApp(name, framework, folder);
  await stageLibrary(folder);
  for (const each of packages) await symlink(join(root, "node_modules", each), join(folder, "node_modules", each));
  const command = [process.execPath];
  return { folder, version: await versionOf(framework, folder), command, runtime: runtimeOf(framework, command) };
}

async function versionOf(framework: Framework, folder: string): Promise<string> {
  const file = join(folder, "node_modules", framework.package, "package.json");
  return (JSON.parse(await readFile(file, "utf8")) as { version: string }).version;
}

async function copyApp(name: string, framework: Framework, folder: string): Promise<void> {
  for (const part of ["parts.js", "endpoints.js", "battery.js", "stop.js"])
    await cp(join(appsFolder, part), join(folder, part));
  for (const path of [...(framework.with ?? []), `test/frameworks/apps/${name}`]) {
    const isFile = extname(path) !== "";
    await cp(join(root, path), isFile ? join(folder, basename(path)) : folder, { recursive: true });
  }
}
