// The description of the machine in a report.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { fileURLToPath } from "node:url";
import { findProgram, type ProgramName } from "../scripts/setup.mjs";
import { canPin } from "./program.ts";
import type { Bench } from "./setup.ts";

/** Lines that describe machine and versions. */
export function describeMachine({ options, cores }: Bench): string[] {
  const { model } = cpus()[0] ?? { model: "unknown processor" };
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const pinning = canPin
    ? `what is tested on core ${cores.tested}, all else on core ${cores.load}`
    : "not bound to cores: no taskset";
  return [
    `${model}, ${cpus().length} cores, ${memory}, ${type()} ${release()}; ${pinning}`,
    [
      `Node.js ${[...new Set([options.node, ...options.nodes.values()])].map((node) => say(node, ["--version"])).join(", ")}`,
      ...(options.bun === undefined ? [] : [`Bun ${say(options.bun, ["--version"])}`]),
      ...(options.deno === undefined ? [] : [say(options.deno, ["--version"])]),
      ...versionsOfPackages(),
      ...versionOf("go", ["version"], /go(\d\S*)/, "Go"),
      ...versionOf("nginx", ["-v"], /nginx\/(\S+)/, "nginx"),
      ...versionOf("caddy", ["version"], /v?(\d\S*)/, "Caddy"),
      ...versionOf("cc", ["--version"], /(\d+\.\d+\.\d+)/, "C compiler"),
    ].join(", "),
  ];
}

function versionsOfPackages(): string[] {
  const read = (path: string): Record<string, string> =>
    JSON.parse(readFileSync(fileURLToPath(new URL(path, import.meta.url)), "utf8"))[
      path.startsWith("../") ? "devDependencies" : "dependencies"
    ];
  const own = Object.entries(read("./package.json")).map(([name, version]) => `${name} ${version}`);
  const { srvx, hono } = read("../package.json");
  return [...own, `srvx ${srvx}`, `Hono ${hono}`];
}

function versionOf(name: ProgramName, args: readonly string[], pattern: RegExp, title: string): string[] {
  const path = findProgram(name);
  if (path === undefined) return [];
  const version = pattern.exec(say(path, args))?.[1];
  return [`${title} ${version ?? "of unknown version"}`];
}

/** The first line that a program says, on stdout or, as nginx does, on stderr. */
function say(command: string, args: readonly string[]): string {
  try {
    const output = execFileSync("/bin/sh", ["-c", 'exec "$0" "$@" 2>&1', command, ...args], { encoding: "utf8" });
    return output.split("\n")[0]!.trim();
  } catch {
    return "of unknown version";
  }
}
