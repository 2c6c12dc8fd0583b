// A file server that is asked for nothing but files that are meant to be seen.

import { dropResponse } from "../shared/discard_body.ts";
import { asNativeHeaders, asNativeSignal } from "../shared/fetch_objects.ts";
import { isPublicPath } from "./public_path.ts";
import { notFound } from "./script_path.ts";

/**
 * Any fetch handler that answers with files: a static file server of npm's, `serveDir` of Deno's, a function of one's own. Where it has
 * no file, it answers with 404 or 405, or with nothing.
 */
export type FileServer = (request: Request) => Response | null | undefined | Promise<Response | null | undefined>;

/** Options of {@linkcode publicFiles}. */
export interface PublicFilesOptions {
  /**
   * Says where the file really is that a path leads to, with links followed: a path inside the folder, which is then looked at as the
   * first one was. Or null if it must not be sent, such as a file outside the folder. It gets the decoded path inside the folder,
   * such as `/a b/c.png`, once `isPublicPath` has allowed it; a path without a file it gives back as it is. Adapters with a disk have
   * `fileOnDisk`.
   *
   * @default {where links lead is left to the file server}
   */
  resolveFile?: (path: string) => string | null | Promise<string | null>;
  /**
   * What the names of scripts end with, where that is not `.php`.
   *
   * @default {".php"}
   */
  extension?: string;
}

/** Types by which file servers know PHP. */
const PHP_TYPE = /^\s*(application|text)\/(x-httpd-|x-|vnd\.)?php/i;

/**
 * A file server for a folder where scripts and their sources are too: `files` is asked by GET and HEAD, and for paths that
 * {@linkcode isPublicPath} and `resolveFile` allow. For all others the answer is a 404, or a 405 where it is the method.
 *
 * ```ts
 * const handler = publicFiles(files);
 * ```
 *
 * The handler that comes out rejects with whatever `files` and `resolveFile` reject with.
 *
 * @throws {TypeError} If `files` or `resolveFile` is no function.
 */
export function publicFiles(
  files: FileServer,
  { resolveFile, extension }: PublicFilesOptions = {},
): (request: Request) => Promise<Response> {
  if (typeof files !== "function")
    throw new TypeError(`Cannot use files: expected a fetch handler, got ${typeof files}`);
  if (resolveFile !== undefined && typeof resolveFile !== "function") {
    throw new TypeError(`Cannot use resolveFile: expected a function, got ${typeof resolveFile}`);
  }
  return async (request) => {
    const { method } = request;
    if (method !== "GET" && method !== "HEAD") {
      return new Response("Method Not Allowed\n", { status: 405, headers: { allow: "GET, HEAD", ...PLAIN_TEXT } });
    }
    const url = new URL(request.url);
    const { pathname } = url;
    if (!isPublicPath(pathname, extension)) return notFound(method);
    if (resolveFile !== undefined) {
      const file = await resolveFile(decodeURIComponent(pathname));
      if (!file || !isPublicPath(file.replaceAll("%", "%25"), extension)) return notFound(method);
    }
    const response = await files(asRead(request, url));
    if (!response) return notFound(method);
    // It took the path for another one, such as the index of a folder.
    if (!PHP_TYPE.test(response.headers.get("content-type") ?? "")) return response;
    dropResponse(response, "A file server sent a script");
    return notFound(method);
  };
}

const PLAIN_TEXT = { "content-type": "text/plain;charset=UTF-8" };

/**
 * The request with its URL as it was read here. A file server that reads it in a way of its own, such as with dots or a fragment that
 * a parser takes away, must not come to another path.
 */
function asRead(request: Request, url: URL): Request {
  url.hash = "";
  if (request.url === url.href) return request;
  const { method, headers, signal } = request;
  return new Request(url, {
    method,
    headers: asNativeHeaders(headers),
    signal: signal ? asNativeSignal(signal) : null,
  });
}
