// Run by `npm version`, once it has changed package.json: writes the new version to every other file that has it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { projectFolder } from "./run.mjs";

/** What stands before and behind the version in each file. */
const places = {
  "deno.json": /^( {2}"version": ")[^"]+(",)$/m,
  "src/http/call/request_to_params.ts": /^(export const SERVER_SOFTWARE = "fetchcgi\/)[^"]+(";)$/m,
  "cli/version.ts": /^(export const VERSION = ")[^"]+(";)$/m,
  // What was not released has this version now.
  "CHANGELOG.md": /^(## )Unreleased()$/m,
};

/**
 * Writes the version of a folder's package.json to its other files.
 *
 * @throws {Error} If a file has no place for it, such as a changelog with nothing that is unreleased. No file is changed then.
 */
export function writeVersion(folder) {
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const written = Object.entries(places).map(([name, place]) => {
    const file = join(folder, name);
    const text = readFileSync(file, "utf8");
    if (!place.test(text)) throw new Error(`Cannot write the version to ${name}: expected a line like ${place}`);
    return [file, text.replace(place, (_, before, behind) => before + version + behind)];
  });
  for (const [file, text] of written) writeFileSync(file, text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeVersion(projectFolder);
