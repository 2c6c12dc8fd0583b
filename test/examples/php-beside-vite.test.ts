import { once } from "node:events";
import { WebSocket } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Example, startExample } from "../support/example.ts";
import { httpRequest } from "../support/http.ts";

let example: Example;

beforeAll(async () => {
  example = await startExample("php-beside-vite");
});

afterAll(() => example?.stop());

test("php-beside-vite runs the scripts that are there", async () => {
  const greeting = await httpRequest(`${example.url}/api/greeting.php?name=you`);
  expect(greeting.headers["content-type"]).toBe("application/json");
  expect(JSON.parse(greeting.text()).text).toMatch(/^Hello you, says PHP \d/);
  expect((await httpRequest(`${example.url}/page.php`)).text()).toContain("Written by PHP for 127.0.0.1.");
});

test("php-beside-vite leaves everything else to Vite", async () => {
  const page = await httpRequest(`${example.url}/`);
  expect(page.text()).toContain('<script type="module" src="/@vite/client"></script>');
  const script = await httpRequest(`${example.url}/main.ts`);
  expect(script.headers["content-type"]).toMatch(/javascript/);
  expect(script.text()).toContain('fetch("/api/greeting.php?name=you")');
  expect((await httpRequest(`${example.url}/@vite/client`)).status).toBe(200);
});

test("php-beside-vite sends no source", async () => {
  for (const path of ["/api/greeting.php%20", "/php/api/greeting.php", "/../php/page.php", "/api/greeting.PHP"]) {
    expect((await httpRequest(example.url + path)).text(), path).not.toContain("<?");
  }
});

test("php-beside-vite still replaces modules over its WebSocket", async () => {
  const client = await httpRequest(`${example.url}/@vite/client`);
  const token = /wsToken = "([^"]+)"/.exec(client.text())![1]!;
  const socket = new WebSocket(`${example.url.replace("http", "ws")}/?token=${token}`, "vite-hmr");
  const [message] = (await once(socket, "message")) as [MessageEvent<string>];
  expect(JSON.parse(message.data)).toEqual({ type: "connected" });
  socket.close();
});

test("php-beside-vite stops on SIGTERM and leaves nothing behind", async () => {
  process.kill(example.pid, "SIGTERM");
  // Vite ends the program itself, as it does everywhere.
  expect(await example.exited).toBe("code 143");
  expect(example.leftovers()).toEqual([]);
});
