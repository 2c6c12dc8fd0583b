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

/** The text in paragraphs, each with the number of its first line: the text of a link may go on in the next line. */
function* paragraphsOf(markdown) {
  let paragraph;
  for (const { line, index, open } of linesOf(markdown)) {
    const isCode = open !== undefined;
    if (paragraph !== undefined && isCode === paragraph.isCode && line.trim() !== "") {
      paragraph.text += `\n${line}`;
      continue;
    }
    if (paragraph !== undefined) yield paragraph;
    paragraph = { text: line, line: index + 1, isCode };
  }
  yield paragraph;
}

/** Replaces the target of every link outside of code. */
export function mapLinks(markdown, change) {
  const paragraphs = [];
  for (const { text, isCode } of paragraphsOf(markdown)) {
    // Inline code is left as it is, unless it is the text of a link.
    paragraphs.push(isCode ? text : text.replace(LINK, (_, before, target, end) => before + change(target) + end));
  }
  return paragraphs.join("\n");
}

/** The links outside of code, each with the line of its target. */
export function linksOf(markdown) {
  const links = [];
  for (const { text, line, isCode } of paragraphsOf(markdown)) {
    if (isCode) continue;
    for (const { index, 1: before, 2: target } of text.matchAll(LINK)) {
      const lines = text.slice(0, index + before.length).split("\n");
      links.push({ target, line: line + lines.length - 1 });
    }
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
