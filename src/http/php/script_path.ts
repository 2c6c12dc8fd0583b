// Which script answers a URL where there is a file for each. Getting this wrong has run uploads as programs more than once
// (CVE-2019-11043, CVE-2026-24895, CVE-2026-45062), so: bytes are compared, nothing is case-folded or matched by a pattern, an
// index is only used on the string it was found in, and no file is named that `resolve` has not confirmed.

import { byteStringToUtf8 } from "../../protocol/byte_string.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import type { FastCgiScript, FastCgiScriptResolver } from "../call/script.ts";
import { dropResponse } from "../shared/discard_body.ts";
import { hasControlBytes } from "../shared/header_rules.ts";

/**
 * A folder with a file for each script. What a URL leads to:
 *
 * | path of the URL | answered by |
 * |---|---|
 * | `/a/b.php` | that script |
 * | `/a/b.php/more` | the same, with `/more` as PATH_INFO: the first part that ends with `extension` is the script |
 * | `/a/` | `/a/index.php` |
 * | `/a`, where `/a/index.php` is there | a redirect to `/a/` (308), as nginx's `try_files $uri $uri/` and Caddy's `php_fastcgi` do |
 * | anything else, also what `resolve` does not confirm | `frontController`, with the path in REQUEST_URI; without one a 404 |
 *
 * Names are compared byte by byte: `/a.PHP`, `/a.php5` and letters that only look like `.php` are no scripts. Nor is anything with
 * a part that starts with a dot (`/.git/x.php`), an empty part (`//a.php`), an encoded slash (`/a%2Fb.php`), a backslash or a control
 * byte, which rules about paths elsewhere may not know. Behind the name of the script, and for `frontController`, such bytes are
 * data: `/rest.php/page/A%2FB` has the PATH_INFO `/page/A/B`, as with nginx and Caddy. Files that are no scripts are not sent:
 * `phpSite` does that, with a file server.
 *
 * A path is refused (`malformedRequest`, 400), whatever would have answered it, if it holds NUL, CR or LF, a `..` that was encoded,
 * or a `%` without two hexadecimal digits.
 */
export interface FastCgiDocumentRoot {
  /** The folder, as the application sees it: DOCUMENT_ROOT. */
  documentRoot: string;
  /**
   * Says whether a script is there to be run, and where. It gets the path of the script inside the folder, such as
   * `/blog/index.php`, as text; it returns the path of the file as the application sees it, or that and more as a
   * {@linkcode FastCgiScript}, or null if there is none. PHP looks for a script in the folders above a missing one, so what is not
   * certain must not be confirmed: `/upload.jpg/x.php` would run the upload. Adapters with a disk have `scriptOnDisk`.
   */
  resolve: (scriptName: string) => ScriptLocation | Promise<ScriptLocation>;
  /**
   * The script of a folder: for `/blog/` it is `/blog/index.php`.
   *
   * @default {"index.php"}
   */
  index?: string;
  /**
   * What the names of scripts end with, in ASCII.
   *
   * @default {".php"}
   */
  extension?: string;
  /**
   * The script for every path that leads to none, such as `/index.php`; `resolve` is asked for it too. null for none.
   *
   * @default {null: such paths are answered with a 404}
   */
  frontController?: string | null;
}

/** Where a script is, or null if it is nowhere. */
export type ScriptLocation = string | FastCgiScript | null;

/** A path cut in two. Both parts are byte strings. */
export interface SplitPath {
  scriptName: string;
  pathInfo: string;
}

/** Default of {@linkcode FastCgiDocumentRoot.index}. */
export const DEFAULT_INDEX = "index.php";
const DEFAULT_EXTENSION = ".php";

/** @throws {TypeError} If it has no `resolve`, or a value that an option can't have. */
export function checkRoot(root: FastCgiDocumentRoot): void {
  const { documentRoot, resolve, index = DEFAULT_INDEX, extension = DEFAULT_EXTENSION, frontController } = root;
  const refuse = (what: string, value: unknown): TypeError =>
    new TypeError(`Cannot use scripts: expected ${what}, got ${JSON.stringify(value) ?? typeof value}`);
  if (typeof documentRoot !== "string" || documentRoot === "") throw refuse("a documentRoot", documentRoot);
  if (typeof resolve !== "function") throw refuse("a function to resolve script names", resolve);
  if (!/^\.[!-.0-~]+$/.test(extension)) throw refuse("an extension such as .php", extension);
  if (!index.endsWith(extension) || index.includes("/")) throw refuse(`an index such as index${extension}`, index);
  if (
    typeof frontController === "string" &&
    !(frontController.startsWith("/") && frontController.endsWith(extension))
  ) {
    throw refuse(`a frontController such as /index${extension}`, frontController);
  }
}

/**
 * A `script` option for a folder with a file for each script.
 *
 * ```ts
 * const root = "/srv/site/public";
 * const script = scriptsIn({ documentRoot: root, resolve: scriptOnDisk(root), frontController: "/index.php" });
 * ```
 *
 * @throws {TypeError} If it has no `resolve`, or a value that an option can't have.
 */
export function scriptsIn(root: FastCgiDocumentRoot): FastCgiScriptResolver {
  checkRoot(root);
  return (request) => scriptForRequest(request, root);
}

