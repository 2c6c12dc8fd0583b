import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FastCgiHttpClient, FastCgiUnixConnector } from "../../adapters/node/index.ts";
import { type Example, startExample } from "../support/example.ts";
import { httpRequest } from "../support/http.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import { waitUntil } from "../support/process.ts";
import type { FastCgiTargets } from "../support/target.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";

const script = fileURLToPath(new URL("../../examples/php-migration/app/index.php", import.meta.url));

let temporary: TemporaryDirectory;
let php: PhpFpm<FastCgiTargets["unix"]>;
let example: Example;

beforeAll(async () => {
  temporary = await createTemporaryDirectory("migration");
  // Every request that PHP is asked for leaves a line, in their order: there is one worker.
  php = await startPhpFpm({
    pool: {
      "pm.max_children": "1",
      "access.log": join(temporary.path, "access.log"),
      "access.format": '"%m %{REQUEST_URI}e"',
    },
  });
  example = await startExample("php-migration", { PHP_FPM: php.target.path });
});

afterAll(async () => {
  await example?.stop();
  await php?.stop();
  await temporary?.remove();
});

/** What PHP was asked for until now. A last request shows that the log has caught up. */
async function askedOfPhp(): Promise<string[]> {
  const marker = `/marker-${Math.random()}`;
  await httpRequest(`${example.url}${marker}`);
  const log = join(temporary.path, "access.log");
  const lines = (): string[] => (existsSync(log) ? readFileSync(log, "utf8").split("\n").filter(Boolean) : []);
  await waitUntil(() => lines().includes(`GET ${marker}`));
  return lines().filter((line) => !line.includes("/marker-"));
}

test("php-migration answers what has moved by itself, and asks PHP for the rest", async () => {
  const get = async (path: string): Promise<string> => (await httpRequest(`${example.url}${path}`)).text();
  expect(await get("/health")).toBe("ok\n");
  expect(await get("/health?from=monitor")).toBe("ok\n");
  expect(JSON.parse(await get("/version"))).toEqual({ version: "2.0.0", runtime: `Node.js ${process.version}` });
  expect(await get("/")).toBe("Welcome, says PHP\n");
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const posted = await httpRequest(`${example.url}/guestbook`, { headers, body: "name=Ada" });
  expect(posted.text()).toBe("Thank you, Ada\n");
  const missing = await httpRequest(`${example.url}/health/no`);
  expect([missing.status, missing.text()]).toEqual([404, "PHP knows no such page\n"]);
  // The proof that PHP was not asked for the others.
  expect(await askedOfPhp()).toEqual(["GET /", "POST /guestbook", "GET /health/no"]);
});

test("php-migration's PHP still has the routes that have moved", async () => {
  const client = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm(php.target.path, script));
  expect(await (await client.fetch("http://localhost/health")).text()).toBe("ok, says PHP\n");
  expect(await (await client.fetch("http://localhost/version")).json()).toMatchObject({ version: "1.0.0" });
  expect(await askedOfPhp()).toEqual(expect.arrayContaining(["GET /health", "GET /version"]));
});

test("php-migration takes no property of every object for a route", async () => {
  expect((await httpRequest(`${example.url}/constructor`)).status).toBe(404);
  expect((await httpRequest(`${example.url}/__proto__`)).status).toBe(404);
});

test("php-migration stays healthy when PHP is gone", async () => {
  await php.stop();
  expect((await httpRequest(`${example.url}/`)).status).toBe(502);
  expect((await httpRequest(`${example.url}/health`)).text()).toBe("ok\n");
});

test("php-migration starts a php-fpm of its own, and stops it on SIGTERM", async () => {
  const alone = await startExample("php-migration");
  try {
    expect((await httpRequest(`${alone.url}/`)).text()).toBe("Welcome, says PHP\n");
    process.kill(alone.pid, "SIGTERM");
    expect(await alone.exited).toBe("code 0");
    expect(alone.stderr()).toBe("");
    expect(alone.leftovers()).toEqual([]);
  } finally {
    await alone.stop();
  }
});
