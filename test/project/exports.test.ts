import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import * as bun from "../../adapters/bun/index.ts";
import * as cloudflare from "../../adapters/cloudflare/index.ts";
import * as deno from "../../adapters/deno/index.ts";
import * as node from "../../adapters/node/index.ts";
import { VERSION } from "../../cli/version.ts";
import { writeVersion } from "../../scripts/version.mjs";
import * as elsewhere from "../../src/elsewhere.ts";
import { SERVER_SOFTWARE } from "../../src/http/call/request_to_params.ts";
import * as core from "../../src/index.ts";
import command from "../../tsup.command.config.ts";
import tsup from "../../tsup.config.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";

// A module of the runtime, not of a package.
vi.mock("cloudflare:sockets", () => ({ connect() {} }));

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (name: string): Record<string, unknown> => JSON.parse(readFileSync(join(root, name), "utf8"));

const packageJson = read("package.json") as {
  name: string;
  version: string;
  dependencies?: object;
  bin: Record<string, string>;
  exports: Record<string, { types: string; default: string } | string>;
  main: string;
  types: string;
  typesVersions: Record<string, Record<string, string[]>>;
};
const denoJson = read("deno.json") as { version: string; exports: Record<string, string> };
const { entry } = tsup as { entry: Record<string, string> };

/** The entries of package.json that hold code, as names of built files: `./node` is `node`, `.` is `index`. */
const entries = Object.entries(packageJson.exports).flatMap(([name, target]) =>
  typeof target === "string" ? [] : [[name, name === "." ? "index" : name.slice(2), target] as const],
);

