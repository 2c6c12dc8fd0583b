// Finds out where a path in a folder leads when symbolic links are followed: into the folder, or into another one that its links may lead to.

import type { Stats } from "node:fs";
import { lstat, realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { optionsOf, unexpected } from "../../src/base/unexpected.ts";
import { contained } from "../../src/toolkit.ts";
import { printable } from "../shared/print.ts";

/** Options of {@linkcode scriptOnDisk} and {@linkcode fileOnDisk}. */
export interface FolderOnDiskOptions {
  /**
   * Further folders that links in the folder may lead to, as absolute paths. Debian's packages link to files that they
   * share: `/usr/share/php`, `/usr/share/javascript`, or the folder of the whole application. Every link in the folder
   * can then lead to any file in these folders, whichever program made the link.
   *
   * @default {none: a link may lead only into the folder itself}
   */
  mayLinkTo?: readonly string[] | undefined;
  /**
   * Called for each path that is refused although it leads to something, with the reason, for a log. The message has no control
   * characters. It is not called for a path that leads to nothing, unless the folder itself is missing: every path of
   * the site is answered by 404 then.
   */
  onRefused?: ((message: string, path: string) => void) | undefined;
}

/** Where a path leads. */
export type PathOnDisk =
  | {
      readonly kind: "there";
      /** The folder, with links followed. */
      readonly root: string;
      /** The file or folder that the path leads to, with links followed. */
      readonly target: string;
      /** The status of `target`, which may be a file, a folder, or something else. */
      readonly stats: Stats;
      /**
       * The path of `target` inside the folder, or inside the folder of `mayLinkTo`: with `/` between the parts, and
       * none at the beginning.
       */
      readonly inside: string;
      /** The path inside the folder before links were followed, in the same form. */
      readonly name: string;
      /** Whether the path leads into another folder. */
      readonly isLinkedOut: boolean;
    }
  | { readonly kind: "missing" }
  | { readonly kind: "refused" };

/** Codes that say that no file has that name. */
const IS_MISSING: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR"]);

/** Codes that say that no file can have that name. */
const IS_NO_NAME: ReadonlySet<string> = new Set(["ENAMETOOLONG", "ERR_INVALID_ARG_VALUE"]);

const REASONS: ReadonlyMap<string, string> = new Map([
  ["EACCES", "this user may not see it"],
  ["EPERM", "this user may not see it"],
  ["ELOOP", "its links lead in a circle"],
]);

/** The most characters of a path in a message. */
const MAX_SHOWN = 512;

/** A folder of this machine. */
export class FolderOnDisk {
  readonly #folder: string;
  readonly #verb: string;
  readonly #mayLinkTo: readonly string[];
  readonly #onRefused: (message: string, path: string) => void;

  /**
   * @param what For messages: what is looked for, such as "files".
   * @param verb For messages: what is done with it, such as "send".
   * @throws {TypeError} If a folder is not an absolute path, or an option has a value it can't have.
   */
  constructor(folder: string, what: string, verb: string, options: FolderOnDiskOptions) {
    const { mayLinkTo = [], onRefused } = optionsOf(options);
    if (!Array.isArray(mayLinkTo)) throw unexpected("Cannot use mayLinkTo: expected an array", mayLinkTo);
    checkFolder(folder, `Cannot look for ${what}: expected folder`);
    for (const path of mayLinkTo) checkFolder(path, `Cannot look for ${what}: expected each of mayLinkTo`);
    this.#folder = folder;
    this.#verb = verb;
    this.#mayLinkTo = [...mayLinkTo];
    this.#onRefused = contained("onRefused", onRefused);
  }

  /**
   * Finds out where a path leads.
   *
   * @throws {Error} If the disk fails.
   */
  async find(path: string): Promise<PathOnDisk> {
    let root: string | null = null;
    try {
      root = await realpath(this.#folder);
      const full = join(root, path);
      const name = insideOf(root, full);
      if (name === null) return this.#refused(path, "its name leads out of the folder");
      const target = await realpath(full);
      const own = insideOf(root, target);
      const inside = own ?? (await this.#insideLinked(target));
      if (inside === null)
        return this.#refused(path, `it leads to ${shown(target)}, which is in no folder of mayLinkTo`);
      return { kind: "there", root, target, inside, name, isLinkedOut: own === null, stats: await stat(target) };
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (IS_MISSING.has(code)) {
        if (root === null) this.refuse(path, "the folder does not exist");
        else if (await this.#isLink(path)) this.refuse(path, "it is a link to nothing");
        return { kind: "missing" };
      }
      if (IS_NO_NAME.has(code)) return { kind: "refused" };
      const reason = REASONS.get(code);
      if (reason === undefined) throw error;
      return this.#refused(path, `${reason} (${code})`);
    }
  }

  /** Tells `onRefused` why a path is refused. */
  refuse(path: string, reason: string): void {
    this.#onRefused(`Cannot ${this.#verb} ${shown(path)} in ${shown(this.#folder)}: ${reason}`, path);
  }

  #refused(path: string, reason: string): PathOnDisk {
    this.refuse(path, reason);
    return { kind: "refused" };
  }

  async #insideLinked(target: string): Promise<string | null> {
    for (const folder of this.#mayLinkTo) {
      const inside = insideOf(await realpath(folder).catch(() => folder), target);
      if (inside !== null) return inside;
    }
    return null;
  }

  async #isLink(path: string): Promise<boolean> {
    return lstat(join(this.#folder, path)).then(
      (found) => found.isSymbolicLink(),
      () => false,
    );
  }
}

/** The path relative to a folder, with `/` between its parts; null if it is outside. */
function insideOf(folder: string, path: string): string | null {
  const inside = relative(folder, path);
  return inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside) ? null : inside.replaceAll(sep, "/");
}

/** @throws {TypeError} If it is no absolute path. */
function checkFolder(folder: unknown, expectation: string): void {
  if (typeof folder === "string" && isAbsolute(folder)) return;
  throw unexpected(`${expectation} to be an absolute path`, folder);
}

function shown(path: string): string {
  return printable(path, MAX_SHOWN);
}
