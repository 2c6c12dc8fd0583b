// File servers as people put beside PHP: of npm's packages, and one that is as careless as all of them together.

import { readdirSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Hono } from "hono";
import { serveStatic } from "hono/serve-static";
import { staticMiddleware } from "srvx/static";
import type { FileServer } from "../../src/index.ts";

const none = (): Response => new Response("Not Found", { status: 404 });

/** Each for a folder. */
export const fileServers: Readonly<Record<string, (root: string) => FileServer>> = {
  srvx(root) {
    const files = staticMiddleware({ dir: root, dotfiles: true });
    return (request) => files(request, none);
  },
  Hono(root) {
    const app = new Hono();
    const isDir = async (path: string): Promise<boolean> =>
      (await stat(path).catch(() => null))?.isDirectory() ?? false;
    const getContent = (path: string) =>
      readFile(path).then(
        (bytes) => new Uint8Array(bytes),
        () => null,
      );
    app.use("*", serveStatic({ root, join, isDir, getContent, allowPercentInPath: true }));
    return (request) => app.fetch(request);
  },
  "a careless one": carelessFileServer,
};

/**
 * Decodes until nothing is left to decode, takes backslashes for slashes and what Unicode says is alike for the same, ends a name at
 * whatever has ended one somewhere, ignores case, blanks and dots, and follows every link. It sends all as text.
 */
export function carelessFileServer(root: string): FileServer {
  return async (request) => {
    const target = /^https?:\/\/[^/\\]*(.*)$/s.exec(request.url)![1]!;
    for (const path of readings(target)) {
      const content = await readFile(join(root, path)).catch(() => null);
      if (content !== null) return new Response(new Uint8Array(content), { headers: { "content-type": "text/plain" } });
    }
    return none();

    /** Names of files of the folder that the target may mean. */
    function readings(target: string): string[] {
      let text = target;
      for (let times = 0; times < 8; times++) {
        text = text
          .replace(/%u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
          .replace(/%(c0%ae|e0%80%ae|f0%80%80%ae)/gi, ".")
          .replace(/(%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll("%", ""), "hex").toString());
      }
      const cuts = [text, ...["\0", ";", "?", "#", ":", "~", "\ufffd"].map((end) => text.split(end, 1)[0]!)];
      const withoutParameters = text.replace(/;[^/\\]*/g, "");
      return [...cuts, withoutParameters, text.replace(/\/[^/]*$/, "")].flatMap((cut) => inFolder(cut));
    }

    function inFolder(path: string): string[] {
      const parts: string[] = [];
      for (const part of path.replaceAll("\\", "/").split("/")) {
        if (part === "..") parts.pop();
        else if (part !== "" && part !== ".") parts.push(part);
      }
      let folders = [""];
      for (const part of parts) {
        folders = folders.flatMap((folder) =>
          entriesOf(join(root, folder))
            .filter((name) => name === part || plain(name) === plain(part))
            .map((name) => `${folder}/${name}`),
        );
      }
      return folders;
    }
  };
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function plain(name: string): string {
  const letters = name
    .normalize("NFKC")
    .replace(/\p{Default_Ignorable_Code_Point}/gu, "")
    .toLowerCase();
  return letters.replace(/^[\s\p{Cc}]+|[\s\p{Cc}.*<>"+]+$/gu, "");
}
