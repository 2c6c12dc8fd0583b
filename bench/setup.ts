// Prepares a run: a build of the library, programs that are compiled, a folder for sockets.

import { execFile } from "node:child_process";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type ProgramName, requireProgram } from "../scripts/setup.mjs";
import type { BenchOptions } from "./options.ts";

const run = promisify(execFile);
const benchFolder = fileURLToPath(new URL(".", import.meta.url));
const buildFolder = join(benchFolder, "build");

/** The environment that contenders are started with. */
export interface Bench {
  readonly options: BenchOptions;
  /** The core of the process under test, and the core of all the rest. */
  readonly cores: { readonly tested: number; readonly load: number };
  /** The built library. */
  readonly library: string;
  /** A folder for sockets and small files. */
  readonly folder: string;
  /** The path of a file in `bench/peers`. */
  peer(name: string): string;
  /** The path of a compiled program. Throws with what is missing if it can't be compiled. */
  compiled(name: CompiledProgram): Promise<string>;
  /** The path of a socket that was not used before. */
  socket(): string;
}

export type CompiledProgram = "fastcgi_load" | "fastcgi_sink" | "http_load" | "libfcgi_server" | "go_server";

/** Builds the library and makes ready what all cases need. `folder` is there for this run alone. */
export async function setUp(options: BenchOptions, folder: string): Promise<Bench> {
  await mkdir(buildFolder, { recursive: true });
  const library = await buildLibrary(join(folder, "fetchcgi"));
  const compiled = new Map<string, Promise<string>>();
  let sockets = 0;
  return {
    options: { ...options, ...(options.base !== undefined && { base: resolve(options.base) }) },
    cores: { tested: 0, load: availableParallelism() > 1 ? 1 : 0 },
    library,
    folder,
    peer: (name) => join(benchFolder, "peers", name),
    compiled(name) {
      let output = compiled.get(name);
      if (output === undefined) {
        output = compile(name);
        compiled.set(name, output);
      }
      return output;
    },
    socket: () => join(folder, `${++sockets}.sock`),
  };
}

/**
 * Builds the library and the command as their tsup configurations say, but into a folder of this run: dist may be built anew while it goes on. Types are
 * left out.
 */
async function buildLibrary(output: string): Promise<string> {
  const tsup = join(benchFolder, "../node_modules/.bin/tsup");
  const cwd = join(benchFolder, "..");
  await run(tsup, ["--no-dts", "--out-dir", output], { cwd });
  await run(tsup, ["--config", "tsup.command.config.ts", "--out-dir", join(output, "cli")], { cwd });
  // Its files are modules wherever the folder lies.
  await writeFile(join(output, "package.json"), '{ "type": "module", "sideEffects": false }\n');
  return output;
}

async function compile(name: CompiledProgram): Promise<string> {
  const output = join(buildFolder, name);
  if (name === "go_server") {
    const sources = ["main.go", "go.mod"].map((file) => join(benchFolder, "peers/go", file));
    if (await isNewer(output, sources)) return output;
    await run(need("go"), ["build", "-o", output, "."], {
      cwd: join(benchFolder, "peers/go"),
      // Nothing is downloaded: neither modules, which it has none of, nor another Go.
      env: { ...process.env, GOPROXY: "off", GOTOOLCHAIN: "local", GOFLAGS: "", GOWORK: "off" },
    });
    return output;
  }
  const libfcgi = name === "libfcgi_server";
  const source = join(benchFolder, libfcgi ? "peers" : "load", `${name}.c`);
  if (await isNewer(output, [source, join(benchFolder, "load/common.h")])) return output;
  const args = libfcgi
    ? [`-I${dirname(need("libfcgi"))}`, "-O2", "-o", output, source, "-lfcgi"]
    : ["-O2", "-o", output, source];
  await run(need("cc"), args);
  return output;
}

function need(name: ProgramName): string {
  return requireProgram(name);
}

async function isNewer(output: string, sources: readonly string[]): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(output);
    const times = await Promise.all(sources.map(async (source) => (await stat(source)).mtimeMs));
    return times.every((time) => time < mtimeMs);
  } catch {
    return false;
  }
}
