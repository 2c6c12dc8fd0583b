// Chooses the script that answers a URL, if there is a file for each script. Errors in this have run uploads as
// programs more than once (CVE-2019-11043, CVE-2026-24895, CVE-2026-45062). So names are compared byte by byte, without
// case folding and patterns; an index is only used on the string that it was found in; and no file is named that
// `resolve` has not confirmed.

import type { Resolved } from "../../base/resolve_options.ts";
import { objectOf, unexpected } from "../../base/unexpected.ts";
import { byteStringToUtf8 } from "../../protocol/byte_string.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import type { FastCgiScript, FastCgiScriptResolver } from "../call/script.ts";
import { dropResponse } from "../shared/discard_body.ts";
import { hasControlBytes } from "../shared/header_rules.ts";
import { plainAnswer } from "./plain_answer.ts";

/**
 * A folder with a file for each script. The path of a URL decides what answers:
 *
 * | path of the URL | answered by |
 * |---|---|
 * | `/a/b.php` | that script |
 * | `/a/b.php/more` | that script with `/more` as PATH_INFO: the first part that ends with `extension` is the script |
 * | `/a/` | `/a/index.php` |
 * | `/a`, if there is an `/a/index.php` | a redirect to `/a/` (308), as nginx's `try_files $uri $uri/` and Caddy's
 * `php_fastcgi` do |
 * | any other path, also a script that `resolve` does not confirm | `frontController`, with the path in REQUEST_URI;
 * without one a 404 |
 *
 * Names are compared byte by byte: `/a.PHP`, `/a.php5` and letters that only look like `.php` are not scripts. Nor is
 * any path with a part that starts with a dot (`/.git/x.php`), an empty part (`//a.php`), an encoded slash
 * (`/a%2Fb.php`), a backslash or a control byte: rules for paths elsewhere may not cover these. After the name of the
 * script, and for `frontController`, such bytes are data: `/rest.php/page/A%2FB` has the PATH_INFO `/page/A/B`, as with
 * nginx and Caddy. Files that are not scripts are not sent: use `phpSite` with a file server for that.
 *
 * A path is refused (`malformedRequest`, 400) if it holds NUL, CR or LF, an encoded `..`, or a `%` without two
 * hexadecimal digits. This holds for every path, also for those that `frontController` would answer.
 */
export interface FastCgiDocumentRoot {
  /** The folder, as the application sees it: DOCUMENT_ROOT. */
  documentRoot: string;
  /**
   * Says whether a script exists, and where. It gets the path of the script inside the folder as text, such as
   * `/blog/index.php`. It returns the path of the file as the application sees it, or a {@linkcode FastCgiScript} with
   * more than that, or null if there is no such script. Confirm only what is certain: PHP looks in the folders above a
   * missing script, so `/upload.jpg/x.php` would run the upload. Adapters with a disk have `scriptOnDisk`.
   */
  resolve: (scriptName: string) => ScriptLocation | Promise<ScriptLocation>;
  /**
   * The script of a folder: for `/blog/` it is `/blog/index.php`.
   *
   * @default {"index.php"}
   */
  index?: string | undefined;
  /**
   * The end of script names, in ASCII.
   *
   * @default {".php"}
   */
  extension?: string | undefined;
  /**
   * The script for every path that leads to no other script, such as `/index.php`; null for none. `resolve` is asked
   * for it too.
   *
   * @default {null: such paths are answered with a 404}
   */
  frontController?: string | null | undefined;
}

/** Where a script is; null if there is none. */
export type ScriptLocation = string | FastCgiScript | null;

/** A path cut into the script and the rest. Both are byte strings. */
export interface SplitPath {
  scriptName: string;
  pathInfo: string;
}

/** The defaults of {@linkcode FastCgiDocumentRoot}. `frontController` has none. */
export const DOCUMENT_ROOT_DEFAULTS: Resolved<Pick<FastCgiDocumentRoot, "extension" | "index">> = Object.freeze({
  extension: ".php",
  index: "index.php",
});

/** @throws {TypeError} If it has no `resolve`, or another option has an invalid value. */
export function checkRoot(root: FastCgiDocumentRoot): void {
  const { documentRoot, resolve, frontController } = objectOf(root, "Cannot use scripts", "root to be an object");
  const { index = DOCUMENT_ROOT_DEFAULTS.index, extension = DOCUMENT_ROOT_DEFAULTS.extension } = root;
  const refuse = (what: string, value: unknown): TypeError => unexpected(`Cannot use scripts: expected ${what}`, value);
  if (typeof documentRoot !== "string" || documentRoot === "") throw refuse("a documentRoot", documentRoot);
  if (typeof resolve !== "function") throw refuse("a function to resolve script names", resolve);
  if (typeof extension !== "string" || !/^\.[!-.0-~]+$/.test(extension))
    throw refuse("an extension such as .php", extension);
  if (typeof index !== "string" || !index.endsWith(extension) || index.includes("/"))
    throw refuse(`an index such as index${extension}`, index);
  if (frontController === undefined || frontController === null) return;
  const isPath = typeof frontController === "string" && frontController.startsWith("/");
  if (!isPath || !frontController.endsWith(extension)) {
    throw refuse(`a frontController such as /index${extension}`, frontController);
  }
}

/**
 * Makes a `script` option for a folder with a file for each script.
 *
 * ```ts
 * const root = "/srv/site/public";
 * const script = scriptsIn({ documentRoot: root, resolve: scriptOnDisk(root), frontController: "/index.php" });
 * ```
 *
 * @throws {TypeError} If it has no `resolve`, or another option has an invalid value.
 */
