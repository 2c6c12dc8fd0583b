// The project's imports, read as text.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** The TypeScript files below a folder. */
export function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => join(folder, path));
}

/** The modules that a file names in `from "…"`, `import "…"` and `import("…")`: paths inside the project, or names of packages. */
export function importsOf(file: string): string[] {
  return [...codeOf(file).matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => target(file, match[1]!));
}

/** The files behind what a file imports: what it takes through a door is where that has it from. */
export function filesImportedBy(file: string): string[] {
  return [...codeOf(file).matchAll(/(?:\{([^}]*)\}|\*)?\s*from\s+"([^"]+)"/g)].flatMap(([, names = "", specifier]) => {
    const path = target(file, specifier!);
    if (!/^src\/(index|toolkit)\.ts$/.test(path)) return [path];
    const wanted = names.split(",").map((name) => name.replace(/\btype\b|\bas\b.*/g, "").trim());
    return wanted.filter((name) => name !== "").map((name) => fileBehind(path, name) ?? path);
  });
}

/** The file that a door has a name from. */
function fileBehind(door: string, name: string): string | undefined {
  for (const [, names, specifier] of codeOf(door).matchAll(/export (?:type )?(\{[^}]*\}|\*) from "([^"]+)"/g)) {
    const path = target(door, specifier!);
    if (names === "*") {
      const behind = fileBehind(path, name);
      if (behind !== undefined) return behind;
      continue;
    }
    if (new RegExp(`\\b${name}\\b`).test(names!)) return path;
  }
  return undefined;
}

/** The text of a file without its comments. */
export function codeOf(file: string): string {
  return readFileSync(join(root, file), "utf8").replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
}

function target(file: string, specifier: string): string {
  return specifier.startsWith(".") ? relative(root, resolve(root, dirname(file), specifier)) : specifier;
}
