// Every public function, with a value of every wrong kind in every place.

import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import * as bun from "../../adapters/bun/index.ts";
import * as cloudflare from "../../adapters/cloudflare/index.ts";
import * as deno from "../../adapters/deno/index.ts";
import * as node from "../../adapters/node/index.ts";
import * as core from "../../src/index.ts";
import * as toolkit from "../../src/toolkit.ts";
import { sourceFiles } from "../support/imports.ts";
import { exportedOptionTypes, membersOf } from "../support/interface_members.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";
import type { Argument, Call } from "./call.ts";
import { CALLS, WITHOUT_CALLS } from "./calls.ts";
import { type ArgumentType, WATCHER } from "./types.ts";
import { GETTER_ERROR, ODD_VALUES, type OddValue } from "./values.ts";

// A module of the runtime, not of a package.
vi.mock("cloudflare:sockets", () => ({ connect() {} }));

failOnUnhandledRejections();

/** The result of a call: how it ended, and with what. */
async function outcomeOf(run: () => unknown): Promise<{ how: "throws" | "rejects" | "returns"; with: unknown }> {
  let result: unknown;
  try {
    result = run();
  } catch (error) {
    return { how: "throws", with: error };
  }
  // The result may be what was given: a promise that the program made, or an object that throws when it is touched.
  if (!(result instanceof Promise)) return { how: "returns", with: result };
  return result.then(
    (value) => ({ how: "returns", with: value }),
    (reason: unknown) => ({ how: "rejects", with: reason }),
  );
}

/** What is wrong with the failure of a call; null if it is as it should be. */
async function complaint(call: Call, name: string, value: OddValue, args: unknown[]): Promise<string | null> {
  const outcome = await outcomeOf(() => call.run(...(args as never[])));
  const said = `${name}: ${outcome.how} ${describeError(outcome.with)}`;
  if (outcome.how !== call.fails) return said;
  const error = outcome.with;
  // What the program's own getter throws is the program's to see.
  if (value.kinds.includes("hostile") && (error === GETTER_ERROR || error instanceof TypeError)) return null;
  const isRight = error instanceof TypeError || error instanceof RangeError;
  if (!isRight || !/^Cannot .*\bexpected .+, got .*[^.]$/s.test(error.message)) return said;
  // A message is for people to read, however long the value is.
  if (error.message.length > 500) return `${said} (too long)`;
  return new RegExp(`\\b${name}\\b`).test(error.message) ? null : `${said} (does not name it)`;
}

