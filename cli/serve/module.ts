// The module of the user, and the handler in it.

import { existsSync, type Stats, statSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { FastCgiFetchHandler } from "../../src/toolkit.ts";

/** An error that the user can mend, in one sentence. */
export class ModuleError extends Error {
  override readonly name = "ModuleError";
}

/** Files that hold no code. Some runtimes import some of them as data. */
const DATA: ReadonlySet<string> = new Set(
  ".css .html .htm .json .jsonc .json5 .md .node .svg .toml .txt .wasm .xml .yaml .yml".split(" "),
);

/**
 * Loads a module and finds its handler.
 *
 * @throws {ModuleError} If the runtime can't load it, or there is no handler in it.
 */
export async function loadHandler(file: string): Promise<FastCgiFetchHandler> {
  if (DATA.has(extname(file).toLowerCase()) && existsSync(file))
    throw new ModuleError(`Cannot load ${file}: it is ${extname(file)}; ${EXPECTED}`);
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = await unlessIdle(import(pathToFileURL(resolve(file)).href), file);
  } catch (error) {
    const advice = adviceFor(error, file);
    if (advice === null) throw error;
    throw new ModuleError(`Cannot load ${file}: ${advice}`, { cause: error });
  }
  return handlerIn(exports, file);
}

const EXPECTED = "expected a module of JavaScript or TypeScript";

/**
 * Settles as the promise does, or rejects when the process has nothing left to do that could settle it: Node would end without a word. Bun and
 * Deno wait until they are asked to end.
 */
function unlessIdle<Value>(promise: Promise<Value>, file: string): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onIdle = (): void =>
      reject(new ModuleError(`Cannot load ${file}: a top-level await in it waits for what never comes`));
    process.once("beforeExit", onIdle);
    promise.then(resolve, reject).finally(() => process.off("beforeExit", onIdle));
  });
}

/** An error of loading. Bun's can have the place. */
interface LoadError extends NodeJS.ErrnoException {
  readonly position?: { readonly file: string; readonly line: number; readonly column: number };
}

/** What to do about an error of loading; null if the error itself says it best, as one that the module throws. */
function adviceFor(error: unknown, file: string): string | null {
  const { code, message, position } = Object(error) as LoadError;
  if (error instanceof ModuleError) return null;
  const kind = kindOf(file);
  if (kind === undefined) return "there is no such file";
  if (kind?.isDirectory()) return `it is a folder; name the file in it, such as ${join(file, "app.ts")}`;
  const [reason = ""] = String(message).split("\n");
  if (/^Expected a JavaScript or TypeScript module\b/.test(reason)) return reason.replace(/\.( |$).*/, "");
  // Deno's other errors have the place, and advice. All of them have the code for a missing module.
  if ("Deno" in globalThis) return null;
  switch (code) {
    case "EACCES":
    case "EPERM":
      return `${reason}; this user may not read it`;
    case "ERR_IMPORT_ATTRIBUTE_MISSING":
    case "ERR_IMPORT_ASSERTION_TYPE_MISSING":
      return `it or a module that it imports has an import without its type: ${reason}`;
    case "ERR_UNKNOWN_FILE_EXTENSION":
      return adviceForExtension(/"(\.\w+)"/.exec(reason)?.[1], reason);
    case "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX":
      return `${reason}; Node only leaves types out, so use Bun or Deno, or set NODE_OPTIONS="--import tsx"`;
    case "ERR_MODULE_NOT_FOUND":
      return `${reason}; is the package installed, and the path right?`;
  }
  // Bun has the place beside the message. Node keeps it to itself unless it runs the file.
  if (position?.file !== undefined) return `${reason} at ${position.file}:${position.line}:${position.column}`;
  if (error instanceof SyntaxError && !("Bun" in globalThis) && !namesPlace(error))
    return `it or a module that it imports has an error, ${error.name}: ${reason}; \`node ${file}\` shows the place`;
  return null;
}

/** What is there; undefined if nothing is, null if this user may not know. */
function kindOf(file: string): Stats | undefined | null {
  try {
    return statSync(file);
  } catch (error) {
    return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "") ? undefined : null;
  }
}

/** Whether the stack leads to a place in a module of the user: one that throws a SyntaxError itself, or a CommonJS module with one. */
function namesPlace({ stack = "" }: Error): boolean {
  const own = new URL(".", import.meta.url).href;
  return stack.split("\n").some((line) => /:\d+\)?$/.test(line) && !line.includes("node:") && !line.includes(own));
}

/** What to do about a file that Node does not run, which may be one that the module imports. */
function adviceForExtension(extension: string | undefined, reason: string): string {
  switch (extension) {
    case ".ts":
    case ".mts":
    case ".cts":
      return `Node ${process.versions.node} runs no TypeScript; use Node 22.18 or later, Bun or Deno, or set NODE_OPTIONS="--import tsx"`;
    case ".tsx":
    case ".jsx":
      return `Node runs no ${extension}; use Bun or Deno, or set NODE_OPTIONS="--import tsx"`;
    default:
      return `${reason}; ${EXPECTED}`;
  }
}

/** @throws {ModuleError} If there is none. */
export function handlerIn(exports: Readonly<Record<string, unknown>>, file: string): FastCgiFetchHandler {
  let found = exports.default ?? exports;
  // A CommonJS module that was compiled from an ES module.
  if (isObject(found) && "default" in found && typeof found.fetch !== "function") found = found.default as object;
  if (isObject(found)) {
    if ("middleware" in found && Array.isArray(found.middleware) && found.middleware.length > 0) {
      throw new ModuleError(
        `Cannot serve ${file}: its middleware would be ignored; export a fetch that runs it, as examples/moving-srvx does`,
      );
    }
    const application = found as { fetch?: unknown };
    if (typeof application.fetch === "function") {
      return (request, context) => (application.fetch as FastCgiFetchHandler)(request, context);
    }
  }
  if (typeof found === "function") {
    // Express and its kin are functions of Node's request and response.
    if ("listen" in found || "handle" in found)
      throw new ModuleError(
        `Cannot serve ${file}: it exports an application of node:http, and FastCGI needs a fetch handler`,
      );
    return found as FastCgiFetchHandler;
  }
  throw new ModuleError(
    `Cannot serve ${file}: expected a default export that is a fetch handler or has one ({ fetch }), got ${namesIn(exports)}`,
  );
}

/** What a module exports, in words. */
function namesIn(exports: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(exports)
    // What Node and Bun add to the exports of what is no ES module.
    .filter((name) => name !== "module.exports" && name !== "__esModule")
    .map((name) => (name === "default" ? `default (${shownKind(exports.default)})` : name));
  return names.join(", ") || "nothing";
}

function shownKind(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? "an object without fetch" : `a ${typeof value}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === "object" && value !== null) || (typeof value === "function" && "fetch" in value);
}
