// Lays out the site for VitePress in docs/.site: the pages, with links as the site needs them, and what they link to. A link to a file of
// the project that is no page leads to a page with the text of the file, so the site is whole by itself.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, extname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { mapLinks } from "./markdown.mjs";
import { pages } from "./pages.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const siteFolder = join(root, "docs/.site");

const LANGUAGES = {
  Caddyfile: "txt",
  Dockerfile: "dockerfile",
  ".cfg": "txt",
  ".conf": "nginx",
  ".css": "css",
  ".html": "html",
  ".js": "js",
  ".json": "json",
  ".md": "md",
  ".mjs": "js",
  ".php": "php",
  ".sh": "sh",
  ".ts": "ts",
  ".yaml": "yaml",
};
const PICTURES = new Set([".png", ".svg", ".jpg", ".gif"]);

/** Writes all of the site's sources but the API reference. */
export function stage() {
  for (const name of existsSync(siteFolder) ? readdirSync(siteFolder) : []) {
    if (name !== "api") rmSync(join(siteFolder, name), { recursive: true });
  }
  const placeOf = new Map(pages.map(({ file, site }) => [file, site]));
  const waiting = pages.map(({ file }) => file);
  /** The place of a file or folder on the site, which gets a page if it has none. */
  const placeFor = (path) => {
    let place = placeOf.get(path) ?? placeOf.get(posix.join(path, "README.md"));
    if (place === undefined) {
      const readme = posix.join(path, "README.md");
      const shown = statSync(join(root, path)).isDirectory() && existsSync(join(root, readme)) ? readme : path;
      place = `source/${shown.replace(/\.md$/, "").replaceAll(/[^\w./-]/g, "-")}`;
      // VitePress writes the names of its files in lower case, and takes a dot for the end of one.
      place = place.replaceAll(".", "-").toLowerCase();
      placeOf.set(shown, place);
      waiting.push(shown);
    }
    return `/${place.replace(/(^|\/)index$/, "$1")}`;
  };
  const linkFrom = (file) => (target) => {
    if (/^([a-z]+:|#)/.test(target)) return target;
    const [path, anchor] = target.split("#");
    const found = posix.normalize(posix.join(posix.dirname(file), path)).replace(/\/$/, "") || ".";
    if (!existsSync(join(root, found))) throw new Error(`${file} links to ${target}, which does not exist`);
    if (PICTURES.has(extname(found))) {
      const copy = join(siteFolder, "public/pictures", found);
      mkdirSync(dirname(copy), { recursive: true });
      cpSync(join(root, found), copy);
      return `/pictures/${found}`;
    }
    return placeFor(found) + (anchor === undefined ? "" : `#${anchor}`);
  };
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    write(placeOf.get(file), pageOf(file, linkFrom(file)));
  }
}

function write(place, text) {
  const path = join(siteFolder, `${place}.md`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** The text of the page that shows a file or a folder. */
function pageOf(file, link) {
  const path = join(root, file);
  if (statSync(path).isDirectory()) {
    const entries = readdirSync(path, { withFileTypes: true }).filter(({ name }) => name !== "node_modules");
    const list = entries.map((entry) => `- \`${entry.name}${entry.isDirectory() ? "/" : ""}\``);
    return `# ${file}\n\n${list.join("\n")}\n`;
  }
  const text = readFileSync(path, "utf8");
  if (!file.endsWith(".md")) {
    const language = LANGUAGES[posix.basename(file)] ?? LANGUAGES[extname(file)] ?? "txt";
    return `# ${file}\n\n\`\`\`\`\`${language}\n${text}\`\`\`\`\`\n`;
  }
  // Behind the language stands the file that a block shows, which VitePress does not know.
  return mapLinks(text, link).replace(/^( *`{3,}\w+) \S+$/gm, "$1");
}
