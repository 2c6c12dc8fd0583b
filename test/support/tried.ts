import { writeFileSync } from "node:fs";

const RUNTIMES = ["node", "bun", "deno"] as const;

/** The runtimes that `--on` asks for: all if it is not given, none if it names another. */
export function runtimesOn(on: string | undefined): (typeof RUNTIMES)[number][] {
  return RUNTIMES.filter((name) => on === undefined || name === on);
}

/** The runtime that this runs on, and its version. */
function runtimeName(): string {
  const versions: Readonly<Record<string, string | undefined>> = { ...process.versions };
  const name = ["bun", "deno", "node"].find((each) => versions[each] !== undefined)!;
  return `${name} ${versions[name]}`;
}

/** Writes what was tried to the file that was asked for, if one was: scripts/tried.mjs takes it from there. */
export function writeTried(file: string | undefined, result: object): void {
  if (file !== undefined) writeFileSync(file, JSON.stringify({ runtime: runtimeName(), ...result }));
}
