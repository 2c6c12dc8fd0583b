// What TypeScript tells a user in an editor, by the language service that every editor asks: the names of variables, their meaning, and where
// an export is.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { membersOf } from "../support/interface_members.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const KNOWN = membersOf({ file: "src/cgi/known_params.ts", name: "FastCgiKnownParams" });
const names = KNOWN.map(({ name }) => name);

/** Programs that name a variable where `|` is. */
const PLACES: Readonly<Record<string, string>> = {
  "get of a handler's params": 'serve({ port: 0, fetch: (_, { params }) => new Response(params.get("|")) });',
  "has of a handler's params": 'serve({ port: 0, fetch: (_, { params }) => Response.json(params.has("|")) });',
  "get of the params of a FastCgiRequest": 'new FastCgiServer(({ params }) => ({ stdout: params.get("|") ?? "" }));',
  "get of the params by which a connector chooses":
    'export const own: Connector = { ...connector, keyOf: ({ params }) => params.get("|") ?? "" };',
  "params of a client, as an object": 'new FastCgiHttpClient(connector, { params: { "|": "" } });',
  "params of a client, as pairs": 'new FastCgiHttpClient(connector, { params: [["|", ""]] });',
  "params of a client, as a Map": 'new FastCgiHttpClient(connector, { params: new Map([["|", ""]]) });',
  "params of a request": 'client.fetch("http://a.test/", { params: { "|": "" } });',
  "params of a preset": 'export const preset: FastCgiHttpPreset = { params: { "|": "" } };',
  "params of a FastCgiClient's request": 'new FastCgiClient(connector).send({ params: [["|", ""]] });',
  "params that become a Request": 'paramsToRequest([["|", ""]]);',
  "params of a Request": 'requestToParams(new Request("http://a.test/"), { params: { "|": "" } });',
};

const imports = `
  import {
    FastCgiClient, FastCgiHttpClient, FastCgiServer, serve, type Connector, type FastCgiContext, type FastCgiParams,
  } from "../../adapters/node/index.ts";
  import { paramsToRequest, requestToParams, type FastCgiHttpPreset, type FastCgiParamName } from "../../src/toolkit.ts";
  declare const connector: Connector;
  declare const client: FastCgiHttpClient;
  declare const context: FastCgiContext;
`;

/** What the language service is asked about: one file, which changes. */
const file = join(root, "test/project/program_in_an_editor.ts");
let text = "";
let version = 0;
const options: ts.CompilerOptions = {
  ...ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config,
    { ...ts.sys, readDirectory: () => [] },
    root,
  ).options,
  noUnusedLocals: false,
};
const service = ts.createLanguageService({
  getCompilationSettings: () => options,
  getScriptFileNames: () => [file],
  getScriptVersion: (name) => (name === file ? String(version) : "0"),
  getScriptSnapshot(name) {
    const content = name === file ? text : ts.sys.readFile(name);
    return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
  },
  getCurrentDirectory: () => root,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: (name) => name === file || ts.sys.fileExists(name),
  readFile: (name) => (name === file ? text : ts.sys.readFile(name)),
  directoryExists: ts.sys.directoryExists,
  getDirectories: ts.sys.getDirectories,
});

/** Opens a program, with the cursor where `|` is. */
function open(program: string): number {
  const cursor = imports.length + program.indexOf("|");
  text = imports + program.replace("|", "");
  version++;
  return cursor;
}

