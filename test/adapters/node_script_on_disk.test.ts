import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type ScriptOnDiskOptions, scriptOnDisk } from "../../adapters/node/index.ts";
import { createLinkedFolder, type LinkedFolder } from "../support/linked_folder.ts";
import { isBun } from "../support/runtime.ts";

/** The file that a script name leads to. */
async function fileOf(path: string, scriptName: string, options?: ScriptOnDiskOptions): Promise<string | undefined> {
  return (await scriptOnDisk(path, options)(scriptName))?.filename;
}

let folder: LinkedFolder;
let root: string;

beforeAll(async () => {
  const files = ["index.php", "with space.php", "upload.jpg", "..dots.php"];
  folder = await createLinkedFolder(".php", files, { "inside.php": "sub/page.php", "disguised.php": "upload.jpg" });
  root = folder.root;
});

afterAll(() => folder.parent.remove());

describe("scriptOnDisk", () => {
  it.each([
    ["/index.php", "index.php"],
    ["/sub/page.php", "sub/page.php"],
    ["/with space.php", "with space.php"],
    ["/upload.jpg", "upload.jpg"],
    ["//sub//page.php", "sub/page.php"],
    ["/sub/../index.php", "index.php"],
    ["/./index.php", "index.php"],
  ])("scriptOnDisk finds the file when the script name is %j", async (name, file) => {
    expect(await fileOf(root, name)).toBe(join(root, file));
  });

  it.each([
    ["a link to a file in the folder", "/inside.php", "sub/page.php"],
    ["below a link to a folder in the folder", "/shortcut/page.php", "sub/page.php"],
  ])("scriptOnDisk gives the path without links when the script is %s", async (_, name, file) => {
    expect(await fileOf(root, name)).toBe(join(root, file));
  });

  it("scriptOnDisk gives the path without links when the folder is a link", async () => {
    const filename = join(root, "index.php");
    expect(await scriptOnDisk(folder.link)("/index.php")).toEqual({ filename, documentRoot: root });
  });

  it.each([
    ["missing", "/missing.php"],
    ["below a file", "/upload.jpg/x.php"],
    ["a file with a slash behind", "/index.php/"],
    ["a folder", "/sub"],
    ["a folder with a slash behind", "/sub/"],
    ["the folder itself", "/"],
    ["empty", ""],
    ["a link that leads out of the folder", "/outside.php"],
    ["below a link that leads out of the folder", "/away/secret.php"],
    ["beside the folder", "/../outside/secret.php"],
    ["beside the folder, by a longer way", "/sub/../../outside/secret.php"],
    ["in a folder whose name begins alike", "/../public-too/secret.php"],
    ["the folder by way of its parent", "/../public"],
    ["far up", "/../../../../../../../../etc/passwd"],
    ["a broken link", "/broken.php"],
    ["a link to itself", "/loop.php"],
    ["a link to a file of another kind", "/disguised.php"],
    ["with a zero byte", "/index.php\0.jpg"],
    ["too long for a file name", `/${"a".repeat(300)}.php`],
    ["a device below the folder's parent", "/../../../../../../../../dev/null"],
  ])("scriptOnDisk resolves to null when the script is %s", async (_, name) => {
    expect(await scriptOnDisk(root)(name)).toBeNull();
  });

  it("scriptOnDisk resolves to null when the folder is missing, and tells onRefused", async () => {
    const missing = join(folder.parent.path, "missing");
    const told: string[] = [];
    expect(await scriptOnDisk(missing, { onRefused: (message) => told.push(message) })("/index.php")).toBeNull();
    expect(told).toEqual([`Cannot run /index.php in ${missing}: the folder does not exist`]);
  });

  it("scriptOnDisk resolves to null when it may not look into the folder", async ({ skip }) => {
    // Root may look everywhere.
    const isRoot = process.getuid?.() === 0;
    skip(isBun && isRoot, "Bun runs tests in threads, which can't change their user");
    const locked = join(folder.parent.path, "locked");
    mkdirSync(locked);
    writeFileSync(join(locked, "x.php"), "");
    chmodSync(locked, 0o000);
    if (isRoot) process.seteuid!(65_534);
    try {
      expect(await scriptOnDisk(locked)("/x.php")).toBeNull();
    } finally {
      if (isRoot) process.seteuid!(0);
      chmodSync(locked, 0o700);
    }
  });

  it("scriptOnDisk rejects when looking fails for another reason than the script", async () => {
    await expect(scriptOnDisk(root)(5 as unknown as string)).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
  });

  it.each([
    ["/index.php", "/app/index.php"],
    ["/sub/page.php", "/app/sub/page.php"],
    ["/inside.php", "/app/sub/page.php"],
    ["/sub/../index.php", "/app/index.php"],
  ])("scriptOnDisk maps %j to the application's folder when there is a documentRoot", async (name, file) => {
    const documentRoot = "/app";
    expect(await scriptOnDisk(root, { documentRoot })(name)).toEqual({ filename: file, documentRoot });
  });

  it.each(["/missing.php", "/outside.php", "/../outside/secret.php", "/upload.jpg/x.php", "/sub"])(
    "scriptOnDisk resolves %j to null when there is a documentRoot",
    async (name) => {
      expect(await scriptOnDisk(root, { documentRoot: "/app" })(name)).toBeNull();
    },
  );

  it.each(["", "public", "./public", "../public"])("scriptOnDisk throws a TypeError when the folder is %j", (path) => {
    expect(() => scriptOnDisk(path)).toThrow(
      new TypeError(`Cannot look for scripts: expected folder to be an absolute path, got ${JSON.stringify(path)}`),
    );
  });

  it.each([
    ["a link out of the folder", "/outside.php", "outside.php"],
    ["below a link out of the folder", "/away/secret.php", "away/secret.php"],
    ["written in another way", "/sub/..//away/./secret.php", "away/secret.php"],
  ])(
    "scriptOnDisk gives the name of the link when mayLinkTo has where it leads and the script is %s",
    async (_, name, link) => {
      const options = { mayLinkTo: [join(folder.parent.path, "missing"), join(folder.parent.path, "outside")] };
      expect(await scriptOnDisk(root, options)(name)).toEqual({ filename: join(root, link), documentRoot: root });
      const mapped = scriptOnDisk(folder.link, { ...options, documentRoot: "/app/" });
      expect(await mapped(name)).toEqual({ filename: `/app/${link}`, documentRoot: "/app/" });
    },
  );

  it("scriptOnDisk follows a folder of mayLinkTo that is a link itself", async () => {
    symlinkSync("outside", join(folder.parent.path, "shared"));
    expect(await fileOf(root, "/outside.php", { mayLinkTo: [join(folder.parent.path, "shared")] })).toBe(
      join(root, "outside.php"),
    );
  });

  it.each([
    ["is beside the folder", "/../outside/secret.php"],
    ["leads to a folder whose name begins alike", "/../public-too/secret.php"],
    ["leads to a script by another extension", "/script.jpg"],
    ["is missing", "/missing.php"],
  ])("scriptOnDisk resolves to null when mayLinkTo has a folder and the script %s", async (_, name) => {
    symlinkSync("../outside/secret.php", join(root, "script.jpg"));
    onTestFinished(() => rmSync(join(root, "script.jpg")));
    expect(await fileOf(root, name, { mayLinkTo: [join(folder.parent.path, "outside")] })).toBeUndefined();
  });

  it.each([
    ["/outside.php", "it leads to {}/outside/secret.php, which is in no folder of mayLinkTo"],
    ["/away/secret.php", "it leads to {}/outside/secret.php, which is in no folder of mayLinkTo"],
    ["/disguised.php", 'it leads to a name that ends with ".jpg"'],
    ["/broken.php", "it is a link to nothing"],
    ["/loop.php", "its links lead in a circle (ELOOP)"],
    ["/sub", "it is no file"],
    ["/../x\u001b.php", "its name leads out of the folder"],
  ])("scriptOnDisk tells onRefused why %j does not run", async (name, reason) => {
    const told: string[][] = [];
    expect(await scriptOnDisk(root, { onRefused: (...all) => told.push(all) })(name)).toBeNull();
    const shown = name.replace("\u001b", "\\x1b");
    expect(told).toEqual([[`Cannot run ${shown} in ${root}: ${reason.replace("{}", folder.parent.path)}`, name]]);
  });

  it("scriptOnDisk tells onRefused nothing of scripts that run, or are not there at all", async () => {
    const told: string[] = [];
    const resolve = scriptOnDisk(root, { onRefused: (message) => told.push(message) });
    for (const name of [
      "/index.php",
      "/inside.php",
      "/missing.php",
      "/upload.jpg/x.php",
      "/x\0.php",
      `/${"a".repeat(300)}.php`,
    ]) {
      await resolve(name);
    }
    expect(told).toEqual([]);
  });

  it.each([
    [["shared"], 'Cannot look for scripts: expected each of mayLinkTo to be an absolute path, got "shared"'],
    [[5], "Cannot look for scripts: expected each of mayLinkTo to be an absolute path, got 5"],
    ["/srv", 'Cannot use mayLinkTo: expected an array, got "/srv"'],
  ])("scriptOnDisk throws a TypeError when mayLinkTo is %j", (mayLinkTo, message) => {
    expect(() => scriptOnDisk(root, { mayLinkTo: mayLinkTo as string[] })).toThrow(new TypeError(message));
  });

  it("scriptOnDisk finds the file when its name begins with two dots", async () => {
    expect(await fileOf(root, "/..dots.php")).toBe(join(root, "..dots.php"));
  });
});
