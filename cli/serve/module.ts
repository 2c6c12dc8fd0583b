// The module of the user, and the handler in it.

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { FastCgiFetchHandler } from "../../src/toolkit.ts";

/** An error that the user can mend, in one sentence. */
export class ModuleError extends Error {
  override readonly name = "ModuleError";
}

/**
 * Loads a module and finds its handler.
 *
 * @throws {ModuleError} If the runtime can't load it, or there is no handler in it.
 */
export async function loadHandler(file: string): Promise<FastCgiFetchHandler> {
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = await import(pathToFileURL(resolve(file)).href);
  } catch (error) {
    const advice = adviceFor(error as NodeJS.ErrnoException, file);
    if (advice === null) throw error;
    throw new ModuleError(`Cannot load ${file}: ${advice}`, { cause: error });
  }
  return handlerIn(exports, file);
}

/** What to do about an error of loading; null if the error itself says it best, as one that the module throws. */
function adviceFor({ code, message }: NodeJS.ErrnoException, file: string): string | null {
  if (code === "ERR_UNKNOWN_FILE_EXTENSION")
    return `Node ${process.versions.node} runs no TypeScript; use Node 22.18 or later, Bun or Deno, or set NODE_OPTIONS="--import tsx"`;
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX")
    return `${message.split("\n")[0]}; Node only leaves types out, so use Bun or Deno, or set NODE_OPTIONS="--import tsx"`;
  if (code === "ERR_MODULE_NOT_FOUND" && message.includes(resolve(file))) return "there is no such file";
  return null;
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
  const names = Object.keys(exports).join(", ") || "nothing";
  throw new ModuleError(
    `Cannot serve ${file}: expected a default export that is a fetch handler or has one ({ fetch }), got ${names}`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === "object" && value !== null) || (typeof value === "function" && "fetch" in value);
}
