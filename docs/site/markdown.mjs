// What the site and the tests read in a Markdown file: its blocks of code, its links, and the anchors of its headings. Only what this
// project writes, not all of Markdown.

const FENCE = /^( *)(`{3,})(.*)$/;
const LINK = /(!?\[(?:[^[\]]|\[[^\]]*\])*\]\()([^)\s]+)(\))/g;

/** Lines of a text with what they are in: undefined outside of a block of code, else the block's opening fence. */
function* linesOf(markdown) {
  let open;
  for (const [index, line] of markdown.split("\n").entries()) {
    const [, indent, ticks, info] = FENCE.exec(line) ?? [];
    if (open === undefined && ticks !== undefined) {
      open = { indent, ticks, info: info.trim(), line: index + 1 };
      yield { line, index, open, isFence: true };
    } else if (open !== undefined && ticks !== undefined && ticks.length >= open.ticks.length && info === "") {
      yield { line, index, open, isFence: true };
      open = undefined;
    } else {
      yield { line, index, open, isFence: false };
    }
  }
}

/** The blocks of code, in order. */
export function blocksOf(markdown) {
  const blocks = [];
  for (const { line, open, isFence } of linesOf(markdown)) {
    if (open === undefined) continue;
    if (blocks.at(-1)?.line !== open.line) {
      const [language = "", file] = open.info.split(" ");
      blocks.push({ language, file, text: "", line: open.line });
    }
    if (!isFence) blocks.at(-1).text += `${line.slice(open.indent.length)}\n`;
  }
  return blocks;
}

/** Replaces the target of every link outside of code. */
export function mapLinks(markdown, change) {
  const lines = [];
  for (const { line, open } of linesOf(markdown)) {
    // Inline code is left as it is, unless it is the text of a link.
    lines.push(open ? line : line.replace(LINK, (_, text, target, end) => text + change(target) + end));
  }
  return lines.join("\n");
}

/** The links outside of code. */
export function linksOf(markdown) {
  const links = [];
  for (const { line, index, open } of linesOf(markdown)) {
    if (open !== undefined) continue;
    for (const [, , target] of line.matchAll(LINK)) links.push({ target, line: index + 1 });
  }
  return links;
}

/** The anchor that GitHub gives a heading; the site gives the same. */
export function slug(heading) {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, "")
    .replaceAll(" ", "-");
}

/** The anchors of a text. */
export function anchorsOf(markdown) {
  const anchors = new Set();
  for (const { line, open } of linesOf(markdown)) {
    const heading = open === undefined ? /^#{1,6} (.*)$/.exec(line)?.[1] : undefined;
    if (heading === undefined) continue;
    const anchor = slug(heading);
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count++) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}
