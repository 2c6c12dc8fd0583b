import { afterAll, beforeAll, expect, test } from "vitest";
import { type Example, startExample } from "../support/example.ts";
import { httpRequest } from "../support/http.ts";

let example: Example;

beforeAll(async () => {
  example = await startExample("hono");
});

afterAll(() => example?.stop());

test("hono answers its own routes", async () => {
  const page = await httpRequest(`${example.url}/`);
  expect(page.headers["content-type"]).toMatch(/^text\/html/);
  expect(page.text()).toContain("Native");
  const greeting = await httpRequest(`${example.url}/api/greeting/Ada`);
  expect(JSON.parse(greeting.text())).toEqual({ greeting: "Hello Ada" });
  expect((await httpRequest(`${example.url}/blog.php`)).status).toBe(404);
});

test("hono gives one path to PHP", async () => {
  const page = await httpRequest(`${example.url}/blog/J%C3%BCrgen%20%26%20Ada?x=1`);
  expect(page.status).toBe(200);
  expect(page.text()).toContain("<h1>Jürgen &amp; Ada</h1>");
  expect(page.text()).toMatch(/<p>Written by PHP \d\S+ for 127\.0\.0\.1\.<\/p>/);
});

test("hono passes forms on to PHP, and its redirects back", async () => {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const response = await httpRequest(`${example.url}/blog/`, { headers, body: "title=First+post" });
  expect([response.status, response.headers.location]).toEqual([303, "/blog/First%20post"]);
});

test("hono answers with the status of a FastCgiError when PHP is not there", async () => {
  const alone = await startExample("hono", { PHP_FPM: "/nowhere/php.sock" });
  try {
    expect((await httpRequest(`${alone.url}/blog/`)).status).toBe(502);
    expect((await httpRequest(`${alone.url}/`)).status).toBe(200);
  } finally {
    await alone.stop();
  }
});

test("hono stops on SIGTERM and leaves nothing behind", async () => {
  process.kill(example.pid, "SIGTERM");
  expect(await example.exited).toBe("code 0");
  expect(example.stderr()).toBe("");
  expect(example.leftovers()).toEqual([]);
});
