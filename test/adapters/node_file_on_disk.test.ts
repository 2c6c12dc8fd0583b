import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fileOnDisk } from "../../adapters/node/index.ts";
import { createLinkedFolder, type LinkedFolder } from "../support/linked_folder.ts";

let folder: LinkedFolder;
let root: string;

beforeAll(async () => {
  folder = await createLinkedFolder(".css", ["a b.css", "100%.css", "config.php"], {
    "link.css": "config.php",
    "sub/up.css": "../a b.css",
  });
  root = folder.root;
  execFileSync("mkfifo", [join(root, "pipe")]);
});

afterAll(() => folder.parent.remove());

describe("fileOnDisk", () => {
  it.each([
    ["a file", "/a b.css", "/a b.css"],
    ["a file with a % in its name", "/100%.css", "/100%.css"],
    ["the folder", "/", "/"],
    ["a folder", "/sub/", "/sub"],
    ["a link", "/link.css", "/config.php"],
    ["a link to a file above", "/sub/up.css", "/a b.css"],
    ["below a link to a folder", "/shortcut/page.css", "/sub/page.css"],
    ["missing", "/missing.css", "/missing.css"],
    ["below a file", "/a b.css/x", "/a b.css/x"],
    ["a broken link", "/broken.css", "/broken.css"],
    ["a link out of the folder", "/outside.css", null],
    ["below a link out of the folder", "/away/secret.css", null],
    ["beside the folder", "/../outside/secret.css", null],
    ["in a folder whose name begins alike", "/../public-too/secret.css", null],
    ["far up", "/../../../../../../../../etc/passwd", null],
    ["a link to itself", "/loop.css", null],
    ["no file", "/pipe", null],
    ["with a zero byte", "/a\0.css", null],
    ["too long for a name", `/${"a".repeat(300)}.css`, null],
  ])("fileOnDisk says where the path leads when it is %s", async (_, path, expected) => {
    expect(await fileOnDisk(root)(path)).toBe(expected);
    expect(await fileOnDisk(folder.link)(path)).toBe(expected);
  });

  it("fileOnDisk gives the place in the other folder when mayLinkTo has where a link leads", async () => {
    const resolve = fileOnDisk(root, { mayLinkTo: [join(folder.parent.path, "outside")] });
    expect(await resolve("/outside.css")).toBe("/secret.css");
    expect(await resolve("/away/secret.css")).toBe("/secret.css");
    expect(await resolve("/../outside/secret.css")).toBeNull();
    expect(await resolve("/link.css")).toBe("/config.php");
  });

  it("fileOnDisk tells onRefused why a file is not sent", async () => {
    const told: string[] = [];
    const resolve = fileOnDisk(root, { onRefused: (message) => told.push(message) });
    for (const path of ["/outside.css", "/pipe", "/missing.css", "/a b.css"]) await resolve(path);
    expect(told).toEqual([
      `Cannot send /outside.css in ${root}: it leads to ${folder.parent.path}/outside/secret.css, which is in no folder of mayLinkTo`,
      `Cannot send /pipe in ${root}: it is neither a file nor a folder`,
    ]);
  });

  it("fileOnDisk rejects when looking fails for another reason than the file", async () => {
    await expect(fileOnDisk(root)(5 as unknown as string)).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
  });

  it.each(["", "public", "./public", "../public"])("fileOnDisk throws a TypeError when the folder is %j", (path) => {
    expect(() => fileOnDisk(path)).toThrow(
      new TypeError(`Cannot look for files: expected folder to be an absolute path, got ${JSON.stringify(path)}`),
    );
  });
});
