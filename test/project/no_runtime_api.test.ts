import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Compiles a folder as its own tsconfig says, with one more file in it, and returns the errors in that file. */
function errorsInside(text: string, folder = "src"): string[] {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(root, folder, "tsconfig.json"),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic(diagnostic) {
        throw new Error(String(diagnostic.messageText));
      },
    },
  )!;
  const probe = join(root, folder, "probe.ts");
  const host = ts.createCompilerHost(config.options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === probe || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === probe ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2023) : getSourceFile.call(host, name, ...rest);
  const program = ts.createProgram([probe], config.options, host);
  return program
    .getSemanticDiagnostics(program.getSourceFile(probe))
    .map((diagnostic) => ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
}

describe("src", () => {
  it("does not compile when it names a runtime", () => {
    for (const name of ["Buffer", "process", "Bun", "Deno", "setImmediate", "__dirname", "document"]) {
      expect(errorsInside(`export const probe: unknown = ${name};`), name).toHaveLength(1);
    }
    expect(errorsInside(`import { connect } from "node:net";\nexport const probe: unknown = connect;`)).toHaveLength(1);
  });

  it("compiles when it names web standards", () => {
    expect(errorsInside("export const probe: unknown = [ReadableStream, Request, AbortSignal, setTimeout];")).toEqual(
      [],
    );
  });

  it("prints nothing", () => {
    const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((f) =>
      f.endsWith(".ts"),
    );
    expect(files.filter((file) => /\bconsole\b/.test(readFileSync(join(root, "src", file), "utf8")))).toEqual([]);
  });
});

describe("adapters/cloudflare", () => {
  it("does not compile when it names another runtime", () => {
    for (const name of ["Buffer", "process", "Bun", "Deno"]) {
      expect(errorsInside(`export const probe: unknown = ${name};`, "adapters/cloudflare"), name).toHaveLength(1);
    }
  });
});

describe("the types that are published", () => {
  const declared = ["adapters", "src"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => join(folder, file)),
  );

  it("come without the types of a runtime", () => {
    const references = declared.filter((file) =>
      /<reference (types|lib)=/.test(readFileSync(join(root, file), "utf8")),
    );
    expect(references).toEqual([]);
  });
});
