import { checkString, objectOf, shown } from "../../base/unexpected.ts";

/**
 * A script that an application runs. A front controller, as Laravel and Symfony have one, is the script for every
 * request.
 */
export interface FastCgiScript {
  /** Path of the script file, as the application sees it: SCRIPT_FILENAME. */
  filename: string;
  /**
   * Path of the script in URLs: SCRIPT_NAME.
   *
   * @default {"/" and the last part of `filename`}
   */
  name?: string | undefined;
  /**
   * Folder of the site: DOCUMENT_ROOT.
   *
   * @default {the folder of `filename`}
   */
  documentRoot?: string | undefined;
  /**
   * The part of the URL's path after the script: PATH_INFO, as a byte string.
   *
   * @default {none}
   */
  pathInfo?: string | undefined;
}

/**
 * Chooses the script for a request, for example by its host; `scriptsIn` makes such a function for a folder. If it
 * returns a Response, that is the answer, and the application is not asked; with `undefined` the whole path of the URL
 * becomes SCRIPT_NAME.
 */
export type FastCgiScriptResolver = (
  request: Request,
) => FastCgiScript | Response | undefined | Promise<FastCgiScript | Response | undefined>;

/**
 * Checks the `script` that a program gives.
 *
 * @throws {TypeError} If it has no filename, or a member is no string.
 */
export function checkScript(script: FastCgiScript | FastCgiScriptResolver | undefined): void {
  if (script === undefined || typeof script === "function") return;
  const { filename, name, documentRoot, pathInfo } = objectOf(script, "Cannot use script", "an object with a filename");
  if (typeof filename !== "string" || filename === "") {
    throw new TypeError(`Cannot use script: expected a filename, got ${shown(filename)}; for a folder use scriptsIn()`);
  }
  for (const [member, value] of Object.entries({ name, documentRoot, pathInfo })) {
    if (value !== undefined) checkString(value, "Cannot use script", member);
  }
}
