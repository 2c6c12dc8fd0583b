import { extname } from "node:path";
import { optionsOf, unexpected } from "../../src/base/unexpected.ts";
import type { FastCgiScript } from "../../src/index.ts";
import { FolderOnDisk, type FolderOnDiskOptions } from "./folder_on_disk.ts";

/** Options of {@linkcode scriptOnDisk}. */
export interface ScriptOnDiskOptions extends FolderOnDiskOptions {
  /**
   * The folder as the application sees it, if that is another path, for example in a container.
   *
   * @default {the folder itself, with symbolic links followed}
   */
  documentRoot?: string | undefined;
}

/**
 * A `resolve` hook for scripts in a folder of this machine. It confirms a script if it is a file inside the folder and
 * has the extension that was asked for, with symbolic links followed. SCRIPT_FILENAME and DOCUMENT_ROOT are paths
 * without links, so that php-fpm opens the file that was checked (as with nginx's `$realpath_root`), and sees a new
 * release behind a link.
 *
 * ```ts
 * const root = "/srv/site/public";
 * const script = scriptsIn({ documentRoot: root, resolve: scriptOnDisk(root), frontController: "/index.php" });
 * ```
 *
 * With `mayLinkTo`, links may lead out of the folder. SCRIPT_FILENAME of such a script is the link, as nginx sends it,
 * because applications look for its place in DOCUMENT_ROOT and for the files beside it.
 *
 * ```ts
 * const resolve = scriptOnDisk("/var/lib/mediawiki", { mayLinkTo: ["/usr/share/mediawiki"], onRefused: console.warn });
 * ```
 *
 * If the file system ignores the case of names, so does this hook, except for the extension.
 *
 * The hook rejects if the disk fails. A script that is missing or can't be accessed is not confirmed.
 *
 * @throws {TypeError} If a folder is not an absolute path.
 */
export function scriptOnDisk(
  folder: string,
  options: ScriptOnDiskOptions = {},
): (scriptName: string) => Promise<FastCgiScript | null> {
  const scripts = new FolderOnDisk(folder, "scripts", "run", options);
  const { documentRoot: seenAs } = optionsOf(options);
  if (seenAs !== undefined && (typeof seenAs !== "string" || seenAs === "")) {
    throw unexpected("Cannot use documentRoot: expected the path of a folder", seenAs);
  }
  return async (scriptName) => {
    const found = await scripts.find(scriptName);
    if (found.kind !== "there") return null;
    const { root, target, inside, name, isLinkedOut, stats } = found;
    const refusal = reasonAgainst(scriptName, target, stats.isFile());
    if (refusal !== null) {
      scripts.refuse(scriptName, refusal);
      return null;
    }
    if (seenAs === undefined && !isLinkedOut) return { filename: target, documentRoot: root };
    const documentRoot = seenAs ?? root;
    const there = documentRoot.endsWith("/") ? documentRoot.slice(0, -1) : documentRoot;
    return { filename: `${there}/${isLinkedOut ? name : inside}`, documentRoot };
  };
}

/** Why a target is not a script, or null if it is one. */
function reasonAgainst(scriptName: string, target: string, isFile: boolean): string | null {
  // A link, or a short name of Windows, may lead from x.php to a file that is not a script.
  const [extension, expected] = [extname(target), extname(scriptName)];
  if (extension !== expected) return `it leads to a name that ends with ${JSON.stringify(extension)}`;
  return isFile ? null : "it is no file";
}
