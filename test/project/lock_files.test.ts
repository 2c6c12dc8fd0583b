import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

interface LockedPackage {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The packages of a lock file, by their folders. */
function packagesIn(file: string): Readonly<Record<string, LockedPackage>> {
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  return JSON.parse(readFileSync(path, "utf8")).packages;
}

/** Where Node looks for `name` from a folder: in its own `node_modules`, and in those of the folders above. */
function* placesOf(name: string, folder: string): Generator<string> {
  for (let at = folder; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    yield `${at}${at === "" ? "" : "/"}node_modules/${name}`;
    if (at === "") return;
  }
}

// An npm that made the file on one platform leaves the builds for the others out at times; `npm ci` refuses such a file.
it.each(["package-lock.json", "scripts/runtimes/package-lock.json", "bench/package-lock.json"])(
  "%s has the optional packages of every platform",
  (file) => {
    const packages = packagesIn(file);
    const missing = Object.entries(packages).flatMap(([folder, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => ![...placesOf(name, folder)].some((place) => place in packages),
      ),
    );
    expect(missing).toEqual([]);
  },
);