describe("exports", () => {
  it("package.json and deno.json have the same entries and version", () => {
    expect(entries.map(([name]) => name)).toEqual(Object.keys(denoJson.exports));
    expect(denoJson.version).toBe(packageJson.version);
  });

  it("every entry is built from the file that deno.json names", () => {
    for (const [name, file, target] of entries) {
      expect(target).toEqual({ types: `./dist/${file}.d.ts`, default: `./dist/${file}.js` });
      expect(`./${entry[file]}`).toBe(denoJson.exports[name]);
      expect(existsSync(join(root, entry[file]!)), name).toBe(true);
    }
    expect(Object.keys(entry).sort()).toEqual(entries.map(([, file]) => file).sort());
  });

  // Its dry run does not look for them.
  it("no source has declarations for the whole program of its user, which JSR refuses", () => {
    const refused =
      /^(declare (module "|global)|global \{|export = |export as namespace |\/\/\/\s*<reference (lib|no-default-lib))/m;
    const sources = ["src", "adapters"].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
    );
    const found = sources.filter(
      (name) => name.endsWith(".ts") && refused.test(readFileSync(join(root, name), "utf8")),
    );
    expect(found).toEqual([]);
    expect(sources.length).toBeGreaterThan(100);
  });

  it("every entry says what it is for, with an example", () => {
    for (const [, file] of entries) {
      const [comment = ""] = /^\/\*\*.*?\*\//s.exec(readFileSync(join(root, entry[file]!), "utf8")) ?? [];
      expect(comment).toMatch(/^ \* @module$/m);
      expect(comment).toContain(`from "${file === "index" ? "fetchcgi" : `fetchcgi/${file}`}";`);
    }
  });

  it("the resolution of node10, which knows no exports, finds the same declarations", () => {
    const { main, types, typesVersions } = packageJson;
    expect({ types, default: main }).toEqual(packageJson.exports["."]);
    const others = entries.filter(([name]) => name !== ".").map(([, file, target]) => [file, [target.types]]);
    expect(typesVersions).toEqual({ "*": Object.fromEntries(others) });
  });

  it("the program is built from the command's configuration", () => {
    const { entry: programs, outDir } = command as { entry: Record<string, string>; outDir: string };
    // The others are its commands, each a file that it loads when it runs.
    expect(Object.values(packageJson.bin)).toEqual([`${outDir}/main.js`]);
    expect(Object.keys(programs)).toContain("main");
  });

  it("the version in SERVER_SOFTWARE is that of the package", () => {
    expect(SERVER_SOFTWARE).toBe(`${packageJson.name}/${packageJson.version}`);
  });

  it("the version that the command prints is that of the package", () => {
    expect(VERSION).toBe(packageJson.version);
  });

  it("npm version writes the version to every file that has it", async () => {
    const files = ["deno.json", "src/http/call/request_to_params.ts", "cli/version.ts", "CHANGELOG.md"];
    const folder = await createTemporaryDirectory("version");
    try {
      for (const name of files) {
        await mkdir(dirname(join(folder.path, name)), { recursive: true });
        const text = readFileSync(join(root, name), "utf8");
        // A released changelog has nothing that is unreleased.
        const begun = name === "CHANGELOG.md" && !text.includes("## Unreleased\n");
        await writeFile(join(folder.path, name), begun ? text.replace("## ", "## Unreleased\n\n## ") : text);
      }
      await writeFile(join(folder.path, "package.json"), JSON.stringify({ version: "98.7.6-rc.1" }));
      writeVersion(folder.path);
      for (const name of files) {
        const [old, text] = [root, folder.path].map((place) => readFileSync(join(place, name), "utf8"));
        const lines = text!.split("\n").filter((line) => line.includes("98.7.6-rc.1"));
        expect([name, lines]).toEqual([name, [expect.any(String)]]);
        if (name !== "CHANGELOG.md") expect(text!.replace("98.7.6-rc.1", packageJson.version)).toBe(old);
      }
      expect(readFileSync(join(folder.path, "CHANGELOG.md"), "utf8")).toMatch(/^## 98\.7\.6-rc\.1$/m);
      expect(() => writeVersion(folder.path)).toThrow("Cannot write the version to CHANGELOG.md");
    } finally {
      await folder.remove();
    }
  });

  it("there are no runtime dependencies", () => {
    expect(packageJson.dependencies).toBeUndefined();
  });

  const adapters: Record<string, object> = { node, bun, deno, cloudflare };

  it.each(Object.keys(adapters))("the adapter for %s has all of the core, the same objects", (name) => {
    for (const [key, value] of Object.entries(core)) {
      if (!(key in elsewhere)) expect(adapters[name], key).toHaveProperty(key, value);
    }
  });

  it.each(Object.keys(elsewhere))("%s of an entry that has none says which have it", (name) => {
    const { [name]: placeholder } = elsewhere as Record<string, unknown>;
    const entries = Object.keys(adapters).filter((adapter) => Reflect.get(adapters[adapter]!, name) !== placeholder);
    const [last, ...others] = entries.map((entry) => `"fetchcgi/${entry}"`).reverse();
    const message = `Cannot use ${name} of this entry: import it from ${others.reverse().join(", ")} or ${last}`;
    expect(core).toHaveProperty(name, placeholder);
    // As a program in JavaScript does.
    const { phpFpm } = placeholder as { phpFpm?: () => void };
    const uses =
      phpFpm === undefined ? [placeholder] : [phpFpm, () => Reflect.construct(placeholder as () => void, [])];
    for (const use of uses) expect(use).toThrow(new TypeError(message));
  });

  it.each([
    ["node", ["FastCgiTcpConnector", "FastCgiUnixConnector", "fileOnDisk", "scriptOnDisk", "serve", "toMiddleware"]],
    ["bun", ["FastCgiTcpConnector", "FastCgiUnixConnector", "fileOnDisk", "scriptOnDisk", "serve", "toMiddleware"]],
    ["deno", ["FastCgiTcpConnector", "FastCgiUnixConnector", "fileOnDisk", "scriptOnDisk", "serve"]],
    ["cloudflare", ["FastCgiTcpConnector"]],
  ])("the adapter for %s adds %j", (name, names) => {
    const added = Object.keys(adapters[name]!).filter(
      (key) => Reflect.get(adapters[name]!, key) !== Reflect.get(core, key),
    );
    expect(added.sort()).toEqual(names);
  });
});
