// The parts of a request that php-fpm has ways of its own for: settings, and folders of scripts.

import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type FastCgiDocumentRoot,
  type FastCgiFetchInit,
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  type FastCgiScriptResolver,
  FastCgiUnixConnector,
  scriptOnDisk,
  scriptsIn,
} from "../../adapters/node/index.ts";
import { patternBytes, patternSha256 } from "../support/pattern.ts";
import { type PhpFpm, phpScripts, startPhpFpm } from "../support/php_fpm.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

let php: PhpFpm;

beforeAll(async () => {
  // One worker: what one request leaves behind, the next one finds.
  php = await startPhpFpm({ pool: { "pm.max_children": "1" } });
});
afterAll(() => php?.stop());

function clientFor(script: string | FastCgiScriptResolver, options?: FastCgiHttpClientOptions): FastCgiHttpClient {
  return new FastCgiHttpClient(FastCgiUnixConnector.phpFpm((php.target as { path: string }).path, script), options);
}

describe("phpValues and phpAdminValues", () => {
  async function settings(names: string, init?: FastCgiFetchInit, query = ""): Promise<Record<string, string>> {
    const url = `http://example.test/?names=${names}${query}`;
    const response = await clientFor(join(phpScripts, "ini.php")).fetch(url, init);
    return (await response.json()) as Record<string, string>;
  }

  it.each([
    ["text", "text", "text"],
    ["empty", "", ""],
    ["blanks around", "  text ", "  text "],
    ["true", true, "1"],
    ["false", false, "0"],
    ["a number", -1.5, "-1.5"],
    ["a comment", "a;b#c", "a;b#c"],
    ["an expression", "1|2&~4^(5)!", "1|2&~4^(5)!"],
    ["a word with a meaning", "on", "on"],
    ["the name of a constant", "E_ALL", "E_ALL"],
    ["a variable of the environment", `\${FETCHCGI_TEST}`, `\${FETCHCGI_TEST}`],
    ["backslashes", "C:\\new\\", "C:\\new\\"],
    ["quotes", `it's "so"`, `it's "so"`],
    ["single quotes alone", "''", "''"],
    ["single quotes around", "'a''b'", "'a''b'"],
    ["a backslash before a quote", "\\'\\\"", "\\'\\\""],
    ["letters of UTF-8", "é☃", "é☃"],
    ["another setting", "a' memory_limit='1G", "a' memory_limit='1G"],
  ])("php-fpm reads a setting as it was given when it is %s", async (_, value, expected) => {
    const init = { phpValues: { user_agent: value } };
    expect(await settings("user_agent,memory_limit", init)).toEqual({ user_agent: expected, memory_limit: "512M" });
  });

  it("php-fpm takes several settings, and lets scripts change those that are not the administrator's", async () => {
    const init = { phpValues: { user_agent: "a", "date.timezone": "Europe/Rome" }, phpAdminValues: { from: "b" } };
    const names = "user_agent,date.timezone,from";
    const given = { user_agent: "a", "date.timezone": "Europe/Rome", from: "b" };
    expect(await settings(names, init)).toEqual(given);
    expect(await settings("user_agent,from", init, "&set=c")).toEqual({ user_agent: "c", from: "b" });
  });

  it("php-fpm keeps settings for the requests that a worker serves later", async () => {
    await settings("user_agent", { phpValues: { user_agent: "left behind" } });
    expect(await settings("user_agent")).toEqual({ user_agent: "left behind" });
  });
});

