// Compiles the programs of the package's users with a version of TypeScript: `npm run release-check` with the oldest and the newest, and
// test/project/package.test.ts with that of this project.
import { execFile } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { promisify } from "node:util";

/** The oldest version that compiles the declarations. */
export const OLDEST_TYPESCRIPT = "5.4";

const firstDoor = `
  import { FastCgiHttpClient, FastCgiHttpService, FastCgiServer, type Connector, type FastCgiParams } from "fetchcgi";
  export const hostOf = (params: FastCgiParams): string | undefined => params.get("HTTP_HOST");
  export const client = (connector: Connector): FastCgiHttpClient => new FastCgiHttpClient(connector, { params: { HTTPS: "on" } });
  export const server = new FastCgiServer(new FastCgiHttpService(() => new Response("Hello")).handler);`;
const toolkit = `
  import { encodeByteString, FastCgiServer, RequestDecoderStream } from "fetchcgi/toolkit";
  export const server = new FastCgiServer(() => ({ stdout: new Uint8Array(1) }));
  export const stream: TransformStream = new RequestDecoderStream();
  export const response = new Response(encodeByteString("bytes"));`;
const both = (entry) => `
  import { FastCgiHttpClient, FastCgiTcpConnector, serve, type FastCgiFetchHandler } from "fetchcgi/${entry}";
  const fetch: FastCgiFetchHandler = (request, { params }) => new Response(request.url + params.get("HTTPS"));
  export async function main(): Promise<number> {
    const server = await serve({ port: 0, fetch });
    const client = new FastCgiHttpClient(new FastCgiTcpConnector("127.0.0.1:9000"), { maxConnections: 6 });
    const response: Response = await client.fetch("http://a.test/", { signal: AbortSignal.timeout(1000) });
    await server.close();
    return response.status;
  }`;
const worker = `
  import { FastCgiHttpClient, FastCgiTcpConnector } from "fetchcgi/cloudflare";
  const client = new FastCgiHttpClient(new FastCgiTcpConnector("127.0.0.1:9000"));
  export default { fetch: (request: Request): Promise<Response> => client.fetch(request) };`;

/**
 * What users have: a program, the packages of types beside it, and the libraries of TypeScript, where undefined stands for those that it
 * takes by itself, with DOM. ES2018 is the oldest that does.
 */
export const users = [
  { name: "fetchcgi for browsers", program: firstDoor, types: [], lib: ["es2018", "dom"] },
  { name: "fetchcgi for Node.js", program: firstDoor, types: ["@types/node"], lib: ["es2022"] },
  { name: "fetchcgi/toolkit for browsers", program: toolkit, types: [], lib: undefined },
  { name: "fetchcgi/toolkit for web workers", program: toolkit, types: [], lib: ["es2022", "webworker"] },
  { name: "fetchcgi/node without DOM", program: both("node"), types: ["@types/node"], lib: ["es2022"] },
  { name: "fetchcgi/node with DOM", program: both("node"), types: ["@types/node"], lib: undefined },
  { name: "fetchcgi/bun without DOM", program: both("bun"), types: ["@types/bun"], lib: ["esnext"] },
  { name: "fetchcgi/bun with DOM", program: both("bun"), types: ["@types/bun"], lib: undefined },
  // These types are of the namespace Deno only.
  { name: "fetchcgi/deno", program: both("deno"), types: ["@types/deno"], lib: ["es2022", "dom"] },
  { name: "fetchcgi/cloudflare with DOM", program: worker, types: [], lib: undefined },
  {
    name: "fetchcgi/cloudflare without DOM",
    program: worker,
    types: ["@cloudflare/workers-types"],
    lib: ["es2022"],
  },
];

/** A program with an error: without one that is found, no error in the others says nothing. */
export const wrongUser = { name: "wrong", program: 'import { nothing } from "fetchcgi";', types: [], lib: undefined };

/** Every way in which TypeScript finds the package. */
export const resolutions = {
  bundler: { module: "esnext", moduleResolution: "bundler" },
  node16: { module: "node16", moduleResolution: "node16" },
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  // It knows no `exports`.
  node10: { module: "esnext", moduleResolution: "node10" },
};

/** The names of the ways that a version has. */
export function resolutionsOf(version) {
  return Object.keys(resolutions).filter((name) => name !== "node10" || majorOf(version) < 7);
}

/**
 * The errors in the program of a user and in the package's declarations; not those within the types of a runtime.
 *
 * @param typescript The folder of the package.
 * @param installed The folder of fetchcgi, as npm installs it.
 * @param folder An empty folder.
 * @param typesIn The folder that has the packages of types.
 */
export async function declarationErrors({ typescript, installed, folder, typesIn, resolution, user }) {
  const packages = join(folder, "node_modules");
  await mkdir(join(packages, "types"), { recursive: true });
  await symlink(installed, join(packages, "fetchcgi"));
  for (const name of user.types) await symlink(join(typesIn, name), join(packages, "types", basename(name)));
  const { version } = createRequire(import.meta.url)(join(typescript, "package.json"));
  const compilerOptions = {
    ...resolutions[resolution],
    ...(resolution === "node10" && majorOf(version) === 6 && { ignoreDeprecations: "6.0" }),
    target: "es2022",
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    typeRoots: [join(packages, "types")],
    types: user.types.map((name) => basename(name)),
    lib: user.lib,
  };
  await writeFile(join(folder, "program.ts"), user.program);
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
  // TypeScript 7 is a program.
  return majorOf(version) >= 7 ? errorsOfProgram(typescript, folder) : errorsOfApi(typescript, folder);
}

/** Checks only the files whose errors are wanted, in a tenth of the time that the program takes. */
function errorsOfApi(typescript, folder) {
  const ts = createRequire(import.meta.url)(typescript);
  const { config } = ts.readConfigFile(join(folder, "tsconfig.json"), ts.sys.readFile);
  const { options, errors, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, folder);
  const program = ts.createProgram(fileNames, options);
  const files = program.getSourceFiles().filter(({ fileName }) => isOurs(fileName));
  return [
    ...errors,
    ...program.getOptionsDiagnostics(),
    ...files.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ].map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
}

async function errorsOfProgram(typescript, folder) {
  const args = [join(typescript, "bin/tsc"), "--project", folder, "--pretty", "false"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder }).catch((error) => error);
  return stdout.split("\n").filter((line) => {
    const [, file] = /^(?:(.+)\(\d+,\d+\): )?error TS\d+: /.exec(line) ?? [null, "none"];
    return file === undefined || isOurs(file);
  });
}

function majorOf(version) {
  return Number.parseInt(version, 10);
}

function isOurs(file) {
  return /(^|\/)program\.ts$|\/fetchcgi\/dist\//.test(file);
}
