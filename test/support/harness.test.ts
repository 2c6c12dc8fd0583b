import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { abortMidResponse, httpRequest } from "./http.ts";
import { fastCgiLocation, type Nginx, startNginx } from "./nginx.ts";
import { patternChunks, patternSha256 } from "./pattern.ts";
import { type PhpFpm, startPhpFpm } from "./php_fpm.ts";
import { startProcess, waitUntil } from "./process.ts";
import { rawExchange } from "./raw_connection.ts";
import type { FastCgiTargets } from "./target.ts";

// nginx talks to php-fpm here, without this library: when these fail, the fault is in the test support or the machine.

let php: PhpFpm<FastCgiTargets["unix"]>;
let nginx: Nginx;

beforeAll(async () => {
  php = await startPhpFpm();
  const options = { documentRoot: php.documentRoot, splitPathInfo: true };
  nginx = await startNginx({
    locations: [
      fastCgiLocation(php.target, { ...options, match: "~ \\.php(/|$)", keepConn: true, buffering: false }),
      fastCgiLocation(php.target, { ...options, script: `${php.documentRoot}/index.php` }),
    ],
  });
});

afterAll(async () => {
  await nginx?.stop();
  await php?.stop();
});

test("nginx passes requests to php-fpm", async () => {
  const response = await fetch(`${nginx.url}/hello.php`);
  expect(response.status).toBe(200);
  expect(await response.text()).toMatch(/^hello from PHP \d/);
  expect(await (await fetch(`${nginx.url}/any/path?x=1`)).json()).toMatchObject({ requestUri: "/any/path?x=1" });
});

test("php-fpm reads a chunked upload and sends it back whole", async () => {
  const bytes = 300_000;
  const upload = await httpRequest(`${nginx.url}/upload-digest.php`, { body: patternChunks(bytes) });
  expect(JSON.parse(upload.text())).toEqual({ bytes, sha256: patternSha256(bytes), contentLength: `${bytes}` });
  const download = await httpRequest(`${nginx.url}/big.php?bytes=${bytes}`);
  expect(download.body.equals(Buffer.concat([...patternChunks(bytes)]))).toBe(true);
});

test("rawExchange shows what the server sent, byte by byte", async () => {
  const text = await rawExchange(nginx.port, "GET /cookies.php HTTP/1.0\r\n\r\n");
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(text.match(/^Set-Cookie: /gm)).toHaveLength(3);
});

test("abortMidResponse leaves before the end", async () => {
  const total = 100_000_000;
  expect(await abortMidResponse(`${nginx.url}/big.php?bytes=${total}`, 100_000)).toBeLessThan(total);
});

test("php-fpm replaces a worker that was killed", async () => {
  const before = await php.workers();
  await expect(fetch(`${nginx.url}/kill.php`).then((response) => response.text())).rejects.toThrow();
  await waitUntil(async () => {
    const now = await php.workers();
    return now.length === before.length && now.some((pid) => !before.includes(pid));
  });
});

test("startNginx shows nginx's own words when the configuration is wrong", async () => {
  await expect(startNginx({ server: "no_such_directive;" })).rejects.toThrow(
    /^Cannot start nginx: ended with code 1\n(.|\n)*unknown directive "no_such_directive"/,
  );
});

test("startProcess names a program that does not exist", async () => {
  await expect(startProcess("/no/such/program", { name: "it", args: [] })).rejects.toThrow(
    /^Cannot start it: .*ENOENT/,
  );
});

test("stop removes processes and folders and keeps the log", async () => {
  const own = await startPhpFpm();
  const pids = [own.pid, ...(await own.workers())];
  expect(pids.length).toBeGreaterThan(1);
  await own.stop();
  await own.stop();
  expect(existsSync(dirname(own.target.path))).toBe(false);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  expect(own.errorLog()).toContain("ready to handle connections");
});