describe("a folder of scripts", () => {
  let directory: TemporaryDirectory;
  const within = (name: string): string => join(directory.path, name);

  beforeAll(async () => {
    directory = await createTemporaryDirectory("folder");
    for (const release of ["1", "2"]) {
      await mkdir(within(`releases/${release}/blog`), { recursive: true });
      const names = ["SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO", "PHP_SELF", "DOCUMENT_ROOT", "REQUEST_URI"];
      const code = `<?php
header('Content-Type: application/json');
$seen = array_intersect_key($_SERVER, array_flip(${JSON.stringify(names)}));
echo json_encode($seen + ['release' => ${release}, 'file' => __FILE__], JSON_UNESCAPED_SLASHES);`;
      for (const file of ["index.php", "blog/index.php", "ü.php"]) {
        await writeFile(within(`releases/${release}/${file}`), code);
      }
    }
    await symlink("releases/1", within("current"));
  });
  afterAll(() => directory?.remove());

  async function seen(path: string, options: Partial<FastCgiDocumentRoot> = {}): Promise<unknown> {
    const documentRoot = within("current");
    const client = clientFor(scriptsIn({ documentRoot, resolve: scriptOnDisk(documentRoot), ...options }));
    const response = await client.fetch(`http://example.test${path}`);
    return response.status === 200 ? response.json() : response.status;
  }

  it("php-fpm runs the script of the URL, with what is behind it", async () => {
    const root = within("releases/1");
    const table: [path: string, name: string, pathInfo?: string][] = [
      ["/", "/index.php"],
      ["/index.php", "/index.php"],
      ["/index.php/a/b.php", "/index.php", "/a/b.php"],
      ["/blog/", "/blog/index.php"],
      ["/%C3%BC.php/%C3%BC", "/ü.php", "/ü"],
    ];
    for (const [path, name, pathInfo] of table) {
      expect(await seen(path), path).toEqual({
        SCRIPT_FILENAME: root + name,
        SCRIPT_NAME: name,
        PHP_SELF: name + (pathInfo ?? ""),
        ...(pathInfo !== undefined && { PATH_INFO: pathInfo }),
        DOCUMENT_ROOT: root,
        REQUEST_URI: path,
        release: 1,
        file: root + name,
      });
    }
  });

  it("php-fpm is not asked where there is no script, and redirected clients are sent to the folder", async () => {
    expect(await seen("/missing.php")).toBe(404);
    expect(await seen("/blog")).toBe(308);
    expect(await seen("/missing.php", { frontController: "/index.php" })).toMatchObject({
      SCRIPT_NAME: "/index.php",
      REQUEST_URI: "/missing.php",
    });
  });

  it("php-fpm runs a script that is linked from another folder only where mayLinkTo has that, and by the name of the link", async () => {
    const documentRoot = within("linking");
    await mkdir(documentRoot);
    await symlink("../releases/1/index.php", join(documentRoot, "index.php"));
    expect(await seen("/", { documentRoot, resolve: scriptOnDisk(documentRoot) })).toBe(404);
    const resolve = scriptOnDisk(documentRoot, { mayLinkTo: [within("releases")] });
    expect(await seen("/index.php/more", { documentRoot, resolve })).toMatchObject({
      SCRIPT_FILENAME: join(documentRoot, "index.php"),
      SCRIPT_NAME: "/index.php",
      PATH_INFO: "/more",
      DOCUMENT_ROOT: documentRoot,
      file: within("releases/1/index.php"),
    });
  });

  it("php-fpm runs the new release as soon as the link to it has changed", async () => {
    expect(await seen("/")).toMatchObject({ release: 1 });
    await symlink("releases/2", within("next"));
    await rename(within("next"), within("current"));
    expect(await seen("/")).toMatchObject({ release: 2, DOCUMENT_ROOT: within("releases/2") });
  });
});

describe("request bodies", () => {
  it("php-fpm gets a Blob that is larger than maxBufferedRequestBytes whole, without a spool", async () => {
    const length = 300_000;
    const openSpool = (): never => {
      throw new Error("A body whose length is known was measured");
    };
    const client = clientFor(join(phpScripts, "upload-digest.php"), { maxBufferedRequestBytes: 1000, openSpool });
    const response = await client.fetch("http://example.test/", {
      method: "POST",
      body: new Blob([patternBytes(length)]),
    });
    const sha256 = patternSha256(length);
    expect(await response.json()).toEqual({ bytes: length, sha256, contentLength: String(length) });
  });

  it("php-fpm takes a body of unknown length for an empty one when it is not measured", async () => {
    const client = clientFor(join(phpScripts, "upload-digest.php"), { requestBuffering: "stream" });
    const body = new Blob([patternBytes(1000)]).stream();
    const init = { method: "POST", body, duplex: "half" } as RequestInit;
    expect(await (await client.fetch("http://example.test/", init)).json()).toMatchObject({ bytes: 0 });
  });
});

describe("variables", () => {
  /** `$_SERVER` of a request through a connector that knows nothing of PHP. */
  async function server(init: FastCgiFetchInit): Promise<Record<string, string>> {
    const client = new FastCgiHttpClient(new FastCgiUnixConnector((php.target as { path: string }).path), {
      params: { SCRIPT_FILENAME: join(phpScripts, "env.php") },
    });
    return (await (await client.fetch("http://example.test/env.php?x=1", init)).json()) as Record<string, string>;
  }

  it("php-fpm runs a script that params name, by a connector without a preset", async () => {
    expect(await server({})).toMatchObject({
      REDIRECT_STATUS: "200",
      SCRIPT_NAME: "/env.php",
      PHP_SELF: "/env.php",
      REQUEST_URI: "/env.php?x=1",
    });
  });

  it("php-fpm knows an IPv4 client of a dual-stack listener by its IPv4 address", async () => {
    const init = { remoteAddress: "::ffff:192.0.2.7", remotePort: 55555, serverAddress: "::ffff:c000:201" };
    expect(await server(init)).toMatchObject({
      REMOTE_ADDR: "192.0.2.7",
      REMOTE_PORT: "55555",
      SERVER_ADDR: "192.0.2.1",
    });
    expect(await server({ remoteAddress: "fe80::1%eth0" })).toMatchObject({ REMOTE_ADDR: "fe80::1" });
  });
});
