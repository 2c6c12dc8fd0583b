import { FolderOnDisk, type FolderOnDiskOptions } from "./folder_on_disk.ts";

/**
 * A `resolveFile` hook for files in a folder of this machine. It returns where a path leads, with symbolic links
 * followed, so that a link with the name of a picture does not send a script. Links out of the folder, and anything
 * that is neither a file nor a folder, are not sent.
 *
 * ```ts
 * const root = "/srv/site/public";
 * const site = phpSite({ documentRoot: root, resolve: scriptOnDisk(root), resolveFile: fileOnDisk(root), php, files });
 * ```
 *
 * With `mayLinkTo`, links may also lead to other folders, if the file server follows them. The name in that other
 * folder then decides whether the file is public.
 *
 * The hook rejects if the disk fails.
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
    // There is no link then, and the file server may know a file by this name, as `about.html` by `/about`.
    if (found.kind === "missing") return path;
    if (found.kind === "refused") return null;
    if (found.stats.isFile() || found.stats.isDirectory()) return `/${found.inside}`;
    files.refuse(path, "it is neither a file nor a folder");
    return null;
  };
}
