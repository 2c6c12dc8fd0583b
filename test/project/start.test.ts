import { execFile } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { requireRuntime } from "../../scripts/setup.mjs";
import { buildPackage } from "../support/built_package.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";

const run = promisify(execFile);

/** The public modules of Node.js that an import may load. Serving needs them, or they come with those that it needs. */
const NEEDED = [
  "child_process",
  "cluster",
  "dgram",
  "diagnostics_channel",
  "fs/promises",
  "net",
  "os",
  "stream",
  "stream/promises",
  "string_decoder",
];

// Not a time: undici alone was a third of a start, with http, tls, http2, zlib, crypto and worker_threads behind it.
describe.runIf(process.platform === "linux")('import "fetchcgi/node"', () => {
  let directory: TemporaryDirectory;
  let file: string;
  beforeAll(async () => {
    directory = await createTemporaryDirectory("start");
    file = join(await buildPackage(directory.path, { types: false }), "node.js");
    return () => directory.remove();
  });

  const nodes = ["the Node.js of this process", "node22", "node24", "node26"] as const;
  it.for(nodes)("loads no module of Node.js that the first request or nothing needs: %s", async (name) => {
    const node = name === "the Node.js of this process" ? process.execPath : requireRuntime(name);
    const code = `
      const before = new Set(process.moduleLoadList);
      await import(${JSON.stringify(pathToFileURL(file).href)});
      const loaded = process.moduleLoadList.filter((name) => !before.has(name) && name.startsWith("NativeModule "));
      console.log(JSON.stringify(loaded.map((name) => name.slice("NativeModule ".length))));`;
    const { stdout } = await run(node, ["--input-type=module", "-e", code]);
    const loaded: string[] = JSON.parse(stdout);
    expect(loaded).toContain("net");
    expect(loaded.filter((module) => module.includes("undici") || module.includes("crypto"))).toEqual([]);
    expect(loaded.filter((module) => !module.includes("internal/") && !NEEDED.includes(module))).toEqual([]);
  });
});
