import { readFileSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";

/** The flag of a socket that listens (`__SO_ACCEPTCON`). */
const LISTENS = 0x10000;

/**
 * Whether Linux lists (/proc/net/unix) a socket that listens and was made for a path. The answer is also true if
 * another process has taken that path over since, and false on other systems and for processes in other containers.
 */
export function isListed(path: string): boolean {
  let list: string;
  let folder: string;
  try {
    list = readFileSync("/proc/net/unix", "utf8");
    folder = realpathSync(dirname(path));
  } catch {
    return false;
  }
  const name = basename(path);
  return list.split("\n").some((line) => {
    // Num RefCount Protocol Flags Type St Inode Path
    const match = /^(?:\S+ +){3}(\S+) (?:\S+ +){3}(\/.*)$/.exec(line);
    if (match === null || (Number.parseInt(match[1]!, 16) & LISTENS) === 0) return false;
    const made = match[2]!;
    if (basename(made) !== name) return false;
    const parent = dirname(made);
    // The socket may have been made under a name in a private folder: see socket_file.ts.
    return isFolder(parent, folder) || (basename(parent).startsWith(".") && isFolder(dirname(parent), folder));
  });
}

function isFolder(path: string, real: string): boolean {
  try {
    return realpathSync(path) === real;
  } catch {
    return false;
  }
}
