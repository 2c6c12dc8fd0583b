// An option has one place for its default. Its `@default` and its row in the README are read here and compared with that place, so an
// option that is added, renamed or changed without its documents fails by name.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { CLIENT_DEFAULTS } from "../../src/client/options.ts";
import { REQUEST_DECODER_DEFAULTS } from "../../src/codec/request_decoder_options.ts";
import { RESPONSE_DECODER_DEFAULTS } from "../../src/codec/response_decoder.ts";
import { DEFAULTS as CONNECTOR_DEFAULTS } from "../../src/connect/connectors.ts";
import { DEFAULT_HTTP_CLIENT_OPTIONS } from "../../src/http/call/client_options.ts";
import { SERVER_DEFAULTS } from "../../src/server/options.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface OptionsInterface {
  file: string;
  name: string;
  /** The object that its defaults come from, where they are more than a line of code. */
  defaults?: Readonly<Record<string, unknown>>;
  /** The first cell of the README's table that has its rows. */
  table: string;
}

const defaultsOf = (defaults: object): Readonly<Record<string, unknown>> => ({ ...defaults });

/** Every interface of options that a user of `serve` or of a client can give. */
const INTERFACES: readonly OptionsInterface[] = [
  {
    file: "src/codec/request_decoder_options.ts",
    name: "RequestDecoderOptions",
    defaults: defaultsOf(REQUEST_DECODER_DEFAULTS),
    table: "serve",
  },
  {
    file: "src/server/options.ts",
    name: "FastCgiServerLimits",
    defaults: defaultsOf(SERVER_DEFAULTS),
    table: "serve",
  },
  { file: "src/server/options.ts", name: "FastCgiServerOptions", table: "serve" },
  { file: "src/http/serve/service.ts", name: "FastCgiHttpServiceOptions", table: "serve" },
  { file: "adapters/system/listen.ts", name: "ListenTarget", table: "serve" },
  { file: "adapters/system/serve.ts", name: "ServeOptions", table: "serve" },
  { file: "src/server/server.ts", name: "CloseOptions", table: "`server.close`" },
  {
    file: "src/codec/response_decoder.ts",
    name: "ResponseDecoderOptions",
    defaults: defaultsOf(RESPONSE_DECODER_DEFAULTS),
    table: "call",
  },
  {
    file: "src/client/options.ts",
    name: "FastCgiClientLimits",
    defaults: defaultsOf(CLIENT_DEFAULTS),
    table: "call",
  },
  { file: "src/client/options.ts", name: "FastCgiClientOptions", table: "call" },
  {
    file: "src/http/call/client_options.ts",
    name: "FastCgiHttpClientOptions",
    defaults: defaultsOf(DEFAULT_HTTP_CLIENT_OPTIONS),
    table: "call",
  },
  { file: "src/http/call/internal_redirect.ts", name: "InternalRedirectOptions", table: "call" },
  {
    file: "src/connect/connectors.ts",
    name: "ComposedConnectorOptions",
    defaults: defaultsOf(CONNECTOR_DEFAULTS),
    table: "several connectors",
  },
];

interface Option {
  name: string;
  /** What its comment has in `@default {…}`. */
  documented: string | undefined;
  comment: string;
}

/** The members of an interface, without those that it inherits. */
function membersOf({ file, name }: OptionsInterface): Option[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), "utf8"), ts.ScriptTarget.Latest, true);
  const found = source.statements.find(
    (node): node is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(node) && node.name.text === name,
  );
  if (found === undefined) throw new Error(`There is no interface ${name} in ${file}`);
  return found.members.map((member) => {
    const comment = ts
      .getJSDocCommentsAndTags(member)
      .map((node) => node.getText())
      .join("\n");
    return { name: member.name!.getText(), documented: /@default \{(.+?)\}/.exec(comment)?.[1], comment };
  });
}

const readme = readFileSync(join(root, "README.md"), "utf8");

/** What the README's table that begins with `first` says of each option: its default, as it is written. */
function rowsOf(first: string): Map<string, string> {
  const rows = new Map<string, string>();
  const table = readme.slice(readme.indexOf(`\n| ${first} | default |`) + 1).split("\n\n", 1)[0]!;
  for (const line of table.split("\n").slice(2)) {
    const [, names = "", defaults = ""] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const listed = [...names.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
    const values = defaults.split(", ");
    for (const [index, name] of listed.entries()) {
      rows.set(name, values.length === listed.length ? values[index]! : defaults);
    }
  }
  return rows;
}

/** A default as the README writes it. */
function written(name: string, value: unknown): string {
  if (value === Number.POSITIVE_INFINITY) return "none";
  if (typeof value === "string") return `\`${JSON.stringify(value)}\``;
  if (typeof value !== "number") return String(value);
  if (name.endsWith("Bytes")) {
    const units = ["GiB", "MiB", "KiB"];
    const size = units.findIndex((_, index) => value % 1024 ** (3 - index) === 0);
    return size === -1 ? String(value) : `${value / 1024 ** (3 - size)} ${units[size]}`;
  }
  if (!/Timeout$|^coolDown$|^grace$/.test(name)) return String(value);
  if (value % 60_000 === 0 && value > 120_000) return `${value / 60_000} min`;
  return value % 1000 === 0 ? `${value / 1000} s` : `${value} ms`;
}

describe.each(INTERFACES)("$name", (options) => {
  const members = membersOf(options);
  const rows = rowsOf(options.table);

  it("has a row in the README for each option", () => {
    expect(rows.size).toBeGreaterThan(0);
    expect(members.map(({ name }) => name).filter((name) => !rows.has(name))).toEqual([]);
  });

  const { defaults } = options;
  if (defaults !== undefined) {
    it("documents each default as it is, in its comment and in the README", () => {
      const wrong: string[] = [];
      for (const { name, documented } of members) {
        if (!(name in defaults)) continue;
        const value = defaults[name];
        const source = typeof value === "string" ? JSON.stringify(value) : String(value);
        if (documented !== source) wrong.push(`@default of ${name}: ${documented}, expected ${source}`);
        const row = rows.get(name);
        if (row !== written(name, value)) wrong.push(`README row of ${name}: ${row}, expected ${written(name, value)}`);
      }
      expect(wrong).toEqual([]);
    });
  }
});
