import { realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";

/** There is no file of that name, so no link either: the file server may know one by it, as `about.html` by `/about`. */
const NO_FILE: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR"]);

/** Not ours to see, a link to itself, or no name of a file. */
const NOT_SENT: ReadonlySet<string> = new Set(["EACCES", "ELOOP", "ENAMETOOLONG", "EPERM", "ERR_INVALID_ARG_VALUE"]);

/**
 * A `resolveFile` hook for files in a folder of this machine: where a path leads, with symbolic links followed. So a link with the name
 * of a picture does not send the script that it leads to. A link out of the folder, and what is neither file nor folder, is not sent.
 *
 * ```ts
 * const root = "/srv/site/public";
 * const site = phpSite({ documentRoot: root, resolve: scriptOnDisk(root), resolveFile: fileOnDisk(root), php, files });
 * ```
 *
 * The hook rejects where the disk fails.
 *
 * @throws {TypeError} If the folder is not an absolute path.
 */
export function fileOnDisk(folder: string): (path: string) => Promise<string | null> {
  if (!isAbsolute(folder)) {
    throw new TypeError(`Cannot look for files in ${JSON.stringify(folder)}: expected an absolute path`);
  }
  return async (path) => {
    try {
      const root = await realpath(folder);
      const file = await realpath(join(root, path));
      const inside = relative(root, file);
      if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return null;
      const found = await stat(file);
      return found.isFile() || found.isDirectory() ? `/${inside.replaceAll(sep, "/")}` : null;
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (NO_FILE.has(code)) return path;
      if (NOT_SENT.has(code)) return null;
      throw error;
    }
  };
}
