// The drawing of a request's way in CONTRIBUTING.md is what the imports say.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { filesImportedBy, root } from "../support/imports.ts";

/** More than that is no way that a reader can keep in mind. */
const MAX_HOPS = 12;

interface Hop {
  readonly from: string;
  readonly to: string;
  /** The file of the interface by which `from` knows `to`; null where it imports it. */
  readonly by: string | null;
}

/** The drawings, and the title of each. */
const drawings = readDrawings();

function readDrawings(): { title: string; hops: Hop[] }[] {
  const text = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const section = text.slice(text.indexOf("## The way of one request")).split("\n## ", 1)[0]!;
  return [...section.matchAll(/^(.+):\n\n```\n([\s\S]*?)```$/gm)].map(([, title, drawing]) => ({
    title: title!,
    hops: readHops(drawing!.trimEnd().split("\n")),
  }));
}

function readHops(lines: readonly string[]): Hop[] {
  const hops: Hop[] = [];
  /** The files above, each deeper than the one before. */
  const above: { depth: number; file: string }[] = [];
  for (const line of lines) {
    const [, indent = "", arrow, file, text = ""] = /^( *)(?:([→⇢]) )?(\S+\.ts) +(.+)$/.exec(line)!;
    while ((above.at(-1)?.depth ?? -1) >= indent.length) above.pop();
    const from = above.at(-1)?.file;
    if ((from === undefined) !== (arrow === undefined)) throw new Error(`Cannot read the drawing: ${line}`);
    const by = arrow === "⇢" ? /^by (\S+\.ts)/.exec(text)![1]! : null;
    if (from !== undefined) hops.push({ from, to: file!, by });
    above.push({ depth: indent.length, file: file! });
  }
  return hops;
}

function imports(file: string, other: string): boolean {
  return file === other || filesImportedBy(file).includes(other);
}

it("CONTRIBUTING.md draws the way of a request and of its response, for the server and the client", () => {
  expect(drawings.map(({ title }) => title)).toEqual([
    "A web server asks, the handler is called",
    "The handler answers",
    "A program fetches, the application is asked",
    "The application answers",
  ]);
});

describe.each(drawings)("$title", ({ hops }) => {
  it("names files that are there", () => {
    const files = hops.flatMap(({ from, to, by }) => [from, to, by ?? to]);
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  it("leads by imports, or by an interface that both sides import and neither the other", () => {
    const wrong = hops.filter(({ from, to, by }) =>
      by === null ? !imports(from, to) : !imports(from, by) || !imports(to, by) || imports(from, to),
    );
    expect(wrong).toEqual([]);
  });

  it(`takes no more than ${MAX_HOPS} hops`, () => {
    expect(hops.length).toBeGreaterThan(5);
    expect(hops.length).toBeLessThanOrEqual(MAX_HOPS);
  });
});
