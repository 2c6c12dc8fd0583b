// Documents name tests as `test/….ts: name of the test`.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A test that a document names. */
export interface NamedTest {
  readonly file: string;
  readonly name: string;
}

/** The test in an entry of a table; null if it names none. */
export function namedTest(entry: string): NamedTest | null {
  const match = /^`(test\/[^:`]+\.ts): ([^`]+)`$/.exec(entry.trim());
  return match === null ? null : { file: match[1]!, name: match[2]! };
}

/** Test files by path, with what makes a name hard to find taken out. */
const texts = new Map<string, string>();

/** Whether the file has a string that is the name. */
export function testExists({ file, name }: NamedTest): boolean {
  let text = texts.get(file);
  if (text === undefined) {
    text = existsSync(join(root, file)) ? readFileSync(join(root, file), "utf8").replaceAll("\\", "") : "";
    texts.set(file, text);
  }
  return ['"', "'", "`"].some((quote) => text.includes(quote + name + quote));
}
