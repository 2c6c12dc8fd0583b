/** A script: for every request, if it is a front controller, as Laravel and Symfony have one. */
export interface FastCgiScript {
  /** Path of the script file, as the application sees it: SCRIPT_FILENAME. */
  filename: string;
  /**
   * Path of the script in URLs: SCRIPT_NAME.
   *
   * @default {"/" and the last part of `filename`}
   */
  name?: string;
  /**
   * Folder of the site: DOCUMENT_ROOT.
   *
   * @default {the folder of `filename`}
   */
  documentRoot?: string;
  /**
   * What of the URL's path is behind the script: PATH_INFO, as a byte string.
   *
   * @default {none}
   */
  pathInfo?: string;
}

/**
 * Chooses the script for a request, such as by host; `scriptsIn` makes one for a folder. A Response answers without the
 * application being asked; `undefined` makes the whole path of the URL SCRIPT_NAME.
 */
export type FastCgiScriptResolver = (
  request: Request,
) => FastCgiScript | Response | undefined | Promise<FastCgiScript | Response | undefined>;

/**
 * Checks what a program gives as a script.
 *
 * @throws {TypeError} If it names none.
 */
export function checkScript(script: FastCgiScript | FastCgiScriptResolver | undefined): void {
  if (script === undefined || typeof script === "function") return;
  const { filename } = script;
  if (typeof filename === "string" && filename !== "") return;
  throw new TypeError(
    `Cannot use script: expected a filename, got ${JSON.stringify(filename)}; for a folder use scriptsIn()`,
  );
}
