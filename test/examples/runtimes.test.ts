// The examples that are for another runtime than Node.js.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireRuntime } from "../../scripts/setup.mjs";
import { startExample } from "../support/example.ts";
import { httpRequest } from "../support/http.ts";
import { patternBytes } from "../support/pattern.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import type { FastCgiTargets } from "../support/target.ts";
import { startWorkerd } from "../support/workerd.ts";
import { DENO_PERMISSIONS } from "./permissions.ts";

test.each([
  ["bun", "Bun", () => [requireRuntime("bun")] as const],
  ["deno", "Deno", () => [requireRuntime("deno"), "run", "--no-prompt", ...DENO_PERMISSIONS] as const],
])("%s passes requests on to its application, and leaves nothing behind", async (name, runtime, commandOf) => {
  const example = await startExample(name, {}, commandOf());
  try {
    const hello = await httpRequest(`${example.url}/some/path?x=1`);
    expect([hello.status, hello.text()]).toEqual([200, `Hello 127.0.0.1, from ${runtime} at /some/path\n`]);
    const body = patternBytes(300_000);
    const upload = await httpRequest(`${example.url}/upload`, { method: "PUT", body });
    expect(Buffer.from(body).equals(upload.body)).toBe(true);
    process.kill(example.pid, "SIGTERM");
    expect(await example.exited).toBe("code 0");
    expect(example.stderr()).toBe("");
    expect(example.leftovers()).toEqual([]);
  } finally {
    await example.stop();
  }
});

describe("worker", () => {
  let fpm: PhpFpm<FastCgiTargets["tcp"]>;

  beforeAll(async () => {
    fpm = await startPhpFpm({ listen: "tcp" });
  });

  afterAll(() => fpm?.stop());

  const startWorker = (PHP_FPM: string) =>
    startWorkerd("examples/worker/worker.ts", { PHP_FPM, SCRIPT: `${fpm.documentRoot}/env.php` }, "/health");

  test("worker answers /health by itself, and the rest by PHP, with the client's address", async () => {
    const worker = await startWorker(`127.0.0.1:${fpm.target.port}`);
    try {
      expect((await httpRequest(`${worker.url}health`)).text()).toBe("ok\n");
      const headers = { "cf-connecting-ip": "192.0.2.7" };
      const page = await httpRequest(`${worker.url}any/path?x=1`, { headers });
      expect(JSON.parse(page.text())).toMatchObject({ REQUEST_URI: "/any/path?x=1", REMOTE_ADDR: "192.0.2.7" });
    } finally {
      await worker.stop();
    }
  });

  test("worker answers 502 when php-fpm is not there", async () => {
    const worker = await startWorker("127.0.0.1:1");
    try {
      expect((await httpRequest(`${worker.url}any/path`)).status).toBe(502);
    } finally {
      await worker.stop();
    }
  });
});
