import { FolderOnDisk, type FolderOnDiskOptions } from "./folder_on_disk.ts";

/**
 * A `resolveFile` hook for files in a folder of this machine: where a path leads, with symbolic links followed. So a link with the name
 * of a picture does not send the script that it leads to. A link out of the folder, and what is neither file nor folder, is not sent.
 *
 * ```ts
 * const root = "/srv/site/public";
 * const site = phpSite({ documentRoot: root, resolve: scriptOnDisk(root), resolveFile: fileOnDisk(root), php, files });
 * ```
 *
 * With `mayLinkTo`, links may lead out of the folder as well, if the file server follows them: the name that counts is the one in the
 * folder that they lead to.
 *
 * The hook rejects where the disk fails.
 *
 * @throws {TypeError} If a folder is not an absolute path.
 */
export function fileOnDisk(
  folder: string,
  options: FolderOnDiskOptions = {},
): (path: string) => Promise<string | null> {
  const files = new FolderOnDisk(folder, "files", "send", options);
  return async (path) => {
    const found = await files.find(path);
    // So there is no link either, and the file server may know a file by this name, as `about.html` by `/about`.
    if (found.kind === "missing") return path;
    if (found.kind === "refused") return null;
    if (found.stats.isFile() || found.stats.isDirectory()) return `/${found.inside}`;
    files.refuse(path, "it is neither a file nor a folder");
    return null;
  };
}
