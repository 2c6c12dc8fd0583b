import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTemporaryDirectory, type TemporaryDirectory } from "./temporary_directory.ts";

/** A folder with links of every kind, and what is beside it. */
export interface LinkedFolder {
  /** Where all of it is. */
  readonly parent: TemporaryDirectory;
  /** The folder itself: `public`. */
  readonly root: string;
  /** A link to it. */
  readonly link: string;
}

/**
 * Makes the folder, for files that end with `extension`:
 *
 * - `outside/secret`, `public-too/secret`, `public/sub/page`
 * - in `public`: `shortcut` → `sub`, `outside` → `../outside/secret`, `away` → `../outside`, `broken` → `missing`, `loop` → `loop`
 * - `current` → `public`
 *
 * @param files More files in `public`.
 * @param links More links in `public`, and what they lead to.
 */
export async function createLinkedFolder(
  extension: string,
  files: readonly string[],
  links: Readonly<Record<string, string>>,
): Promise<LinkedFolder> {
  const parent = await createTemporaryDirectory("linked");
  const root = join(parent.path, "public");
  for (const name of ["public/sub", "outside", "public-too"]) mkdirSync(join(parent.path, name), { recursive: true });
  const common = [`outside/secret${extension}`, `public-too/secret${extension}`, `public/sub/page${extension}`];
  for (const name of [...common, ...files.map((file) => `public/${file}`)]) {
    writeFileSync(join(parent.path, name), "<?php");
  }
  const allLinks = {
    shortcut: "sub",
    [`outside${extension}`]: `../outside/secret${extension}`,
    away: "../outside",
    [`broken${extension}`]: "missing",
    [`loop${extension}`]: `loop${extension}`,
    ...links,
  };
  for (const [name, target] of Object.entries(allLinks)) symlinkSync(target, join(root, name));
  const link = join(parent.path, "current");
  symlinkSync("public", link);
  return { parent, root, link };
}