export function scriptsIn(root: FastCgiDocumentRoot): FastCgiScriptResolver {
  checkRoot(root);
  return (request) => scriptForRequest(request, root);
}

/** Asks a file server for the path of a request. It answers 404 or 405 if there is no file. */
export type AskFiles = (request: Request) => Promise<Response>;

/**
 * The script that answers a request, or a Response if none does. If the path names no script, `askFiles` is called
 * first, and `frontController` answers what is left.
 *
 * @throws {FastCgiError} `malformedRequest` if the path is refused.
 * @throws {unknown} The errors of `resolve` and `askFiles`.
 */
export async function scriptForRequest(
  request: Request,
  root: FastCgiDocumentRoot,
  askFiles?: AskFiles,
): Promise<FastCgiScript | Response> {
  const { pathname, search } = new URL(request.url);
  const { index = DOCUMENT_ROOT_DEFAULTS.index, extension, frontController = null } = root;
  const decoded = decodeScriptPath(pathname);
  const { path } = decoded;
  const isFolder = path.endsWith("/");
  const split = splitScriptPath(path, extension) ?? (isFolder ? { scriptName: path + index, pathInfo: "" } : null);
  const found = split && (await locate(root, decoded, split.scriptName));
  if (found) return { ...found, pathInfo: split.pathInfo };
  const file = askFiles === undefined ? plainAnswer(404, request.method) : await askFiles(request);
  if (file.status !== 404 && file.status !== 405) return file;
  // Without the slash, relative links of the page would lead to the folder above.
  const isBelow = split === null && (await locate(root, decoded, `${path}/${index}`));
  const answer = isBelow
    ? new Response(null, { status: 308, headers: { location: `${pathname}/${search}` } })
    : frontController !== null && located(root, frontController, await root.resolve(frontController));
  if (!answer) return file;
  dropResponse(file, "Another answer takes the place of the file server's");
  return answer;
}

/**
 * Cuts a decoded path after the first part that ends with `extension`; null if there is none. `scriptName + pathInfo`
 * is always the path.
 */
export function splitScriptPath(path: string, extension: string = DOCUMENT_ROOT_DEFAULTS.extension): SplitPath | null {
  for (let start = path.indexOf(extension); start !== -1; start = path.indexOf(extension, start + 1)) {
    const end = start + extension.length;
    // Only at the end of a part: "/a.php5" and "/a.phpx/b" are not scripts.
    if (end === path.length || path[end] === "/") return { scriptName: path.slice(0, end), pathInfo: path.slice(end) };
  }
  return null;
}

/** The path of a URL, decoded once to a byte string. */
export interface DecodedPath {
  path: string;
  /**
   * The offset in `path` of the first byte that can't be in a script's name: a slash that was encoded, a backslash, a
   * control byte. `Infinity` if there is none.
   */
  unsafeAt: number;
}

/**
 * Decodes the path of a URL.
 *
 * @throws {FastCgiError} `malformedRequest` if it holds NUL, CR, LF, a `..` or a broken escape.
 */
export function decodeScriptPath(pathname: string): DecodedPath {
  const refuse = (reason: string): FastCgiError =>
    new FastCgiError("malformedRequest", `Cannot send the request: its path ${JSON.stringify(pathname)} ${reason}`);
  let path = "";
  let unsafeAt = Number.POSITIVE_INFINITY;
  for (let at = 0; at < pathname.length; at++) {
    let code = pathname.charCodeAt(at);
    const isEscape = code === PERCENT;
    if (isEscape) {
      code = hexDigit(pathname.charCodeAt(at + 1)) * 16 + hexDigit(pathname.charCodeAt(at + 2));
      if (Number.isNaN(code)) throw refuse("has a % without two hexadecimal digits");
      at += 2;
    }
    const isUnsafe = (isEscape && code === SLASH) || code === BACKSLASH || code < 0x20 || code === 0x7f;
    if (isUnsafe) unsafeAt = Math.min(unsafeAt, path.length);
    path += String.fromCharCode(code);
  }
  // CVE-2019-11043 began with a %0a, and a NUL ends a name in C.
  if (hasControlBytes(path)) throw refuse("holds a control byte");
  // The URL parser has resolved plain ".." parts. An encoded one could lead an application out of its folder that opens
  // what PATH_INFO names.
  if (path.split(/[/\\]/).includes("..")) throw refuse("leads upwards");
  return { path, unsafeAt };
}

const PERCENT = 0x25;
const SLASH = 0x2f;
const BACKSLASH = 0x5c;

/** The value of an ASCII hexadecimal digit; NaN for any other code, and for NaN at the end of the string. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : Number.NaN;
}

/** Asks `resolve` for a script, if a URL may name it. */
async function locate(
  root: FastCgiDocumentRoot,
  { path, unsafeAt }: DecodedPath,
  scriptName: string,
): Promise<FastCgiScript | null> {
  // Also the slash after the name: a rule for `/admin.php/` does not match `/admin.php%2F`.
  if (unsafeAt <= Math.min(scriptName.length, path.length)) return null;
  const [, ...parts] = scriptName.split("/");
  if (parts.some((part) => part === "" || part.startsWith("."))) return null;
  const name = byteStringToUtf8(scriptName);
  // Bytes that are not UTF-8 have no text, and `resolve` must not be asked for a guessed name.
  if (name.includes("\ufffd")) return null;
  return located(root, name, await root.resolve(name));
}

function located({ documentRoot }: FastCgiDocumentRoot, name: string, location: ScriptLocation): FastCgiScript | null {
  // A hook in JavaScript may also return `undefined`, for example from a Map.
  if (!location) return null;
  return { documentRoot, name, ...(typeof location === "string" ? { filename: location } : location) };
}
