// The interfaces of options that programs can give, their members, and what the comments of these say.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The modules that say what the entries export. */
const DOORS = [
  "src/index.ts",
  "src/toolkit.ts",
  ...["cloudflare", "node", "system"].map((room) => `adapters/${room}/index.ts`),
];

/** The names of all types of options that the entries export. */
export function exportedOptionTypes(): string[] {
  const names = DOORS.flatMap(
    (door) =>
      readFileSync(join(root, door), "utf8").match(
        /\b\w+(?:Options|Limits|Target|Init|Peers|Preset|DocumentRoot)\b/g,
      ) ?? [],
  );
  if (names.length === 0) throw new Error("No entry exports options");
  return [...new Set(names)];
}

export interface Option {
  name: string;
  /** What its comment has in `@default {…}`. */
  documented: string | undefined;
  comment: string;
}

/** The members of an interface, without those that it inherits. */
export function membersOf({ file, name }: { file: string; name: string }): Option[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), "utf8"), ts.ScriptTarget.Latest, true);
  const found = source.statements.find(
    (node): node is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(node) && node.name.text === name,
  );
  if (found === undefined) throw new Error(`There is no interface ${name} in ${file}`);
  return found.members.map((member) => {
    const comment = ts
      .getJSDocCommentsAndTags(member)
      .map((node) => node.getText())
      .join("\n");
    return { name: member.name!.getText(), documented: /@default \{(.+?)\}/.exec(comment)?.[1], comment };
  });
}
