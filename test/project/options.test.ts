// An option has one place for its default. Its `@default` and its row in docs/options.md are read here and compared with that place, so an
// option that is added, renamed or changed without its documents fails by name.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import * as cloudflare from "../../adapters/cloudflare/index.ts";
import { serve } from "../../adapters/node/index.ts";
import { parseTcpTarget } from "../../adapters/shared/target.ts";
import { LISTEN_DEFAULTS } from "../../adapters/system/listen.ts";
import { commands } from "../../cli/commands.ts";
import { CLIENT_CLOSE_DEFAULTS } from "../../src/client/dispatcher.ts";
import { CLIENT_DEFAULTS } from "../../src/client/options.ts";
import { REQUEST_DECODER_DEFAULTS } from "../../src/codec/request_decoder_options.ts";
import { RESPONSE_DECODER_DEFAULTS } from "../../src/codec/response_decoder_options.ts";
import { DEFAULTS as CONNECTOR_DEFAULTS } from "../../src/connect/connectors.ts";
import { DEFAULT_HTTP_CLIENT_OPTIONS, OWN_INIT } from "../../src/http/call/client_options.ts";
import { DOCUMENT_ROOT_DEFAULTS } from "../../src/http/php/script_path.ts";
import { SERVICE_DEFAULTS } from "../../src/http/serve/service.ts";
import { SERVER_DEFAULTS } from "../../src/server/options.ts";
import { CLOSE_DEFAULTS } from "../../src/server/server.ts";
import {
  type Connector,
  FastCgiClient,
  FastCgiHttpClient,
  FastCgiHttpService,
  FastCgiServer,
  failover,
  phpSite,
  publicFiles,
  RequestDecoder,
  ResponseDecoder,
  requestToParams,
  scriptsIn,
} from "../../src/toolkit.ts";
import { exportedOptionTypes, membersOf } from "../support/interface_members.ts";
import { writtenDefault } from "../support/written_default.ts";

// A module of the runtime, not of a package.
vi.mock("cloudflare:sockets", () => ({ connect() {} }));

const root = fileURLToPath(new URL("../..", import.meta.url));

interface OptionsInterface {
  file: string;
  name: string;
  /** The first cell of the table in docs/options.md that has its rows. */
  table: string;
  /** Where its defaults come from, or what is done without an option. */
  defaults?: Readonly<Record<string, unknown>>;
  /** Gives the options to what takes them, which must refuse a wrong one by its name. */
  give?: (options: object) => unknown;
}

const defaultsOf = (defaults: object): Readonly<Record<string, unknown>> => ({ ...defaults });

const connector: Connector = { connect: () => Promise.reject(new Error("not tried")) };
const handler = (): Response => new Response();
const documentRoot = { documentRoot: "/srv", resolve: () => null };
const site = { ...documentRoot, php: { fetch: async () => new Response() }, files: () => null };

/** What a connector for Workers asks for when it is told nothing. */
const { secureTransport } = await new Promise<{ secureTransport: string }>((resolve) => {
  const binding = {
    connect(_: unknown, options: { secureTransport: string }) {
      resolve(options);
      throw new Error("not tried");
    },
  };
  const workers = new cloudflare.FastCgiTcpConnector("127.0.0.1:9000", {}, { binding });
  workers.connect({ signal: new AbortController().signal }).catch(() => {});
});

