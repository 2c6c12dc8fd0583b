import { readFileSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";

/** The flag of a socket that listens (`__SO_ACCEPTCON`). */
const LISTENS = 0x10000;

/** The type of a socket for streams (`SOCK_STREAM`). */
const STREAM = 1;

/** The state of a socket that has no peer (`SS_UNCONNECTED`). Those of accepted connections have the path of their listening socket too. */
const UNCONNECTED = 1;

/** What a socket that was made for a path is: one for streams, which listens or does not listen yet; or one of another kind, for datagrams. */
export type ListedKind = "listens" | "silent" | "another kind";

/**
 * The kinds of the sockets that were made for a path and exist, as Linux lists them (/proc/net/unix). One is also listed if
 * another process has taken its path over since; none is on other systems, of processes in other containers, and on Deno without
 * `--allow-all`.
 */
export function listedKinds(path: string): ReadonlySet<ListedKind> {
  const kinds = new Set<ListedKind>();
  let list: string;
  let folder: string;
  try {
    list = readFileSync("/proc/net/unix", "utf8");
    folder = realpathSync(dirname(path));
  } catch {
    return kinds;
  }
  const name = basename(path);
  for (const line of list.split("\n")) {
    // Num RefCount Protocol Flags Type St Inode Path
    const match = /^(?:\S+ +){3}(\S+) +(\S+) +(\S+) +\S+ +(\/.*)$/.exec(line);
    if (match === null) continue;
    const [flags, type, state] = [match[1]!, match[2]!, match[3]!].map((number) => Number.parseInt(number, 16));
    const kind = kindOf(flags!, type!, state!);
    const made = match[4]!;
    if (kind === null || basename(made) !== name) continue;
    const parent = dirname(made);
    // The socket may have been made under a name in a private folder: see socket_file.ts.
    if (isFolder(parent, folder) || (basename(parent).startsWith(".") && isFolder(dirname(parent), folder))) {
      kinds.add(kind);
    }
  }
  return kinds;
}

/** Null for a socket that does not wait for a peer. */
function kindOf(flags: number, type: number, state: number): ListedKind | null {
  if (type !== STREAM) return "another kind";
  if ((flags & LISTENS) !== 0) return "listens";
  return state === UNCONNECTED ? "silent" : null;
}

function isFolder(path: string, real: string): boolean {
  try {
    return realpathSync(path) === real;
  } catch {
    return false;
  }
}
