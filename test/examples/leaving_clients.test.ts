// What the examples print when a client leaves: nothing. Clients do so all the time.

import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectSecurely } from "node:tls";
import { expect, test } from "vitest";
import { requireRuntime } from "../../scripts/setup.mjs";
import { startExample } from "../support/example.ts";
import { DENO_PERMISSIONS } from "./permissions.ts";

const AUTHORIZED = `Authorization: Basic ${btoa("alice:wonderland")}\r\n`;

/** Begins an upload, and leaves as soon as the program has begun to take it. */
async function leaveDuringUpload(url: URL, lines: string): Promise<void> {
  const options = { host: "127.0.0.1", port: Number(url.port), rejectUnauthorized: false };
  const socket = url.protocol === "https:" ? connectSecurely(options) : connect(options);
  const fields = `Host: ${url.host}\r\nContent-Type: application/json\r\nContent-Length: 10000\r\nExpect: 100-continue\r\n`;
  socket.write(`POST ${url.pathname} HTTP/1.1\r\n${fields}${lines}\r\n`);
  const [first] = await once(socket, "data");
  expect(String(first)).toMatch(/^HTTP\/1\.1 100 /);
  socket.write("half of the body");
  socket.destroy();
  await once(socket, "close");
}

test.each<[name: string, path: string, lines?: string]>([
  ["authorizer", "/", AUTHORIZED],
  ["bun", "/upload"],
  ["deno", "/upload"],
  ["filter", "/notes.md"],
  ["hono", "/blog/"],
  ["php-beside-vite", "/page.php"],
  ["php-gateway", "/upload.php"],
  ["php-in-express", "/blog/"],
  ["php-in-express", "/api/echo"],
  ["php-migration", "/"],
  ["reverse-proxy", "/upload"],
])("%s prints nothing of a client that leaves during an upload to %s", async (name, path, lines = "") => {
  const commands: Record<string, readonly [string, ...string[]]> = {
    bun: [requireRuntime("bun")],
    deno: [requireRuntime("deno"), "run", "--no-prompt", ...DENO_PERMISSIONS],
  };
  const example = await startExample(name, {}, commands[name]);
  try {
    await leaveDuringUpload(new URL(path, example.url), lines);
    // It ends when it has no request any more.
    process.kill(example.pid, "SIGTERM");
    await example.exited;
    expect(example.stderr()).toBe("");
  } finally {
    await example.stop();
  }
});