function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message.slice(0, 120)}` : typeof error;
}

/** A place for wrong values: an argument, or an option in one. */
interface Place {
  readonly name: string;
  readonly type: ArgumentType;
  /** All arguments, with `value` in this place. */
  readonly args: (value: unknown) => unknown[];
}

function placesOf(call: Call): Place[] {
  const argsWith = (wrong: Argument, value: unknown): unknown[] =>
    call.args.map((one) => (one === wrong ? value : one.right()));
  return call.args.flatMap((argument): Place[] => [
    { name: argument.name, type: argument.type, args: (value) => argsWith(argument, value) },
    ...Object.entries(argument.options ?? {}).map(([name, type]) => ({
      name,
      type,
      args: (value: unknown) => argsWith(argument, { ...(argument.right() as object), [name]: value }),
    })),
  ]);
}

describe.each(CALLS)("$name", (call) => {
  it("refuses every wrong value by its name, and works afterwards", async () => {
    /** The values by what was wrong with the failure. */
    const complaints = new Map<string, string[]>();
    const complain = (said: string, value: string): void => {
      complaints.set(said, [...(complaints.get(said) ?? []), value]);
    };
    for (const { name, type, args } of placesOf(call)) {
      for (const odd of ODD_VALUES) {
        const value = odd.make();
        if (type(value, odd.kinds)) continue;
        const said = await complaint(call, name, odd, args(value));
        if (said !== null) complain(said, odd.name);
      }
      // Null means none for a callback that only watches.
      const taken = type === WATCHER ? await outcomeOf(() => call.run(...(args(null) as never[]))) : null;
      if (taken !== null && taken.how !== "returns") complain(`${name}: ${describeError(taken.with)}`, "null");
      const right = await outcomeOf(() => call.run(...(call.args.map((one) => one.right()) as never[])));
      if (right.how !== "returns") complain(`after ${name}: ${describeError(right.with)}`, "right values");
    }
    await turns();
    expect([...complaints].map(([said, values]) => `${said} | ${values.join(", ")}`)).toEqual([]);
  });
});

describe("the list of calls", () => {
  const ENTRIES: readonly object[] = [core, toolkit, node, bun, deno, cloudflare];

  /** The names of what programs can call: functions, constructors, methods and static methods. */
  function callable(entry: object): string[] {
    return Object.entries(entry).flatMap(([name, value]) => {
      if (typeof value !== "function") return [];
      const isClass = /^class\b/.test(Function.prototype.toString.call(value));
      return isClass ? [`new ${name}`, ...staticsOf(name, value), ...methodsOf(name, value)] : [name];
    });
  }

  function staticsOf(name: string, value: object): string[] {
    const found = new Set<string>();
    for (let one = value; one !== Function.prototype; one = Object.getPrototypeOf(one)) {
      if (isPlatform(one)) break;
      for (const key of Object.getOwnPropertyNames(one)) {
        if (typeof Object.getOwnPropertyDescriptor(one, key)!.value === "function") found.add(`${name}.${key}`);
      }
    }
    return [...found].filter((one) => !one.endsWith(".prototype"));
  }

  function methodsOf(name: string, value: { prototype?: object }): string[] {
    const found = new Set<string>();
    for (let one = value.prototype!; one !== Object.prototype; one = Object.getPrototypeOf(one)) {
      if (isPlatform(one.constructor)) break;
      for (const key of Object.getOwnPropertyNames(one)) {
        const { value: method } = Object.getOwnPropertyDescriptor(one, key)!;
        if (key !== "constructor" && typeof method === "function") found.add(`${name}#${key}`);
      }
    }
    return [...found];
  }

  /** Whether it is a class of the runtime. */
  function isPlatform(value: unknown): boolean {
    return [Error, Response, TransformStream].includes(value as never);
  }

  it("has every function, constructor and method that an entry exports", () => {
    const listed = new Set([...CALLS.map(({ name }) => name), ...Object.keys(WITHOUT_CALLS)]);
    const exported = new Set(ENTRIES.flatMap(callable));
    expect([...exported].filter((name) => !listed.has(name))).toEqual([]);
    // And nothing that is gone.
    expect([...listed].filter((name) => !exported.has(name))).toEqual([]);
  });

  it("has every option that an entry exports, at each call that takes it", () => {
    const interfaces = optionInterfaces();
    const names = interfaces.map(({ name }) => name).filter((name) => !(name in WITHOUT_OPTIONS));
    expect(names.length).toBeGreaterThan(30);
    expect(names.sort()).toEqual(Object.keys(TAKEN_BY).sort());
    const missing = interfaces.flatMap((one) =>
      (TAKEN_BY[one.name] ?? []).flatMap((call) => {
        const listed = optionsOf(call);
        return membersOf(one)
          .filter(({ name }) => !listed.has(name))
          .map(({ name }) => `${call}: ${one.name}.${name}`);
      }),
    );
    expect(missing).toEqual([]);
  });

  /** The options that are tried with a call, in all its entries. Throws if there is no such call. */
  function optionsOf(call: string): Set<string> {
    const found = CALLS.filter(({ name }) => name === call);
    if (found.length === 0) throw new Error(`There is no call ${call}`);
    return new Set(found.flatMap(({ args }) => args.flatMap(({ options = {} }) => Object.keys(options))));
  }

  /** The interfaces of options that the entries export, with the files that declare them. */
  function optionInterfaces(): { file: string; name: string }[] {
    const files = [...sourceFiles("src"), ...sourceFiles("adapters")].map((file) => [file, readFileSync(file, "utf8")]);
    return exportedOptionTypes().flatMap((name) => {
      const found = files.find(
        ([, text]) => text!.includes(`export interface ${name} `) || text!.includes(`export interface ${name}<`),
      );
      return found === undefined ? [] : [{ file: found[0]!, name }];
    });
  }
});

