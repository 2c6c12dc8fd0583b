// The user that PHP runs as. Started by root, PHP must not be root unless the user of the command says so.

import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import { promisify } from "node:util";
import { UsageError } from "../../frame/command.ts";

/** A user of the system. */
export interface PhpUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Users that systems have for web servers, and one that every system has. */
const USUAL = ["www-data", "apache", "nginx", "http", "_www", "nobody"];

/**
 * Null if PHP is to run as the user of this process, which is not root.
 *
 * @throws {UsageError} If there is no such user, or this process may not become it.
 */
export async function phpUserFor(name: string | undefined, folder: string): Promise<PhpUser | null> {
  if (process.getuid?.() !== 0) {
    if (name === undefined) return null;
    throw new UsageError(`Cannot run PHP as "${name}": only root can do so; run the gateway itself as that user`);
  }
  if (name !== undefined) {
    const user = await find(name);
    if (user === null) throw new UsageError(`Cannot run PHP as "${name}": there is no such user`);
    return user;
  }
  const { uid, gid } = statSync(folder);
  if (uid !== 0) return { name: `user ${uid}`, uid, gid };
  for (const usual of USUAL) {
    const user = await find(usual);
    if (user !== null) return user;
  }
  throw new UsageError("Cannot choose a user for PHP: the folder belongs to root; name one with --user");
}

async function find(name: string): Promise<PhpUser | null> {
  const ask = async (flag: string): Promise<number> =>
    Number((await promisify(execFile)("id", [flag, "--", name])).stdout.trim());
  try {
    return { name, uid: await ask("-u"), gid: await ask("-g") };
  } catch {
    return null;
  }
}