/** Every interface of options that a program can give. */
const INTERFACES: readonly OptionsInterface[] = [
  {
    file: "src/codec/request_decoder_options.ts",
    name: "RequestDecoderOptions",
    table: "serve",
    defaults: defaultsOf(REQUEST_DECODER_DEFAULTS),
    give: (options) => new RequestDecoder({ reply() {} }, options),
  },
  {
    file: "src/server/options.ts",
    name: "FastCgiServerLimits",
    table: "serve",
    defaults: defaultsOf(SERVER_DEFAULTS),
    give: (options) => new FastCgiServer(() => ({}), options),
  },
  { file: "src/server/options.ts", name: "FastCgiServerOptions", table: "serve" },
  {
    file: "src/http/serve/service.ts",
    name: "FastCgiHttpServiceOptions",
    table: "serve",
    defaults: defaultsOf(SERVICE_DEFAULTS),
    give: (options) => new FastCgiHttpService(handler, options),
  },
  {
    file: "adapters/system/listen.ts",
    name: "ListenTarget",
    table: "serve",
    defaults: defaultsOf(LISTEN_DEFAULTS),
    give: (options) => serve({ port: 0, fetch: handler, ...options }),
  },
  { file: "adapters/system/serve.ts", name: "ServeOptions", table: "serve" },
  { file: "adapters/system/listener_options.ts", name: "ListenerServeOptions", table: "serve" },
  {
    file: "src/server/server.ts",
    name: "CloseOptions",
    table: "`server.close`",
    defaults: defaultsOf(CLOSE_DEFAULTS),
    give: (options) => new FastCgiServer(() => ({})).close(options),
  },
  {
    file: "src/codec/response_decoder_options.ts",
    name: "ResponseDecoderOptions",
    table: "call",
    defaults: defaultsOf(RESPONSE_DECODER_DEFAULTS),
    give: (options) => new ResponseDecoder({}, options),
  },
  {
    file: "src/client/options.ts",
    name: "FastCgiClientLimits",
    table: "call",
    defaults: defaultsOf(CLIENT_DEFAULTS),
    give: (options) => new FastCgiClient(connector, options),
  },
  { file: "src/client/options.ts", name: "FastCgiClientOptions", table: "call" },
  {
    file: "src/http/call/client_options.ts",
    name: "FastCgiHttpClientOptions",
    table: "call",
    defaults: defaultsOf(DEFAULT_HTTP_CLIENT_OPTIONS),
    give: (options) => new FastCgiHttpClient(connector, options),
  },
  {
    file: "src/http/call/internal_redirect.ts",
    name: "InternalRedirectOptions",
    table: "call",
    defaults: defaultsOf(DEFAULT_HTTP_CLIENT_OPTIONS),
    give: (options) => new FastCgiHttpClient(connector, options),
  },
  { file: "src/http/call/php_values.ts", name: "FastCgiPhpOptions", table: "call" },
  {
    file: "src/client/dispatcher.ts",
    name: "ClientCloseOptions",
    table: "`php.close`",
    defaults: defaultsOf(CLIENT_CLOSE_DEFAULTS),
    give: (options) => new FastCgiClient(connector).close(options),
  },
  { file: "src/http/call/client_options.ts", name: "FastCgiFetchInit", table: "`php.fetch`" },
  { file: "src/http/call/php_values.ts", name: "FastCgiPhpOptions", table: "`php.fetch`" },
  {
    file: "src/http/call/request_to_params.ts",
    name: "FastCgiHttpPeers",
    table: "`php.fetch`",
    defaults: { remoteAddress: requestToParams(new Request("http://a.test/")).get("REMOTE_ADDR") },
  },
  { file: "src/http/call/client_options.ts", name: "FastCgiHttpPreset", table: "connectors" },
  {
    file: "adapters/shared/target.ts",
    name: "TcpTarget",
    table: "connectors",
    defaults: { hostname: parseTcpTarget("9000").hostname },
    give: (options) => parseTcpTarget({ port: 9000, ...options }),
  },
  {
    file: "adapters/cloudflare/connect.ts",
    name: "WorkerSocketOptions",
    table: "connectors",
    defaults: { secureTransport },
    give: (options) => new cloudflare.FastCgiTcpConnector("9000", {}, options),
  },
  {
    file: "src/connect/connectors.ts",
    name: "ComposedConnectorOptions",
    table: "several connectors",
    defaults: defaultsOf(CONNECTOR_DEFAULTS),
    give: (options) => failover([connector], options),
  },
  {
    file: "src/http/php/script_path.ts",
    name: "FastCgiDocumentRoot",
    table: "`scriptsIn`",
    defaults: defaultsOf(DOCUMENT_ROOT_DEFAULTS),
    give: (options) => scriptsIn({ ...documentRoot, ...options }),
  },
  {
    file: "src/http/php/php_site.ts",
    name: "PhpSiteOptions",
    table: "`phpSite`",
    defaults: { frontController: `/${DOCUMENT_ROOT_DEFAULTS.index}` },
    give: (options) => phpSite({ ...site, ...options }),
  },
  {
    file: "src/http/php/public_files.ts",
    name: "PublicFilesOptions",
    table: "`publicFiles`, `phpSite`",
    defaults: { extension: DOCUMENT_ROOT_DEFAULTS.extension },
    give: (options) => publicFiles(site.files, options),
  },
  { file: "adapters/system/folder_on_disk.ts", name: "FolderOnDiskOptions", table: "`scriptOnDisk`, `fileOnDisk`" },
  { file: "adapters/system/script_on_disk.ts", name: "ScriptOnDiskOptions", table: "`scriptOnDisk`, `fileOnDisk`" },
];

/** Interfaces with such a name that have no rows, and why. */
const WITHOUT_ROWS: Readonly<Record<string, string>> = {
  CgiToResponseOptions: "toolkit: its limits are those of the client",
  ConnectOptions: "given by the library",
  DecodeNameValuePairsOptions: "toolkit",
  FastCgiAuthorizeInit: "FastCgiFetchInit without a file, and a signal",
  FastCgiErrorOptions: "facts of an error",
  FastCgiRequestInit: "toolkit: a request",
  ParamsToRequestOptions: "toolkit",
  PieceTarget: "toolkit: what a body is taken into",
  PhpSiteInit: "FastCgiFetchInit without a script and a file",
  RecordDecoderOptions: "toolkit",
  RequestDecoderStreamOptions: "toolkit",
  RequestEncoderOptions: "toolkit",
  RequestToParamsOptions: "toolkit: FastCgiFetchInit and a length",
  ResponseDecoderStreamOptions: "toolkit",
  ResponseEncoderOptions: "toolkit",
  ResponseToCgiOptions: "toolkit",
};

