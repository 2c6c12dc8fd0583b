// The package as its users get it: packed, installed into an empty project, and used from there on every runtime.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireRuntime } from "../../scripts/setup.mjs";
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
  for (const name of ["package.json", "README.md", "LICENSE", ...files.filter((file) => file !== "dist")]) {
    await cp(join(root, name), join(staged, name), { recursive: true });
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

  it("loads neither fetch, cryptography nor HTTP for a ping", async () => {
    // Nothing listens there, which is code 1.
    const { files, modules } = await loadedBy(["ping", "/nowhere/app.sock"], 1);
    // Each further file would take its time.
    expect(files.toSorted()).toEqual(["cli/main.js", "cli/ping.js"]);
    expect(modules).toContain("net");
    expect(modules.filter((name) => /undici|crypto|http|child_process|cluster|worker_threads/.test(name))).toEqual([]);
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
  async function loadedBy(args: string[], code = 0): Promise<{ files: string[]; modules: string[] }> {
    const folder = await mkdtemp(join(directory.path, "loaded-"));
    const list = join(folder, "modules.json");
    const write = `process.on("exit", () => process.getBuiltinModule("fs").writeFileSync(${JSON.stringify(list)}, JSON.stringify(process.moduleLoadList)))`;
    const ended = await execute(
      requireRuntime("node24"),
      ["--import", `data:text/javascript,${encodeURIComponent(write)}`, main(), ...args],
      {
        env: { ...process.env, NODE_V8_COVERAGE: join(folder, "coverage") },
      },
    ).then(
      () => 0,
      (error) => error.code,
    );
    expect(ended).toBe(code);
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
  // `await using` is the one thing that is not in ES2022; the types of every runtime bring it.
  const web = ["es2022", "esnext.disposable", "dom", "dom.iterable", "dom.asynciterable"].map(
    (name) => `lib.${name}.d.ts`,
  );
  const program = (entry: string): string => `
    import { FastCgiHttpClient, FastCgiTcpConnector, serve, type FastCgiFetchHandler } from "fetchcgi/${entry}";
    const fetch: FastCgiFetchHandler = (request, { params }) => new Response(request.url + params.get("HTTPS"));
    const server = await serve({ port: 0, fetch });
    const client = new FastCgiHttpClient(new FastCgiTcpConnector("127.0.0.1:9000"), { maxConnections: 6 });
    const response: Response = await client.fetch("http://a.test/", { signal: AbortSignal.timeout(1000) });
    export const status: number = response.status;
    await server.close();`;
  const core = `
    import { FastCgiHttpClient, FastCgiServer, RequestDecoderStream, type Connector } from "fetchcgi/toolkit";
    export const client = (connector: Connector): FastCgiHttpClient => new FastCgiHttpClient(connector);
    export const server = new FastCgiServer(() => ({ stdout: new Uint8Array(1) }));
    export const stream: TransformStream = new RequestDecoderStream();`;
  const cloudflare = `
    import { FastCgiHttpClient, FastCgiTcpConnector } from "fetchcgi/cloudflare";
    export const client = new FastCgiHttpClient(new FastCgiTcpConnector("127.0.0.1:9000"));`;

  it("fetchcgi and fetchcgi/deno have no errors for deno check", async () => {
    await writeFile(join(project, "core.ts"), core);
    await writeFile(join(project, "program.ts"), program("deno"));
    await execute(requireRuntime("deno"), ["check", "--quiet", "core.ts", "program.ts"], { cwd: project });
  });

  const cases: [entry: string, types: string[], lib: string[], text: string][] = [
    ["fetchcgi", [], web, core],
    ["fetchcgi/node", ["node"], ["lib.es2022.d.ts"], program("node")],
    ["fetchcgi/bun", ["bun"], ["lib.esnext.d.ts"], program("bun")],
    // These are of the namespace Deno only.
    ["fetchcgi/deno", ["deno"], web, program("deno")],
    ["fetchcgi/cloudflare", [], web, cloudflare],
  ];
  const resolutions = [
    ["bundler", { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler }],
    ["node16", { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 }],
  ] as const;

  describe.each(resolutions)("moduleResolution %s", (mode, options) => {
    it.each(cases)("%s has no errors with the types of %j only", async (entry, types, lib, text) => {
      const folder = join(directory.path, `types-${entry.replace("/", "-")}-${mode}`);
      await mkdir(join(folder, "node_modules/@types"), { recursive: true });
      await symlink(installed, join(folder, "node_modules/fetchcgi"));
      for (const name of types) await symlink(typesOf(name), join(folder, "node_modules/@types", name));
      const file = join(folder, "program.ts");
      await writeFile(file, text);
      await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
      expect(errorsOf(file, { ...options, types, lib, target: ts.ScriptTarget.ES2022, strict: true })).toEqual([]);
    });
  });
});

function typesOf(name: string): string {
  return join(root, "node_modules/@types", name);
}

/** Errors in a program and in the package's declarations; not those within the types of a runtime. */
function errorsOf(file: string, options: ts.CompilerOptions): string[] {
  const program = ts.createProgram([file], {
    ...options,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    typeRoots: [join(dirname(file), "node_modules/@types")],
  });
  const files = program
    .getSourceFiles()
    .filter(({ fileName }) => fileName === file || fileName.includes("/node_modules/fetchcgi/"));
  return [
    ...program.getOptionsDiagnostics(),
    ...files.flatMap((each) => [...program.getSyntacticDiagnostics(each), ...program.getSemanticDiagnostics(each)]),
  ].map(({ file: where, messageText }) => `${where?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
}

describe("the published declarations", () => {
  it("of the core and of the entry for Workers name no runtime", async () => {
    const seen = new Set<string>();
    const visit = async (name: string): Promise<void> => {
      if (seen.has(name)) return;
      seen.add(name);
      const text = await readFile(join(installed, "dist", name), "utf8");
      const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
      expect(code, name).not.toMatch(/\b(Buffer|NodeJS|Bun|Deno|process)\b|node:|<reference/);
      for (const [, path] of text.matchAll(/from '\.\/([^']+)\.js'/g)) await visit(`${path}.d.ts`);
    };
    for (const name of ["index.d.ts", "toolkit.d.ts", "cloudflare.d.ts"]) await visit(name);
    expect(seen.size).toBeGreaterThanOrEqual(2);
  });
});

describe("the tools that check packages", () => {
  it("publint has nothing to say", async () => {
    const { messages, pkg } = await publint({ pkgDir: installed, pack: false, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg!))).toEqual([]);
  });

  it("attw has nothing to say but that there is no CommonJS", async () => {
    const attw = join(root, "node_modules/@arethetypeswrong/cli/dist/index.js");
    // esm-only: what CommonJS and the resolution of Node 10 would find is left out, because there is nothing to find.
    // It fails with a code if there is a problem.
    const { stdout } = await execute(process.execPath, [attw, tarball, "--profile", "esm-only", "--no-color"]);
    expect(stdout).toContain("(ignoring resolutions: 'node10', 'node16-cjs')");
  });

  it("deno publish has nothing to say, slow types included", async () => {
    const args = ["publish", "--dry-run", "--allow-dirty"];
    const env = { ...process.env, NO_COLOR: "1" };
    const { stderr } = await execute(requireRuntime("deno"), args, { cwd: root, env });
    const output = stripVTControlCharacters(stderr);
    expect(output).not.toMatch(/^\s*(warning|error)/im);
    expect(output).toMatch(/Success Dry run complete\s*$/);
  });
});