/** Answers where there is a file for the path of a request, and 404 or 405 where there is none. */
export type AskFiles = (request: Request) => Promise<Response>;

/**
 * The script that answers a request, or the response where none does. Files are asked for where the path leads to no script of its
 * own: before `frontController`, which takes all that is left.
 *
 * @throws {FastCgiError} `malformedRequest` if the path is refused.
 * @throws {unknown} Whatever `resolve` and `askFiles` throw.
 */
export async function scriptForRequest(
  request: Request,
  root: FastCgiDocumentRoot,
  askFiles?: AskFiles,
): Promise<FastCgiScript | Response> {
  const { pathname, search } = new URL(request.url);
  const { index = DEFAULT_INDEX, extension, frontController = null } = root;
  const decoded = decodeScriptPath(pathname);
  const { path } = decoded;
  const isFolder = path.endsWith("/");
  const split = splitScriptPath(path, extension) ?? (isFolder ? { scriptName: path + index, pathInfo: "" } : null);
  const found = split && (await locate(root, decoded, split));
  if (found) return found;
  const file = askFiles === undefined ? notFound(request.method) : await askFiles(request);
  if (file.status !== 404 && file.status !== 405) return file;
  // Relative links of a page only work below its folder.
  const isBelow = split === null && (await locate(root, decoded, { scriptName: `${path}/${index}`, pathInfo: "" }));
  const answer = isBelow
    ? new Response(null, { status: 308, headers: { location: `${pathname}/${search}` } })
    : frontController !== null && located(root, frontController, await root.resolve(frontController));
  if (!answer) return file;
  dropResponse(file, "Another answer takes the place of the file server's");
  return answer;
}

/**
 * Cuts a decoded path behind the first part that ends with `extension`; null if there is none. `scriptName + pathInfo` is always
 * the path.
 */
export function splitScriptPath(path: string, extension: string = DEFAULT_EXTENSION): SplitPath | null {
  for (let start = path.indexOf(extension); start !== -1; start = path.indexOf(extension, start + 1)) {
    const end = start + extension.length;
    // Only a whole part: "/a.php5" and "/a.phpx/b" are no scripts.
    if (end === path.length || path[end] === "/") return { scriptName: path.slice(0, end), pathInfo: path.slice(end) };
  }
  return null;
}

/** The path of a URL, decoded once to a byte string. */
export interface DecodedPath {
  path: string;
  /**
   * Where in `path` the first byte is that names no file: a slash that was encoded, a backslash, a control byte. `Infinity` if
   * there is none.
   */
  doubtfulAt: number;
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
  let doubtfulAt = Number.POSITIVE_INFINITY;
  for (let at = 0; at < pathname.length; at++) {
    let code = pathname.charCodeAt(at);
    const isEscape = code === PERCENT;
    if (isEscape) {
      code = hexDigit(pathname.charCodeAt(at + 1)) * 16 + hexDigit(pathname.charCodeAt(at + 2));
      if (Number.isNaN(code)) throw refuse("has a % without two hexadecimal digits");
      at += 2;
    }
    const isDoubtful = (isEscape && code === SLASH) || code === BACKSLASH || code < 0x20 || code === 0x7f;
    if (isDoubtful && doubtfulAt > path.length) doubtfulAt = path.length;
    path += String.fromCharCode(code);
  }
  // CVE-2019-11043 began with a %0a, and a NUL ends a name in C.
  if (hasControlBytes(path)) throw refuse("holds a control byte");
  // The URL parser has resolved those that were not encoded. An application that opens what PATH_INFO names must not be led out.
  if (path.split(/[/\\]/).includes("..")) throw refuse("leads upwards");
  return { path, doubtfulAt };
}

const PERCENT = 0x25;
const SLASH = 0x2f;
const BACKSLASH = 0x5c;

/** The value of an ASCII hexadecimal digit; NaN for anything else, and for what is behind the end. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : Number.NaN;
}

/** Asks `resolve` for a script that may be asked for by a URL. */
async function locate(
  root: FastCgiDocumentRoot,
  { path, doubtfulAt }: DecodedPath,
  { scriptName, pathInfo }: SplitPath,
): Promise<FastCgiScript | null> {
  // Also the slash behind the name: a rule for `/admin.php/` does not know `/admin.php%2F`.
  if (doubtfulAt <= Math.min(scriptName.length, path.length)) return null;
  const [, ...parts] = scriptName.split("/");
  if (parts.some((part) => part === "" || part.startsWith("."))) return null;
  const name = byteStringToUtf8(scriptName);
  // Bytes that are not UTF-8 have no text, and asking for another name would be a guess.
  if (name.includes("\ufffd")) return null;
  const script = located(root, name, await root.resolve(name));
  return script && { ...script, pathInfo };
}

function located({ documentRoot }: FastCgiDocumentRoot, name: string, location: ScriptLocation): FastCgiScript | null {
  // Also what a hook in JavaScript may mean by it: `undefined` of a Map.
  if (!location) return null;
  return { documentRoot, name, ...(typeof location === "string" ? { filename: location } : location) };
}

/** The answer where there is nothing. */
export function notFound(method: string): Response {
  const headers = { "content-type": "text/plain;charset=UTF-8" };
  return new Response(method === "HEAD" ? null : "Not Found\n", { status: 404, headers });
}