function errors(): string[] {
  return service
    .getSemanticDiagnostics(file)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

describe("an editor", () => {
  it.each(Object.entries(PLACES))("completes the names of variables in %s", (_, program) => {
    const cursor = open(program);
    const completed = service.getCompletionsAtPosition(file, cursor, {})?.entries.map(({ name }) => name) ?? [];
    expect(completed).toEqual(expect.arrayContaining(names));
    expect(errors()).toEqual([]);
  });

  it("shows the meaning of a name in an object of params", () => {
    const cursor = open('new FastCgiHttpClient(connector, { params: { DOCUMENT_|ROOT: "/srv" } });');
    const shown = service
      .getQuickInfoAtPosition(file, cursor)
      ?.documentation?.map(({ text }) => text)
      .join("");
    expect(shown).toBe("The folder that the site's paths are in.");
  });

  it("shows the meaning of get and has", () => {
    const cursor = open('context.params.g|et("HTTPS");');
    const shown = service
      .getQuickInfoAtPosition(file, cursor)
      ?.documentation?.map(({ text }) => text)
      .join("");
    expect(shown).toBe("The value of a variable.");
  });
});

describe("the types of params", () => {
  it.each([
    ["another name", 'export const value = context.params.get("MY_OWN");'],
    ["a name in a variable", "export const valueOf = (name: string) => context.params.get(name);"],
    ["a Map", "export const params: FastCgiParams = new Map([['A', 'b']]);"],
    ["a ReadonlyMap", "export const paramsOf = (map: ReadonlyMap<string, string>): FastCgiParams => map;"],
    ["params as a ReadonlyMap", "export const map: ReadonlyMap<string, string> = context.params;"],
    ["params as params of a request", 'client.fetch("http://a.test/", { params: context.params });'],
    ["another name in an object", 'client.fetch("http://a.test/", { params: { HTTPS: "on", MY_OWN: "1" } });'],
    ["an object of strings", "export const ask = (params: Record<string, string>) => client.fetch('/', { params });"],
    ["pairs", "export const ask = (params: [string, string][]) => client.fetch('/', { params });"],
    ["a Map of params", "client.fetch('/', { params: new Map([['HTTPS', 'on'], ['MY_OWN', '1']]) });"],
    ["a computed name", "export const ask = (name: string) => client.fetch('/', { params: { [name]: '1' } });"],
    ["a name as a string", "export const name: FastCgiParamName = String(Math.random());"],
  ])("take %s", (_, program) => {
    open(program);
    expect(errors()).toEqual([]);
  });

  it.each([
    ["a number in an object", "client.fetch('/', { params: { SERVER_PORT: 8080 } });"],
    ["a number of another name in an object", "client.fetch('/', { params: { MY_OWN: 1 } });"],
    ["undefined in an object", "client.fetch('/', { params: { HTTPS: undefined } });"],
    ["a number as a name", "context.params.get(1);"],
    ["a number in pairs", "client.fetch('/', { params: [['SERVER_PORT', 8080]] });"],
    ["a change", "context.params.set('HTTPS', 'on');"],
  ])("refuse %s", (_, program) => {
    open(program);
    expect(errors()).toHaveLength(1);
  });
});

describe("an import of what only the entries of runtimes have", () => {
  it.each([
    ["serve", "serve({ port: 9000, fetch: () => new Response() });"],
    ["serve", "export const server = await serve({ path: '/run/app.sock', fetch: () => new Response() });"],
    ["FastCgiTcpConnector", "new FastCgiTcpConnector('127.0.0.1:9000');"],
    ["FastCgiTcpConnector", "FastCgiTcpConnector.phpFpm({ port: 9000 }, '/srv/index.php');"],
    ["FastCgiUnixConnector", "new FastCgiUnixConnector('/run/php.sock');"],
    ["FastCgiUnixConnector", "FastCgiUnixConnector.phpFpm('/run/php.sock', '/srv/index.php');"],
    ["scriptOnDisk", "scriptOnDisk('/srv');"],
    ["fileOnDisk", "fileOnDisk('/srv');"],
    ["toMiddleware", "toMiddleware(client.fetch);"],
  ])("of %s says which have it: %s", (name, program) => {
    for (const entry of ["src/index.ts", "src/toolkit.ts"]) {
      // The program's own import of the same name is out of the way.
      text = `${imports.replace(/\bserve, /, "")} import { ${name} } from "../../${entry}"; ${program}`;
      version++;
      const [error = "none"] = errors();
      expect(error).toContain(`is not assignable to parameter of type '"Import ${name} from fetchcgi/node`);
      expect(errors()).toHaveLength(1);
      const hints = service.getSuggestionDiagnostics(file).filter(({ reportsDeprecated }) => reportsDeprecated);
      expect(hints.length).toBeGreaterThan(0);
    }
  });
});

describe("the names that are known", () => {
  const document = readFileSync(join(root, "specifications/params.md"), "utf8");

  it("are those of params.md", () => {
    const rows = [...document.matchAll(/^\| ([A-Z][A-Z0-9_]+(?:, [A-Z][A-Z0-9_*]+)*) +\|/gm)];
    const written = new Set(rows.flatMap(([, cell]) => cell!.split(", ")));
    expect(written.size).toBeGreaterThan(40);
    expect([...written].filter((name) => !names.includes(name) && !UNNAMED.test(name))).toEqual([]);
    expect(names.filter((name) => !name.startsWith("HTTP_") && !written.has(name))).toEqual([]);
  });

  it("each say what they mean", () => {
    expect(KNOWN.filter(({ comment }) => !/^\/\*\* .*\. \*\/$/s.test(comment.trim()))).toEqual([]);
  });
});

/** Variables of params.md that need no completion: of fields, of which the usual ones are known, and families such as `REDIRECT_*`. */
const UNNAMED = /^(HTTP_.*|.*_\*|.*_)$/;
