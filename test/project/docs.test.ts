// The documents: what they link to, what their blocks of code show, and whether those compile.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, it } from "vitest";
import { commands } from "../../cli/commands.ts";
import { readInput } from "../../cli/frame/read.ts";
import { documents, filled } from "../../docs/site/fill.mjs";
import { blocksOf, linksOf, mapLinks } from "../../docs/site/markdown.mjs";
import { pages } from "../../docs/site/pages.mjs";
import { checkLinks } from "../support/broken_links.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (name: string): string => readFileSync(join(root, name), "utf8");
const everyDocument = execFileSync("git", ["ls-files", "-z", "-co", "--exclude-standard", "*.md"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\0")
  .filter((name) => name !== "" && existsSync(join(root, name)));

it("every page of docs/ is in the list of the site, and every page of the list exists", () => {
  const listed = pages.map(({ file }) => file);
  expect(listed.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  expect(everyDocument.filter((file) => file.startsWith("docs/") && !listed.includes(file))).toEqual([]);
  expect(new Set(pages.map(({ site }) => site)).size).toBe(pages.length);
});

it("every link in a document leads to a file, and to a heading of it", () => {
  const { broken, count } = checkLinks(root, everyDocument);
  expect(broken).toEqual([]);
  expect(count).toBeGreaterThan(300);
});

it("a link whose text goes on in the next line is found, and is changed for the site", () => {
  const before = "See [one](a.md), [the\ntable](b.md#c)\n\n```txt\n[no\nlink](d.md)\n```\n[e]\n\n(f.md) [g](h.md)\n";
  expect(linksOf(before)).toEqual([
    { target: "a.md", line: 1 },
    { target: "b.md#c", line: 2 },
    { target: "h.md", line: 10 },
  ]);
  expect(mapLinks(before, (target) => `/${target}`)).toBe(
    before.replace("a.md", "/a.md").replace("b.md", "/b.md").replace("h.md", "/h.md"),
  );
});

it("every block of code that names a file shows that file (npm run docs -- update)", () => {
  for (const name of documents()) expect(filled(read(name)), name).toBe(read(name));
});

it("every block of TypeScript compiles", () => {
  const sources = new Map<string, string>();
  for (const name of everyDocument) {
    for (const { language, text, line } of blocksOf(read(name))) {
      // Their names are where they stand, and they find what the project's files find.
      if (language === "ts") sources.set(join(root, "docs", `${name.replaceAll("/", ":")}:${line}.ts`), text);
    }
  }
  expect(sources.size).toBeGreaterThan(30);
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (file) => sources.has(file) || fileExists(file);
  host.readFile = (file) => sources.get(file) ?? readFile(file);
  host.getSourceFile = (file, ...more) =>
    sources.has(file)
      ? ts.createSourceFile(file, sources.get(file)!, ts.ScriptTarget.ES2023, true)
      : getSourceFile(file, ...more);
  const program = ts.createProgram(
    [...sources.keys()],
    { ...options, noUnusedLocals: false, noUnusedParameters: false },
    host,
  );
  const wrong = [...sources.keys()].flatMap((file) => {
    const source = program.getSourceFile(file)!;
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((problem) => {
      const { line } = source.getLineAndCharacterOfPosition(problem.start ?? 0);
      return `${file.slice(root.length)} +${line + 1}: ${ts.flattenDiagnosticMessageText(problem.messageText, " ")}`;
    });
  });
  expect(wrong).toEqual([]);
});

it("every block of JavaScript, which is of another library or the configuration of another tool, is JavaScript", () => {
  const wrong: string[] = [];
  let count = 0;
  for (const name of everyDocument) {
    for (const { language, text, line } of blocksOf(read(name))) {
      if (language !== "js") continue;
      count++;
      const { diagnostics } = ts.transpileModule(text, { fileName: "block.js", reportDiagnostics: true });
      for (const { messageText } of diagnostics!)
        wrong.push(`${name}:${line}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`);
      // What this library offers is shown in TypeScript, which is compiled.
      if (/["']fetchcgi/.test(text)) wrong.push(`${name}:${line}: uses fetchcgi, and is not checked against its types`);
    }
  }
  expect(wrong).toEqual([]);
  expect(count).toBeGreaterThan(3);
});

it("every line with npx fetchcgi is one that the command understands", () => {
  const wrong: string[] = [];
  let count = 0;
  for (const name of documents()) {
    for (const { language, text } of blocksOf(read(name))) {
      if (language !== "sh") continue;
      for (const [line, written = ""] of text.matchAll(/^(?:.* && )?npx fetchcgi ([^#\n]*)/gm)) {
        const words = [...written.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
        const command = commands.find((one) => words.slice(0, one.name.split(" ").length).join(" ") === one.name);
        count++;
        try {
          if (command === undefined) throw new Error("no such command");
          readInput(command, words.slice(command.name.split(" ").length));
        } catch (error) {
          wrong.push(`${name}: ${line}: ${(error as Error).message}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(count).toBeGreaterThan(8);
});
