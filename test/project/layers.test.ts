import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { importsOf, sourceFiles } from "../support/imports.ts";

const BELOW_HTTP = ["src/base", "src/protocol", "src/cgi", "src/codec", "src/transport"];

/** What checks the values that a program gives: adapters refuse a wrong one in the same words. */
const CHECKS = "src/base/unexpected.ts";

/** The packages that are bundled into the command. */
const BUNDLED = ["@peculiar/x509", "@remix-run", "reflect-metadata", "srvx"];

/** What each layer may import besides itself: downwards only. */
const LAW: Readonly<Record<string, readonly string[]>> = {
  "src/base": [],
  "src/protocol": ["src/base"],
  "src/cgi": ["src/base", "src/protocol"],
  "src/codec": ["src/base", "src/protocol", "src/cgi"],
  "src/transport": ["src/base", "src/protocol", "src/codec"],
  "src/server": ["src/base", "src/protocol", "src/cgi", "src/codec", "src/transport"],
  "src/connect": ["src/base", "src/protocol", "src/cgi", "src/transport"],
  "src/client": ["src/base", "src/protocol", "src/cgi", "src/codec", "src/transport", "src/connect"],
  "src/http/shared": [...BELOW_HTTP],
  "src/http/serve": [...BELOW_HTTP, "src/server", "src/http/shared"],
  "src/http/call": [...BELOW_HTTP, "src/connect", "src/client", "src/http/shared", "src/http/serve/service.ts"],
  "src/http/php": [...BELOW_HTTP, "src/http/shared", "src/http/call"],
  "src/elsewhere.ts": [],
  "src/index.ts": ["src"],
  "src/toolkit.ts": ["src"],
  "adapters/shared": [CHECKS, "src/index.ts", "src/toolkit.ts"],
  "adapters/system": [
    CHECKS,
    "src/index.ts",
    "src/toolkit.ts",
    "adapters/shared",
    "adapters/http_listener",
    "node:crypto",
    "node:fs",
    "node:http",
    "node:os",
    "node:path",
    "node:process",
    "node:timers",
  ],
  "adapters/http_listener": [
    "src/cgi/guessed_type.ts",
    "src/index.ts",
    "src/toolkit.ts",
    "node:http",
    "node:net",
    "node:stream",
    "node:stream/web",
  ],
  "adapters/http_middleware": [
    CHECKS,
    "src/codec/byte_source.ts",
    "src/http/shared",
    "src/index.ts",
    "src/toolkit.ts",
    "node:http",
    "node:http2",
    "node:tls",
  ],
  "adapters/node": [
    "src/index.ts",
    "src/toolkit.ts",
    "adapters/shared",
    "adapters/system",
    "adapters/http_middleware",
    "node:",
  ],
  "adapters/bun": ["src/index.ts", "src/toolkit.ts", "adapters/shared", "adapters/system", "adapters/http_middleware"],
  "adapters/deno": ["src/index.ts", "src/toolkit.ts", "adapters/shared", "adapters/system", "node:fs"],
  "adapters/cloudflare": [CHECKS, "src/index.ts", "src/toolkit.ts", "adapters/shared", "cloudflare:sockets"],
  // The package by its name: what runs the module of the user is the same as what that module imports.
  cli: ["src/toolkit.ts", "adapters/shared", "adapters/system", "adapters/node", "node:", "fetchcgi", ...BUNDLED],
};

function layerOf(path: string): string | undefined {
  return Object.keys(LAW).find((layer) => path === layer || path.startsWith(`${layer}/`));
}

const files = [...sourceFiles("src"), ...sourceFiles("adapters"), ...sourceFiles("cli")];

describe("layers", () => {
  it("every file belongs to a layer", () => {
    expect(files.filter((file) => layerOf(file) === undefined)).toEqual([]);
    expect(files.length).toBeGreaterThan(30);
  });

  it("imports go downwards only", () => {
    const wrong: string[] = [];
    for (const file of files) {
      const layer = layerOf(file)!;
      for (const path of importsOf(file)) {
        const allowed = [layer, ...LAW[layer]!].some(
          (place) => path === place || path.startsWith(place.endsWith(":") ? place : `${place}/`),
        );
        if (!allowed) wrong.push(`${file} imports ${path}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("there are no import cycles", () => {
    const graph = new Map(files.map((file) => [file, importsOf(file)] as const));
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file))
        throw new Error(`Import cycle: ${[...path.slice(path.indexOf(file)), file].join(" → ")}`);
      if (done.has(file)) return;
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(done.size).toBeGreaterThanOrEqual(files.length);
  });

  it("files that start with an underscore are private to their folder", () => {
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .filter((path) => /(^|\/)_[^/]*$/.test(path) && dirname(path) !== dirname(file))
        .map((path) => `${file} imports ${path}`),
    );
    expect(wrong).toEqual([]);
  });
});