/** The calls that take each interface of options, or one that extends it. */
const TAKEN_BY: Readonly<Record<string, readonly string[]>> = {
  CgiToResponseOptions: ["cgiToResponse"],
  ClientCloseOptions: ["FastCgiClient#close", "FastCgiHttpClient#close"],
  CloseOptions: ["FastCgiServer#close"],
  ComposedConnectorOptions: ["failover", "roundRobin"],
  DecodeNameValuePairsOptions: ["decodeNameValuePairs"],
  FastCgiAuthorizeInit: ["FastCgiHttpClient#authorize"],
  FastCgiClientLimits: ["new FastCgiClient", "new FastCgiHttpClient"],
  FastCgiClientOptions: ["new FastCgiClient", "new FastCgiHttpClient"],
  FastCgiDocumentRoot: ["scriptsIn", "phpSite"],
  FastCgiFetchInit: ["FastCgiHttpClient#fetch"],
  FastCgiHttpClientOptions: ["new FastCgiHttpClient"],
  FastCgiHttpPeers: ["FastCgiHttpClient#fetch", "FastCgiHttpClient#authorize", "requestToParams"],
  FastCgiHttpPreset: ["new FastCgiHttpClient"],
  FastCgiHttpServiceOptions: ["new FastCgiHttpService", "serve"],
  FastCgiPhpOptions: [
    "new FastCgiHttpClient",
    "FastCgiHttpClient#fetch",
    "FastCgiHttpClient#authorize",
    "requestToParams",
  ],
  FastCgiRequestInit: ["FastCgiClient#send"],
  FastCgiServerLimits: ["new FastCgiServer", "serve"],
  FastCgiServerOptions: ["new FastCgiServer", "serve"],
  FolderOnDiskOptions: ["fileOnDisk", "scriptOnDisk"],
  InternalRedirectOptions: ["new FastCgiHttpClient"],
  ListenTarget: ["serve"],
  ParamsToRequestOptions: ["paramsToRequest"],
  PhpSiteOptions: ["phpSite"],
  PublicFilesOptions: ["publicFiles", "phpSite"],
  RecordDecoderOptions: ["new RecordDecoder", "new RecordDecoderStream"],
  RequestDecoderOptions: ["new RequestDecoder", "new RequestDecoderStream", "new FastCgiServer", "serve"],
  RequestDecoderStreamOptions: ["new RequestDecoderStream"],
  RequestEncoderOptions: ["new RequestEncoder", "new RequestEncoderStream"],
  RequestToParamsOptions: ["requestToParams"],
  ResponseDecoderOptions: [
    "new ResponseDecoder",
    "new ResponseDecoderStream",
    "new FastCgiClient",
    "new FastCgiHttpClient",
  ],
  ResponseDecoderStreamOptions: ["new ResponseDecoderStream"],
  ResponseEncoderOptions: ["new ResponseEncoder", "new ResponseEncoderStream"],
  ResponseToCgiOptions: ["responseToCgi"],
  ScriptOnDiskOptions: ["scriptOnDisk"],
  ListenerServeOptions: ["serve"],
  ServeOptions: ["serve"],
  TcpTarget: ["new FastCgiTcpConnector"],
  WorkerSocketOptions: ["new FastCgiTcpConnector"],
};

/** Interfaces with such a name whose members are not checked one by one, and why. */
const WITHOUT_OPTIONS: Readonly<Record<string, string>> = {
  ConnectOptions: "given by the library; connectors check its signal, and use its key as it is",
  PieceTarget: "given by the library",
  FastCgiErrorOptions: "facts of an error, which it only keeps",
};

describe("FastResponse", () => {
  it("takes and refuses what the runtime's Response takes and refuses", async () => {
    const differences: string[] = [];
    const compare = async (what: string, make: (Class: typeof Response) => unknown): Promise<void> => {
      const [native, fast] = [await outcomeOf(() => make(Response)), await outcomeOf(() => make(core.FastResponse))];
      const [expected, got] = [native, fast].map(({ how, with: result }) =>
        how === "throws" && result instanceof Error ? result.name : how,
      );
      if (expected !== got) differences.push(`${what}: expected ${expected}, got ${got}`);
    };
    for (const odd of ODD_VALUES) {
      await compare(`body ${odd.name}`, (Class) => new Class(odd.make() as BodyInit));
      await compare(`init ${odd.name}`, (Class) => new Class("a", odd.make() as ResponseInit));
      for (const member of ["status", "statusText", "headers"]) {
        // Native headers look for an iterator first, which this one does only where an object has no own properties.
        if (member === "headers" && odd.kinds.includes("hostile")) continue;
        await compare(`${member} ${odd.name}`, (Class) => new Class("a", { [member]: odd.make() }));
      }
      await compare(`json ${odd.name}`, (Class) => Class.json(odd.make()));
    }
    expect(differences).toEqual([]);
  });
});
