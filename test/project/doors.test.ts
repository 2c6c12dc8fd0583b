// What the doors of the package let through: what programs call, in few names; and every type that a signature mentions can be imported,
// from the same door or from the toolkit.

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import * as core from "../../src/index.ts";
import * as toolkit from "../../src/toolkit.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const DOORS = [
  "src/index.ts",
  "src/toolkit.ts",
  "adapters/node/index.ts",
  "adapters/bun/index.ts",
  "adapters/deno/index.ts",
  "adapters/cloudflare/index.ts",
] as const;

/** The most names of a door for programs, with what its runtime adds. A name that no usual program imports belongs in the toolkit. */
const MOST_NAMES = 60;

/** Types of the library's own connections, which programs see by the interface behind them. */
const OF_CONNECTIONS: Readonly<Record<string, string>> = {
  IncomingRequest: "FastCgiRequest",
  IncomingResponse: "FastCgiClientResponse",
  IncomingResponseHooks: "ResponseDecoderOutlet",
  RequestWatch: "FastCgiServerRequestEnd",
};

// Without the types of any runtime: only what the library declares itself is looked at.
const program = ts.createProgram(
  DOORS.map((door) => join(root, door)),
  {
    noLib: true,
    types: [],
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    noEmit: true,
  },
);
const checker = program.getTypeChecker();

function resolved(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

function exportsOf(door: string): ReadonlySet<ts.Symbol> {
  const source = program.getSourceFile(join(root, door))!;
  return new Set(checker.getExportsOfModule(checker.getSymbolAtLocation(source)!).map(resolved));
}

/** Whether the library declares it. */
function isOurs({ declarations = [], flags }: ts.Symbol): boolean {
  const isType = (flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias)) !== 0;
  const isIn = (folder: string): boolean => declarations[0]!.getSourceFile().fileName.startsWith(join(root, folder));
  return isType && declarations.length > 0 && (isIn("src/") || isIn("adapters/"));
}

/** Calls `found` with each type of the library that a declaration mentions where its user sees it. */
function visitTypes(node: ts.Node, found: (type: ts.Symbol) => void): void {
  // Its user does not see bodies, initial values and `#private` members.
  if (ts.isBlock(node)) return;
  if (ts.isClassElement(node) && node.name !== undefined && ts.isPrivateIdentifier(node.name)) return;
  if (ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node) || ts.isParameter(node)) {
    if (node.type !== undefined) visitTypes(node.type, found);
    return;
  }
  const isBase = ts.isExpressionWithTypeArguments(node);
  if (ts.isTypeReferenceNode(node) || ts.isTypeQueryNode(node) || isBase) {
    const name = isBase ? node.expression : ts.isTypeReferenceNode(node) ? node.typeName : node.exprName;
    const named = checker.getSymbolAtLocation(name);
    const symbol = named && resolved(named);
    if (symbol !== undefined && isOurs(symbol)) {
      // The class that another one extends needs no name, but its members are that one's.
      if (isBase && symbol.flags & ts.SymbolFlags.Class) visitMembers(symbol, found);
      else found(symbol);
    }
  }
  ts.forEachChild(node, (child) => visitTypes(child, found));
}

function visitMembers(type: ts.Symbol, found: (type: ts.Symbol) => void): void {
  for (const declaration of type.declarations ?? []) {
    ts.forEachChild(declaration, (member) => {
      if (!ts.isConstructorDeclaration(member)) visitTypes(member, found);
    });
  }
}

describe.each(DOORS)("%s", (door) => {
  it("exports every type that a signature in it mentions, or leaves it to the toolkit", () => {
    const exported = exportsOf(door);
    const toolkitExports = exportsOf("src/toolkit.ts");
    expect(exported.size).toBeGreaterThan(40);
    const missing = new Set<string>();
    for (const symbol of exported) {
      for (const declaration of symbol.declarations ?? []) {
        visitTypes(declaration, (type) => {
          if (![exported, toolkitExports].some((door) => door.has(type)) && !(type.name in OF_CONNECTIONS))
            missing.add(`${type.name}, in ${symbol.name}`);
        });
      }
    }
    expect([...missing]).toEqual([]);
  });
});

describe("the doors", () => {
  it("the first one has no records, stages or constants of the wire", () => {
    expect(Object.keys(core).filter((name) => /^FCGI_|Record|Stream$|^(en|de)code/.test(name))).toEqual([]);
  });

  it("the first one has few names, so that a program finds its own among them", () => {
    for (const door of DOORS.filter((each) => each !== "src/toolkit.ts")) {
      expect(exportsOf(door).size, door).toBeLessThanOrEqual(MOST_NAMES);
    }
  });

  it("the second one has all of the first, the same objects", () => {
    for (const [name, value] of Object.entries(core)) expect(toolkit, name).toHaveProperty(name, value);
    expect(Object.keys(toolkit).length).toBeGreaterThan(2 * Object.keys(core).length);
  });
});
