// A file server that is asked only for files that are meant to be public.

import { checkFunction, optionsOf, unexpected } from "../../base/unexpected.ts";
import { dropResponse } from "../shared/discard_body.ts";
import { asNativeHeaders, asNativeSignal } from "../shared/fetch_objects.ts";
import { plainAnswer } from "./plain_answer.ts";
import { isPublicPath } from "./public_path.ts";

/**
 * Any fetch handler that answers with files: a static file server from npm, Deno's `serveDir`, a function of the
 * program. If it has no file, it answers with 404 or 405, or with null or undefined.
 */
export type FileServer = (request: Request) => Response | null | undefined | Promise<Response | null | undefined>;

/** Options of {@linkcode publicFiles}. */
export interface PublicFilesOptions {
  /**
   * Returns the path of the file that a path leads to, with links followed: a path inside the folder, which is then
   * checked as the first path was; or null if the file must not be sent, for example because it is outside the folder.
   * It gets the decoded path inside the folder, such as `/a b/c.png`, after `isPublicPath` has allowed it, and returns
   * a path without a file unchanged. Adapters with a disk have `fileOnDisk`.
   *
   * @default {the file server decides which links it follows}
   */
  resolveFile?: ((path: string) => string | null | Promise<string | null>) | undefined;
  /**
   * The end of script names.
   *
   * @default {".php"}
   */
  extension?: string | undefined;
}

/** The types that file servers give to PHP sources. */
const PHP_TYPE = /^\s*(application|text)\/(x-httpd-|x-|vnd\.)?php/i;

/**
 * Wraps a file server for a folder that also has scripts and their sources. `files` is asked only by GET and HEAD, and
 * only for paths that {@linkcode isPublicPath} and `resolveFile` allow. Other methods are answered with 405, other
 * paths with 404.
 *
 * ```ts
 * const handler = publicFiles(files);
 * ```
 *
 * The returned handler rejects with whatever `files` and `resolveFile` reject with.
 *
 * @throws {TypeError} If `files` or `resolveFile` is not a function, or `extension` does not begin with a dot.
 */
export function publicFiles(
  files: FileServer,
  options: PublicFilesOptions = {},
): (request: Request) => Promise<Response> {
  const { resolveFile, extension } = optionsOf(options);
  if (typeof files !== "function") throw unexpected("Cannot use files: expected a fetch handler", files);
  checkFunction(resolveFile, "resolveFile");
  if (extension !== undefined && !(typeof extension === "string" && extension.startsWith("."))) {
    throw unexpected("Cannot use extension: expected one such as .php", extension);
  }
  return async (request) => {
    const { method } = request;
    if (method !== "GET" && method !== "HEAD") {
      return plainAnswer(405, method, { allow: "GET, HEAD" });
    }
    const url = new URL(request.url);
    const { pathname } = url;
    if (!isPublicPath(pathname, extension)) return plainAnswer(404, method);
    if (resolveFile !== undefined) {
      const file = await resolveFile(decodeURIComponent(pathname));
      if (!file || !isPublicPath(file.replaceAll("%", "%25"), extension)) return plainAnswer(404, method);
    }
    const response = await files(withCheckedUrl(request, url));
    if (!response) return plainAnswer(404, method);
    // The file server found a PHP source, by taking the path for another one, such as the index of a folder.
    // Stryker disable next-line StringLiteral: any text that is no type of PHP does
    if (!PHP_TYPE.test(response.headers.get("content-type") ?? "")) return response;
    dropResponse(response, "A file server sent a script");
    return plainAnswer(404, method);
  };
}

/**
 * The request with the URL as it was checked here. A file server that parses the URL in another way, for example with
 * dot segments or a fragment that a URL parser removes, must not come to another path.
 */
function withCheckedUrl(request: Request, url: URL): Request {
  url.hash = "";
  if (request.url === url.href) return request;
  const { method, headers, signal } = request;
  return new Request(url, {
    method,
    headers: asNativeHeaders(headers),
    signal: signal ? asNativeSignal(signal) : null,
  });
}
