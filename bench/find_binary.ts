import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The path of a program that PATH leads to. */
export function findBinary(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? "").split(delimiter).filter(Boolean)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}