/** The code of each file without its comments. */
const sources = ["src", "adapters"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => readFileSync(join(root, folder, path), "utf8").replace(/\/\*\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "")),
);

const document = readFileSync(join(root, "docs/options.md"), "utf8");

/** What the table that begins with `first` says of each option: its default, as it is written. */
function rowsOf(first: string): Map<string, string> {
  const rows = new Map<string, string>();
  const table = document.slice(document.indexOf(`\n| ${first} | default | `) + 1).split("\n\n", 1)[0]!;
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

/** A default as code has it, or undefined where its comment has words. */
function literal(documented: string | undefined): string | undefined {
  if (documented === undefined) return undefined;
  if (/^0o[0-7]+$/.test(documented)) return String(Number(documented));
  return /^([0-9]+|Infinity|true|false|"[^"]*")$/.test(documented) ? documented : undefined;
}

/** What an option with this default is not. */
function wrongFor(value: unknown): readonly unknown[] {
  if (typeof value === "number") return [-1, "1", Number.NaN, null];
  return typeof value === "boolean" ? ["true", 1] : [1, ""];
}

describe.each(INTERFACES)("$name in the table of $table", (options) => {
  const members = membersOf(options);
  const rows = rowsOf(options.table);
  const { defaults = {}, give } = options;
  const withDefault = members.filter(({ name }) => name in defaults);

  it("has a row in docs/options.md for each option", () => {
    expect(rows.size).toBeGreaterThan(0);
    expect(members.map(({ name }) => name).filter((name) => !rows.has(name))).toEqual([]);
  });

  it("documents each default as it is, in its comment and in docs/options.md", () => {
    const wrong: string[] = [];
    for (const { name, documented } of members) {
      const stated = literal(documented);
      if (!(name in defaults)) {
        if (stated !== undefined) wrong.push(`@default of ${name}: ${stated}, which nothing is compared with`);
        continue;
      }
      const value = defaults[name];
      const source = typeof value === "string" ? JSON.stringify(value) : String(value);
      if (stated !== source) wrong.push(`@default of ${name}: ${documented}, expected ${source}`);
      const row = rows.get(name);
      if (row !== writtenDefault(name, value))
        wrong.push(`Row of ${name}: ${row}, expected ${writtenDefault(name, value)}`);
    }
    expect(wrong).toEqual([]);
  });

  it("is looked at somewhere, each option of it", () => {
    // Not where it is declared, or has its default.
    const isUsed = (name: string): boolean =>
      sources.some((text) => new RegExp(`\\b${name}\\b(?!\\?:|: (?:[0-9"]|true|false|Number))`).test(text));
    const unused = members.filter(({ name }) => !isUsed(name));
    expect(unused.map(({ name }) => name)).toEqual([]);
  });

  if (give === undefined) return;
  it("refuses each option with another value than it can have, by its name", async () => {
    const taken: string[] = [];
    for (const { name } of withDefault) {
      for (const value of wrongFor(defaults[name])) {
        const error = await (async () => give({ [name]: value }))().then(
          () => null,
          (reason) => reason,
        );
        const isRefused = error instanceof RangeError || error instanceof TypeError;
        if (!isRefused || !error.message.includes(name)) taken.push(`${name}: ${JSON.stringify(value)}, ${error}`);
      }
    }
    expect(taken).toEqual([]);
  });
});

describe("the list of options", () => {
  it("has every interface of options that a door exports", () => {
    const listed = new Set([...INTERFACES.map(({ name }) => name), ...Object.keys(WITHOUT_ROWS), "ByteSourceInit"]);
    expect(exportedOptionTypes().filter((name) => !listed.has(name))).toEqual([]);
  });

  it("of a fetch call has what its interfaces have, and no more", () => {
    const own = INTERFACES.filter(({ table }) => table === "`php.fetch`").flatMap(membersOf);
    expect([...OWN_INIT].sort()).toEqual(own.map(({ name }) => name).sort());
  });
});

it.each(commands.map((command) => [command.name, command] as const))(
  "fetchcgi %s documents each of its options with the default that its help names, and its exit codes",
  (name, { options, exitCodes }) => {
    const text = readFileSync(join(root, "cli", name.split(" ")[0]!, "README.md"), "utf8");
    const rows = text.split("\n").filter((line) => line.startsWith("|"));
    for (const [key, spec] of Object.entries(options)) {
      const row = rows.find((line) => line.includes(`\`--${key}`));
      expect(row, key).toBeDefined();
      const value = "default" in spec ? spec.default : undefined;
      if (value !== undefined) expect(row!.replaceAll("`", ""), key).toContain(`| ${value} |`);
    }
    for (const [code] of exitCodes) expect(text).toMatch(new RegExp(`\\b${code}\\b`));
  },
);
