// Documents name tests as `test/….ts: name of the test`.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Test files by path, with what makes a name hard to find taken out. */
const texts = new Map<string, string>();

/** What a cell of a table names, divided by `<br>`, that is no test or does not exist. Of an empty cell, that it is empty. */
export function missingTests(cell: string): string[] {
  return cell.split("<br>").filter((entry) => !existsAs(entry.trim()));
}

/** Whether the file that an entry names has a string that is the name. */
function existsAs(entry: string): boolean {
  const [, file, name] = /^`(test\/[^:`]+\.ts): ([^`]+)`$/.exec(entry) ?? [];
  if (file === undefined || name === undefined) return false;
  let text = texts.get(file);
  if (text === undefined) {
    text = existsSync(join(root, file)) ? readFileSync(join(root, file), "utf8").replaceAll("\\", "") : "";
    texts.set(file, text);
  }
  return ['"', "'", "`"].some((quote) => text.includes(quote + name + quote));
}
