import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";

/** A folder that no other user can enter, for names that no other process should find. */
export class PrivateFolder {
  readonly path: string;

  /** Makes the folder in another one: a socket can't get a name on another disk than the one it was made on. */
  constructor(parent: string) {
    this.path = mkdtempSync(`${parent}/.`);
    makeUsable(this.path);
  }

  /** The name of the folder in its parent. */
  get name(): string {
    return basename(this.path);
  }

  /** The path of a name in it. */
  file(name: string): string {
    return join(this.path, name);
  }

  /** Removes the folder and what is in it. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/**
 * Gives the owner of a new folder the permissions that the umask has taken away. The set-group-ID bit stays: with it, files made in the
 * folder belong to the group of the parent.
 */
export function makeUsable(folder: string): void {
  const { mode } = statSync(folder);
  if ((mode & 0o700) !== 0o700) chmodSync(folder, (mode & 0o7777) | 0o700);
}
