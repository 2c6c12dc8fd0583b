// Comments and documents name who does what: the web server, the application, the handler, the peer, the program. A sentence about
// `nobody` or `whoever` has to be read twice.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

const FOLDERS = ["adapters", "bench", "cli", "docs", "examples", "scripts", "specifications", "src", "test"];
const DOCUMENTS = ["CHANGELOG.md", "CONTRIBUTING.md", "README.md", "RELEASING.md", "SECURITY.md"];

const NAMES_NO_PARTY = /\b(anybody|anyone|everybody|everyone|nobody|no one|somebody|someone|whoever)\b/gi;

/** What follows the sign that begins a comment, on a line of its own or after code. The `//` of a URL begins none. */
const COMMENT: Readonly<Record<string, RegExp>> = {
  ".c": /(?:^\s*\*|\/\*|(?<!:)\/\/)(.*)/,
  ".conf": /#(.*)/,
  ".css": /(?:^\s*\*|\/\*)(.*)/,
  ".go": /\/\/(.*)/,
  ".h": /(?:^\s*\*|\/\*|(?<!:)\/\/)(.*)/,
  ".js": /(?:^\s*\*|\/\*|(?<!:)\/\/)(.*)/,
  ".md": /(.*)/,
  ".mjs": /(?:^\s*\*|\/\*|(?<!:)\/\/)(.*)/,
  ".mts": /(?:^\s*\*|\/\*|(?<!:)\/\/)(.*)/,
  ".php": /(?:^\s*\*|\/\*|\/\/|#)(.*)/,
  ".sh": /#(.*)/,
  ".ts": /(?:^\s*\*|\/\*|(?<!:)\/\/)(.*)/,
};

/** Without the code in it: a user of the system, or the name of a test. */
function prose(text: string): string {
  return text.replace(/`[^`]*`/g, "");
}

it("Comments and documents name the party that does something", () => {
  const files = execFileSync("git", ["ls-files", "-z", ...FOLDERS, ...DOCUMENTS], { cwd: root, encoding: "utf8" });
  const found: string[] = [];
  for (const file of files.split("\0")) {
    const comment = COMMENT[extname(file)];
    if (comment === undefined) continue;
    const lines = readFileSync(join(root, file), "utf8").split("\n");
    for (const [index, line] of lines.entries()) {
      for (const [word] of prose(comment.exec(line)?.[1] ?? "").matchAll(NAMES_NO_PARTY)) {
        found.push(`${file}:${index + 1}: "${word}" in ${line.trim()}`);
      }
    }
  }
  expect(found).toEqual([]);
});
