// The links of documents in a folder: the project's, or that of the package as npm installs it.

import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { anchorsOf, linksOf } from "../../docs/site/markdown.mjs";

/** The links of `documents` that lead to no file of the folder, or to no heading of it, and how many links there are. */
export function checkLinks(root: string, documents: readonly string[]): { broken: string[]; count: number } {
  const read = (name: string): string => readFileSync(join(root, name), "utf8");
  const broken: string[] = [];
  let count = 0;
  for (const name of documents) {
    for (const { target, line } of linksOf(read(name))) {
      if (/^[a-z]+:/.test(target)) continue;
      count++;
      const [path = "", anchor] = target.split("#");
      let file = path === "" ? name : normalize(join(dirname(name), path));
      // A folder is shown with its README.
      if (existsSync(join(root, file)) && statSync(join(root, file)).isDirectory() && anchor !== undefined) {
        file = join(file, "README.md");
      }
      const isThere = existsSync(join(root, file)) && (anchor === undefined || anchorsOf(read(file)).has(anchor));
      if (!isThere) broken.push(`${name}:${line}: ${target}`);
    }
  }
  return { broken, count };
}
