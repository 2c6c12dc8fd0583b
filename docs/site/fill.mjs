// Blocks of code that name a file of the project show that file: npm run docs -- update
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { blocksOf } from "./markdown.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The documents that have such blocks. */
export function documents() {
  const names = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" });
  const own = names.filter((name) => name.endsWith(".md") && !/(^|\/)(node_modules|\.site|\.vitepress)\//.test(name));
  return ["README.md", ...own.map((name) => `docs/${name}`).sort()];
}

/** The text with each such block as its file is. */
export function filled(markdown) {
  const lines = markdown.split("\n");
  for (const { file, text, line } of blocksOf(markdown).reverse()) {
    if (file === undefined) continue;
    const content = readFileSync(join(root, file), "utf8").trimEnd().split("\n");
    lines.splice(line, text === "" ? 0 : text.split("\n").length - 1, ...content);
  }
  return lines.join("\n");
}

/** Fills the blocks of all documents. */
export function update() {
  for (const name of documents()) {
    const before = readFileSync(join(root, name), "utf8");
    const after = filled(before);
    if (after === before) continue;
    writeFileSync(join(root, name), after);
    console.log(`updated ${name}`);
  }
}
