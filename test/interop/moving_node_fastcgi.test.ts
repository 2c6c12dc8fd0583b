// The example of node-fastcgi's own README, as it stands there, and with the two lines changed that docs/moving/node-fastcgi.md changes.

import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { blocksOf } from "../../docs/site/markdown.mjs";
import { httpRequest } from "../support/http.ts";
import { answerOf } from "../support/http_answer.ts";
import { fastCgiLocation, startNginx } from "../support/nginx.ts";
import { startProcess } from "../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const firstBlock = (file: string, language: string): string =>
  blocksOf(readFileSync(join(root, file), "utf8")).find((block) => block.language === language)!.text;

let folder: TemporaryDirectory;

beforeAll(async () => {
  folder = await createTemporaryDirectory("node-fastcgi");
  symlinkSync(join(root, "node_modules"), join(folder.path, "node_modules"));
});

afterAll(() => folder.remove());

/** What a program answers behind nginx to one request of each kind that it knows. */
async function answersOf(name: string, program: string, args: readonly string[] = []): Promise<unknown[]> {
  const file = join(folder.path, name);
  const path = `${file}.sock`;
  writeFileSync(file, program);
  const application = await startProcess(process.execPath, {
    name,
    args: [...args, file],
    cwd: root,
    env: { ...process.env, SOCKET: path, TSX_TSCONFIG_PATH: join(root, "tsconfig.json") },
    ready: () => existsSync(path),
  });
  const nginx = await startNginx({ locations: [fastCgiLocation(`unix:${path}`)] });
  try {
    const answers: unknown[] = [];
    for (const options of [{}, { method: "POST", body: "a=1&b=2" }, { method: "DELETE" }]) {
      const { headerLines: headers, ...response } = await httpRequest(`${nginx.url}/path?x=1`, options);
      answers.push(answerOf({ ...response, headers, body: response.text(), isWhole: true }));
    }
    return answers;
  } finally {
    await nginx.stop();
    await application.stop();
  }
}

it("node-fastcgi's example answers the same with the lines changed that the page changes", async () => {
  const example = firstBlock("node_modules/node-fastcgi/README.md", "javascript").replace(
    ".listen()",
    ".listen(process.env.SOCKET)",
  );
  const [required, imported] = firstBlock("docs/moving/node-fastcgi.md", "diff")
    .split("\n")
    .filter((line) => /require|import/.test(line))
    .map((line) => line.slice(1));
  const moved = example
    .replace(required!.replaceAll('"', "'"), imported!)
    .replace("fcgi.createServer(function(req, res) {", "await serve({ path: process.env.SOCKET, listener(req, res) {")
    .replace("}).listen(process.env.SOCKET);", "} });");
  expect(moved).not.toMatch(/fcgi\.|require/);
  const before = await answersOf("before.cjs", example);
  const after = await answersOf("after.mjs", moved, ["--import", "tsx"]);
  expect(before).toMatchObject([
    { status: 200, body: "It's working" },
    { status: 200, body: "Received data:\na=1&b=2" },
    { status: 501, body: "" },
  ]);
  expect(after).toEqual(before);
});
