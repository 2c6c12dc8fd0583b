// The file that is sent is the one that was checked, also if its path changes between both.

import { mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type * as promises from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { filesIn } from "../../cli/gateway/files.ts";
import { waitUntil } from "../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";

/** Called before a file is opened: what another process does at this moment. */
let beforeOpen: () => void = () => {};

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof promises>();
  const open: typeof real.open = async (...args) => {
    beforeOpen();
    return real.open(...args);
  };
  return { ...real, open };
});

let directory: TemporaryDirectory;
let root: string;

const SECRET = "not public";

beforeAll(async () => {
  directory = await createTemporaryDirectory("gateway-files");
});

beforeEach(() => {
  root = join(directory.path, "public");
  rmSync(root, { recursive: true, force: true });
  for (const folder of ["public/sub", "private"]) mkdirSync(join(directory.path, folder), { recursive: true });
  writeFileSync(join(directory.path, "private/logo.png"), SECRET);
  writeFileSync(join(root, "config.php"), SECRET);
  for (const name of ["logo.png", "sub/logo.png"]) writeFileSync(join(root, name), "picture");
  beforeOpen = () => {};
});

afterAll(() => directory.remove());

/** Does something the first time only. */
function once(change: () => void): void {
  beforeOpen = () => {
    beforeOpen = () => {};
    change();
  };
}

async function textOf(path: string, init: RequestInit = {}): Promise<string | null> {
  const response = await filesIn(root, {})(path, new Request(`http://a${path}`, init));
  return response === null ? null : response.text();
}

/** Open files of this process below the folder of the test. */
function openFiles(): number {
  const links = readdirSync("/proc/self/fd", { withFileTypes: true });
  return links.filter(({ name, parentPath }) => targetOf(join(parentPath, name)).startsWith(directory.path)).length;
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}

function replaceByLink(path: string, target: string): void {
  rmSync(join(root, path), { recursive: true });
  symlinkSync(target, join(root, path));
}

describe("filesIn", () => {
  it.each<[what: string, path: string, change: () => void]>([
    ["a file becomes a link out of the folder", "/logo.png", () => replaceByLink("logo.png", "../private/logo.png")],
    ["a file becomes a link to a source", "/logo.png", () => replaceByLink("logo.png", "config.php")],
    ["a folder becomes a link out of the folder", "/sub/logo.png", () => replaceByLink("sub", "../private")],
    ["a file becomes a folder", "/logo.png", () => replaceByFolder("logo.png")],
    ["a file goes", "/logo.png", () => rmSync(join(root, "logo.png"))],
  ])("sends nothing if %s after it was found", async (_, path, change) => {
    once(change);
    expect(await textOf(path)).toBeNull();
    expect(openFiles()).toBe(0);
  });

  it("sends nothing that a link leads to which leads to a source since the path was said to be public", async () => {
    replaceByLink("logo.png", "config.php");
    expect(await textOf("/logo.png")).toBeNull();
  });

  it("sends the new file if one takes the place of the other after that was found, and all of it", async () => {
    const next = join(directory.path, "next.png");
    writeFileSync(next, "the next picture");
    once(() => renameSync(next, join(root, "logo.png")));
    expect(await textOf("/logo.png")).toBe("the next picture");
  });

  it("gives up a path that changes each time", async () => {
    let tries = 0;
    beforeOpen = () => {
      tries++;
      throw Object.assign(new Error("a link"), { code: "ELOOP" });
    };
    expect(await textOf("/logo.png")).toBeNull();
    expect(tries).toBe(10);
  });

  it("closes its files, whatever of them is sent", async () => {
    const long = "0123456789".repeat(20_000);
    writeFileSync(join(root, "long.bin"), long);
    writeFileSync(join(root, "long.css"), long);
    writeFileSync(join(root, "empty.css"), "");
    mkdirSync(join(root, "docs"));
    writeFileSync(join(root, "docs/index.html"), "page");
    const br = { headers: { "accept-encoding": "br" } };
    const nothing = { headers: { "accept-encoding": "identity;q=0" } };
    for (const [path, init, length] of [
      ["/long.bin", {}, long.length],
      ["/long.bin", { method: "HEAD" }, 0],
      ["/long.bin", { headers: { range: "bytes=5-8" } }, 4],
      ["/long.bin", { headers: { range: "bytes=-0" } }, long.length],
      ["/empty.css", { headers: { range: "bytes=-1" } }, 0],
      ["/long.bin", { headers: { range: "bytes=999999-" } }, "Range Not Satisfiable".length],
      ["/long.bin", { headers: { "if-none-match": "*" } }, 0],
      ["/long.css", { ...br, method: "HEAD" }, 0],
      ["/long.css", nothing, null],
      ["/empty.css", br, 0],
      ["/docs", {}, 0],
      ["/docs/", {}, 4],
    ] as const)
      expect([path, init, (await textOf(path, init))?.length]).toEqual([path, init, length ?? expect.any(Number)]);
    expect(await textOf("/long.css", br)).not.toBe("");
    const cancelled = await filesIn(root, {})("/long.bin", new Request("http://a/long.bin"));
    const reader = cancelled!.body!.getReader();
    await reader.read();
    await Promise.all([reader.read(), reader.cancel()]);
    // A thread closes a file, and an encoder its source, a moment later.
    await waitUntil(() => openFiles() === 0);
  });

  it("says which file it may not read, and sends nothing of it", async () => {
    beforeOpen = () => {
      throw Object.assign(new Error("permission denied"), { code: "EACCES" });
    };
    const onRefused = vi.fn();
    expect(await filesIn(root, { onRefused })("/logo.png", new Request("http://a/logo.png"))).toBeNull();
    expect(onRefused.mock.calls).toEqual([["Cannot send /logo.png: this user may not read it (EACCES)"]]);
  });
});

function replaceByFolder(path: string): void {
  rmSync(join(root, path));
  mkdirSync(join(root, path));
}
