import { realpath, stat } from "node:fs/promises";
import { extname, isAbsolute, join, relative, sep } from "node:path";
import type { FastCgiScript } from "../../src/index.ts";

/** Options of {@linkcode scriptOnDisk}. */
export interface ScriptOnDiskOptions {
  /**
   * The folder as the application sees it, where that is elsewhere, such as in a container.
   *
   * @default {the folder itself, with symbolic links followed}
   */
  documentRoot?: string;
}

/** Missing, a file where a folder should be, not ours to see, or no name of a file: there is no such script. */
const NO_SCRIPT: ReadonlySet<string> = new Set([
  "EACCES",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOENT",
  "ENOTDIR",
  "EPERM",
  "ERR_INVALID_ARG_VALUE",
]);

/**
 * A `resolve` hook for scripts in a folder of this machine. A script is there if it is a file inside the folder and has the
 * extension it was asked for, all with symbolic links followed. SCRIPT_FILENAME and DOCUMENT_ROOT are paths without links, so
 * that php-fpm opens the file that was looked at (as nginx's `$realpath_root` does), and sees a new release behind a link.
 *
 * ```ts
 * const root = "/srv/site/public";
 * const script = scriptsIn({ documentRoot: root, resolve: scriptOnDisk(root), frontController: "/index.php" });
 * ```
 *
 * Where the file system ignores the case of names, so does this, but for the extension.
 *
 * The hook rejects where the disk fails; a script that is missing or may not be seen is none.
 *
 * @throws {TypeError} If the folder is not an absolute path.
 */
export function scriptOnDisk(
  folder: string,
  { documentRoot }: ScriptOnDiskOptions = {},
): (scriptName: string) => Promise<FastCgiScript | null> {
  if (!isAbsolute(folder)) {
    throw new TypeError(`Cannot look for scripts in ${JSON.stringify(folder)}: expected an absolute path`);
  }
  return async (scriptName) => {
    try {
      const root = await realpath(folder);
      const file = await realpath(join(root, scriptName));
      const inside = relative(root, file);
      if (inside === "" || inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return null;
      // A link, or a short name of Windows, may lead from x.php to a file that is no script.
      if (extname(file) !== extname(scriptName) || !(await stat(file)).isFile()) return null;
      if (documentRoot === undefined) return { filename: file, documentRoot: root };
      const there = documentRoot.endsWith("/") ? documentRoot.slice(0, -1) : documentRoot;
      return { filename: `${there}/${inside.replaceAll(sep, "/")}`, documentRoot };
    } catch (error) {
      if (NO_SCRIPT.has((error as NodeJS.ErrnoException).code ?? "")) return null;
      throw error;
    }
  };
}
