// The package as its users get it: packed, installed into an empty project, and used from there on every runtime.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, realpath, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../adapters/node/index.ts";
import { type Compilation, declarationErrors, resolutions, users, wrongUser } from "../../scripts/declarations.mjs";
import { requireRuntime } from "../../scripts/setup.mjs";
import { checkLinks } from "../support/broken_links.ts";
import { buildPackage } from "../support/built_package.ts";
import { freePort } from "../support/free_port.ts";
import { startProcess } from "../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const execute = promisify(execFile);

let directory: TemporaryDirectory;
let tarball: string;
/** An empty project but for the package and the programs. */
let project: string;
/** The package in it. */
let installed: string;

beforeAll(async () => {
  directory = await createTemporaryDirectory("package");
  const staged = join(directory.path, "staged");
  await buildPackage(staged);
  const { files } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { files: string[] };
  // npm takes from these folders what `files` says.
  const folders = new Set(files.map((file) => file.split("/")[0]!));
  folders.delete("dist");
  for (const name of ["package.json", "README.md", "LICENSE", ...folders]) {
    const filter = (path: string): boolean => basename(path) !== "node_modules";
    await cp(join(root, name), join(staged, name), { recursive: true, filter });
  }
  await execute("npm", ["pack", "--ignore-scripts", "--pack-destination", directory.path], { cwd: staged });
  const names = await readdir(directory.path);
  tarball = join(directory.path, names.find((name) => name.endsWith(".tgz"))!);
  project = join(directory.path, "project");
  await cp(join(root, "test/project/programs"), project, { recursive: true });
  await writeFile(join(project, "package.json"), '{ "private": true, "type": "module" }');
  await execute("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], { cwd: project });
  installed = join(project, "node_modules/fetchcgi");
});

afterAll(() => directory.remove());

const answer = [200, "POST", "/path", "body"];

describe("the installed package", () => {
  it("has the file of every link in its documents", async () => {
    const names = await readdir(installed, { recursive: true });
    const documents = names.filter((name) => name.endsWith(".md"));
    expect(documents).toEqual(expect.arrayContaining(["README.md", "docs/serve.md", "cli/ping/README.md"]));
    const { broken, count } = checkLinks(installed, documents);
    expect(broken).toEqual([]);
    expect(count).toBeGreaterThan(200);
  });

  it("has nothing that belongs to a clone, and is small", async () => {
    const names = await readdir(installed, { recursive: true });
    expect(names.filter((name) => /^(adapters|src|scripts|test)\/|node_modules|\.test\.|\/\./.test(name))).toEqual([]);
    expect((await stat(tarball)).size).toBeLessThan(1_400_000);
  });

  it("installs nothing else", async () => {
    expect((await readdir(join(project, "node_modules"))).filter((name) => !name.startsWith("."))).toEqual([
      "fetchcgi",
    ]);
  });

  it.each<[runtime: string, command: () => string, args: string[], entries: string[]]>([
    ["this Node", () => process.execPath, [], ["node"]],
    ["the newest Node", () => requireRuntime("node26"), [], ["node"]],
    ["Bun", () => requireRuntime("bun"), [], ["bun", "node"]],
    ["Deno", () => requireRuntime("deno"), ["run", "--quiet", "--allow-all"], ["deno", "node"]],
  ])("serves and calls on %s", async (_, command, args, entries) => {
    const { stdout } = await execute(command(), [...args, "package.mjs", ...entries], { cwd: project });
    expect(JSON.parse(stdout)).toEqual(Object.fromEntries(["core", ...entries].map((name) => [name, answer])));
  });

  it("runs in a Worker, unbundled", async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/`;
    const configuration = join(project, "config.capnp");
    await writeFile(configuration, workerConfiguration(port, await readdir(join(installed, "dist"))));
    const worker = await startProcess(requireRuntime("workerd"), {
      name: "workerd",
      args: ["serve", configuration],
      ready: () =>
        fetch(url).then(
          ({ ok }) => ok,
          () => false,
        ),
    });
    try {
      expect(await (await fetch(url)).json()).toEqual({ core: answer, connector: "function" });
    } finally {
      await worker.stop();
    }
  });
});

describe("the installed command", () => {
  const main = (): string => join(installed, "dist/cli/main.js");
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

  it("is what npm links as fetchcgi", async () => {
    const linked = join(project, "node_modules/.bin/fetchcgi");
    expect(await realpath(linked)).toBe(await realpath(main()));
    expect((await execute(linked, ["--version"])).stdout).toBe(`${version}\n`);
  });

  it.each<[runtime: string, command: () => string, args: string[]]>([
    ["this Node", () => process.execPath, []],
    ["the newest Node", () => requireRuntime("node26"), []],
    ["Bun", () => requireRuntime("bun"), []],
    ["Deno", () => requireRuntime("deno"), ["run", "--quiet", "--allow-all"]],
  ])("runs on %s", async (_, command, args) => {
    const run = (...more: string[]) => execute(command(), [...args, main(), ...more]);
    expect((await run("--version")).stdout).toBe(`${version}\n`);
    expect((await run("check", "application", "--help")).stdout).toContain("fetchcgi check application");
    const wrong = await run("check", "application", "--tmeout", "1").catch((error) => error);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("did you mean --timeout?")]);
  });

  it("loads no more than it needs for its help", async () => {
    const { files, modules } = await loadedBy(["--help"]);
    expect(files).toEqual(["cli/main.js"]);
    expect((await stat(join(installed, "dist/cli/main.js"))).size).toBeLessThan(40_000);
    expect(modules.filter((name) => /undici|webstreams|crypto|http|worker_threads/.test(name))).toEqual([]);
  });

  it("loads neither fetch, streams of the web, cryptography nor HTTP for a ping", async () => {
    const path = join(directory.path, "ping.sock");
    const server = await serve({ path, fetch: () => new Response("pong") });
    onTestFinished(() => server.close());
    const { files, modules } = await loadedBy(["ping", path, "--expect", "pong"]);
    // Each further file would take its time.
    expect(files.toSorted()).toEqual(["cli/main.js", "cli/ping.js"]);
    expect(modules).toContain("net");
    const unneeded = /undici|webstreams|crypto|http|child_process|cluster|worker_threads/;
    expect(modules.filter((name) => unneeded.test(name))).toEqual([]);
  });

  it("is in no file that an entry of the library loads", async () => {
    const names = (await readdir(join(installed, "dist"))).filter((name) => name.endsWith(".js.map"));
    for (const name of names) {
      const { sources } = JSON.parse(await readFile(join(installed, "dist", name), "utf8")) as { sources: string[] };
      expect(sources.filter((source) => /(^|\/)cli\//.test(source))).toEqual([]);
    }
    expect(names.length).toBeGreaterThan(5);
  });

  /** The files of the package, and the modules of Node, that a run of the command loads. */
  async function loadedBy(args: string[]): Promise<{ files: string[]; modules: string[] }> {
    const folder = await mkdtemp(join(directory.path, "loaded-"));
    const list = join(folder, "modules.json");
    const write = `process.on("exit", () => process.getBuiltinModule("fs").writeFileSync(${JSON.stringify(list)}, JSON.stringify(process.moduleLoadList)))`;
    await execute(
      requireRuntime("node24"),
      ["--import", `data:text/javascript,${encodeURIComponent(write)}`, main(), ...args],
      {
        env: { ...process.env, NODE_V8_COVERAGE: join(folder, "coverage") },
      },
    );
    const [coverage] = await readdir(join(folder, "coverage"));
    const { result } = JSON.parse(await readFile(join(folder, "coverage", coverage!), "utf8")) as {
      result: { url: string }[];
    };
    const files = result
      .map(({ url }) => /\/fetchcgi\/dist\/(.+)$/.exec(url)?.[1])
      .filter((file) => file !== undefined);
    const modules = (JSON.parse(await readFile(list, "utf8")) as string[]).map((name) => name.replace(/^.* /, ""));
    return { files, modules };
  }
});

/** A Worker whose modules are the files of the package, under the names that it is imported by. */
function workerConfiguration(port: number, dist: readonly string[]): string {
  const embedded = [
    ...["worker.mjs", "over_streams.mjs"].map((name) => [name, name]),
    ...dist
      .filter((name) => /^(chunk-.*|index|toolkit|cloudflare)\.js$/.test(name))
      .map((name) => [`fetchcgi/${name}`, `node_modules/fetchcgi/dist/${name}`]),
  ].map(([name, path]) => `(name = "${name}", esModule = embed "${path}")`);
  // Modules are found by their names alone, and there is no package.json.
  const entries = [
    ["fetchcgi", "./fetchcgi/index.js"],
    ["fetchcgi/toolkit", "./toolkit.js"],
    ["fetchcgi/cloudflare", "./cloudflare.js"],
  ].map(([name, path]) => `(name = "${name}", esModule = "export * from '${path}';")`);
  const modules = [...embedded, ...entries];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (modules = [${modules.join(", ")}], compatibilityDate = "2025-01-01");
`;
}

describe("the types of the installed package", () => {
  const program = (name: string): string => users.find((user) => user.name === name)!.program;

  it("fetchcgi and fetchcgi/deno have no errors for deno check", async () => {
    await writeFile(join(project, "core.ts"), program("fetchcgi for browsers"));
    await writeFile(join(project, "program.ts"), program("fetchcgi/deno"));
    await execute(requireRuntime("deno"), ["check", "--quiet", "core.ts", "program.ts"], { cwd: project });
  });

  // `npm run release-check` compiles every program in every way, with the oldest and the newest TypeScript as well.
  const compiled = users
    .filter(({ types }) => types.every((name) => name.startsWith("@types/")))
    .flatMap((user, index) => {
      const ways = Object.keys(resolutions);
      return (user.name === "fetchcgi/node without DOM" ? ways : [ways[index % ways.length]!]).map(
        (resolution) => [user.name, resolution, user] as const,
      );
    });

  it.each(compiled)("%s has no errors with moduleResolution %s", async (_, resolution, user) => {
    expect(await errorsOf({ resolution, user })).toEqual([]);
  });

  it("errors in a program are found", async () => {
    expect(await errorsOf({ resolution: "bundler", user: wrongUser })).toEqual([expect.stringContaining("nothing")]);
  });

  async function errorsOf(compilation: Pick<Compilation, "resolution" | "user">): Promise<string[]> {
    const folder = await mkdtemp(join(directory.path, "types-"));
    const packages = join(root, "node_modules");
    return declarationErrors({
      ...compilation,
      typescript: join(packages, "typescript"),
      installed,
      folder,
      typesIn: packages,
    });
  }
});

describe("the published declarations", () => {
  it("of the core and of the entry for Workers name no runtime", async () => {
    const seen = new Set<string>();
    const visit = async (name: string): Promise<void> => {
      if (seen.has(name)) return;
      seen.add(name);
      const text = await readFile(join(installed, "dist", name), "utf8");
      const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
      expect(code, name).not.toMatch(/\b(Buffer|NodeJS|Bun|Deno|process)\b|node:/);
      expect(text.match(/<reference .*/g)).toEqual(['<reference lib="esnext.disposable" />']);
      for (const [, path] of text.matchAll(/from '\.\/([^']+)\.js'/g)) await visit(`${path}.d.ts`);
    };
    for (const name of ["index.d.ts", "toolkit.d.ts", "cloudflare.d.ts"]) await visit(name);
    expect(seen.size).toBeGreaterThanOrEqual(2);
  });

  it("have no any, and no type arguments of Uint8Array, which TypeScript before 5.7 does not know", async () => {
    const names = (await readdir(join(installed, "dist"))).filter((name) => name.endsWith(".d.ts"));
    expect(names.length).toBeGreaterThanOrEqual(6);
    const found: string[] = [];
    for (const name of names) {
      const source = ts.createSourceFile(
        name,
        await readFile(join(installed, "dist", name), "utf8"),
        ts.ScriptTarget.Latest,
        true,
      );
      const visit = (node: ts.Node): void => {
        const isAny = node.kind === ts.SyntaxKind.AnyKeyword;
        const isGeneric = ts.isTypeReferenceNode(node) && node.typeArguments !== undefined;
        if (isAny || (isGeneric && node.typeName.getText() === "Uint8Array")) {
          found.push(`${name}: ${node.parent.getText()}`);
        }
        ts.forEachChild(node, visit);
      };
      visit(source);
    }
    expect(found).toEqual([]);
  });
});

describe("the tools that check packages", () => {
  it("publint has nothing to say", async () => {
    const { messages, pkg } = await publint({ pkgDir: installed, pack: false, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg!))).toEqual([]);
  });

  it("npm corrects nothing in package.json, and so publishes it as it is", async () => {
    const written = await readFile(join(root, "package.json"), "utf8");
    const folder = await mkdtemp(join(directory.path, "fix-"));
    await writeFile(join(folder, "package.json"), written);
    await execute("npm", ["pkg", "fix"], { cwd: folder });
    expect(JSON.parse(await readFile(join(folder, "package.json"), "utf8"))).toEqual(JSON.parse(written));
  });

  it("attw has nothing to say but that there is no CommonJS", async () => {
    const attw = join(root, "node_modules/@arethetypeswrong/cli/dist/index.js");
    // It fails with a code if there is a problem.
    const args = [attw, tarball, "--profile", "strict", "--ignore-rules", "cjs-resolves-to-esm", "--no-color"];
    expect((await execute(process.execPath, args)).stdout).toContain("No problems found");
  });

  it("deno doc --lint has nothing to say: every export is documented, and mentions only what is exported", async () => {
    const { exports } = JSON.parse(await readFile(join(root, "deno.json"), "utf8")) as {
      exports: Record<string, string>;
    };
    // It fails with a code if it has.
    await execute(requireRuntime("deno"), ["doc", "--lint", ...Object.values(exports)], { cwd: root });
  });

  it("deno publish has nothing to say, slow types included", async () => {
    // Without a check of the types, which takes it minutes on a busy machine: `npm run release-check` lets it do that as well.
    const args = ["publish", "--dry-run", "--allow-dirty", "--no-check"];
    const env = { ...process.env, NO_COLOR: "1" };
    const { stderr } = await execute(requireRuntime("deno"), args, { cwd: root, env });
    const output = stripVTControlCharacters(stderr);
    expect(output).not.toMatch(/^\s*(warning|error)/im);
    expect(output).toMatch(/Success Dry run complete\s*$/);
  });
});
