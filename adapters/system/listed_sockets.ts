import { readFileSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";

/** The flag of a socket that listens (`__SO_ACCEPTCON`). */
const LISTENS = 0x10000;

/** The type of a socket for streams (`SOCK_STREAM`). */
const STREAM = 1;

/**
 * Whether Linux lists (/proc/net/unix) a socket that was made for a path and listens, or is of a kind that does not listen: for
 * datagrams. The answer is also true if another process has taken that path over since, and false on other systems and
 * for processes in other containers.
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
    const match = /^(?:\S+ +){3}(\S+) +(\S+) +(?:\S+ +){2}(\/.*)$/.exec(line);
    if (match === null) return false;
    const [flags, type] = [match[1]!, match[2]!].map((number) => Number.parseInt(number, 16)) as [number, number];
    if ((flags & LISTENS) === 0 && type === STREAM) return false;
    const made = match[3]!;
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
