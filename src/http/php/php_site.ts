// A whole PHP site: its scripts and its files, but none of its sources. It does what nginx does with
// `try_files $uri $uri/ /index.php?$args` and a location for `\.php$`, and Caddy with `php_fastcgi` and `file_server`.

import { checkFunction, objectOf, unexpected } from "../../base/unexpected.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import type { FastCgiFetchInit } from "../call/client_options.ts";
import type { FastCgiScriptResolver } from "../call/script.ts";
import { plainAnswer } from "./plain_answer.ts";
import { type FileServer, type PublicFilesOptions, publicFiles } from "./public_files.ts";
import { checkRoot, DOCUMENT_ROOT_DEFAULTS, type FastCgiDocumentRoot, scriptForRequest } from "./script_path.ts";

/** The options of a request to PHP. */
export type PhpSiteInit = Omit<FastCgiFetchInit, keyof RequestInit | "data" | "script">;

/** Methods of requests that change nothing: after its client has left, such a request has no use. */
const READS_ONLY: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Options of {@linkcode phpSite}. */
export interface PhpSiteOptions<R extends Request = Request, Rest extends unknown[] = []>
  extends FastCgiDocumentRoot,
    Pick<PublicFilesOptions, "resolveFile"> {
  /** Runs the scripts: a `FastCgiHttpClient`, or any other object with this method. It needs no `script` of its own. */
  php: { fetch(request: Request, init: FastCgiFetchInit): Promise<Response> };
  /** Sends the files of the folder. It is asked for public files only: see {@linkcode publicFiles}. */
  files: FileServer;
  /**
   * The script for every path that leads to no script and no file. With null, such paths get the file server's 404.
   *
   * @default {"/index.php"} (that is, `index` in the document root, if `resolve` confirms it)
   */
  frontController?: string | null | undefined;
  /**
   * Returns the options of a request to PHP, such as the client's address. It is called with all arguments of the
   * site's handler.
   *
   * @default {none}
   */
  init?: ((request: R, ...rest: Rest) => PhpSiteInit) | undefined;
}

/**
 * Makes a fetch handler for a PHP site: a folder with scripts and files. A path is answered by the first of these:
 *
 * 1. the script that it names, or the `index` of the folder that it names, by the rules of {@linkcode FastCgiDocumentRoot}
 * 2. `files`, if it has the file and {@linkcode isPublicPath} allows the path
 * 3. a redirect to `/a/` for `/a`, if there is an `/a/index.php`
 * 4. `frontController`
 * 5. a 404
 *
 * ```ts
 * const root = "/srv/site/public";
 * const site = phpSite({ documentRoot: root, resolve: scriptOnDisk(root), resolveFile: fileOnDisk(root), php, files });
 * ```
 *
 * No spelling of a path makes the file server send a script's source, a dot file, a backup and the like: such paths are
 * answered as if there were no file. To send such a file, answer its path before you ask the site. An invalid path,
 * such as `/%00`, gets a 400.
 *
 * A request that is neither GET nor HEAD, and whose body is whole, reaches PHP even if its client has left by then, as
 * with nginx: WordPress starts its own cron by a POST to itself, and leaves without an answer. The signal of such a
 * request counts from the header of the response on, and stops PHP as far as the script lets itself be stopped.
 *
 * The returned handler rejects with whatever `php.fetch`, `files` and the hooks reject with.
 *
 * @throws {TypeError} If an option has an invalid value.
 */
export function phpSite<R extends Request = Request, Rest extends unknown[] = []>(
  options: PhpSiteOptions<R, Rest>,
): (request: R, ...rest: Rest) => Promise<Response> {
  objectOf(options, "Cannot serve a site", "options to be an object");
  checkRoot(options);
  const { php, files, init, index = DOCUMENT_ROOT_DEFAULTS.index, frontController = `/${index}` } = options;
  const root: FastCgiDocumentRoot = { ...options, frontController };
  if (typeof php?.fetch !== "function") throw unexpected("Cannot use php: expected a client, which has fetch()", php);
  checkFunction(init, "init");
  const askFiles = publicFiles(files, options);
  const script: FastCgiScriptResolver = (request) => scriptForRequest(request, root, askFiles);
  return async (request, ...rest) => {
    try {
      const ask = (own: { signal?: AbortSignal }): Promise<Response> =>
        php.fetch(request, { ...init?.(request, ...rest), ...own, script });
      return READS_ONLY.has(request.method) ? await ask({}) : await askAnyway(request.signal, ask);
    } catch (error) {
      if (error instanceof FastCgiError && error.code === "malformedRequest") return plainAnswer(400, request.method);
      throw error;
    }
  };
}

/**
 * Asks PHP also if the client has left, or leaves while PHP works on the answer.
 *
 * @param client Aborts when the client leaves.
 * @throws {unknown} The reason of `client`, if the client has left when the answer comes.
 */
async function askAnyway(
  client: AbortSignal | undefined,
  ask: (own: { signal?: AbortSignal }) => Promise<Response>,
): Promise<Response> {
  // Requests of other libraries may have none.
  if (client === undefined) return ask({});
  const answer = new AbortController();
  const response = await ask({ signal: answer.signal });
  const leave = (): void => answer.abort(client.reason);
  if (client.aborted) leave();
  // Stryker disable next-line ObjectLiteral,BooleanLiteral: a signal aborts once
  client.addEventListener("abort", leave, { once: true });
  client.throwIfAborted();
  return response;
}
