import { afterAll, beforeAll, expect, test } from "vitest";
import { type Example, startExample } from "../support/example.ts";
import { httpRequest } from "../support/http.ts";

let example: Example;

beforeAll(async () => {
  example = await startExample("php-in-express");
});

afterAll(() => example?.stop());

test("php-in-express answers its own routes, with bodies that it reads itself", async () => {
  expect((await httpRequest(`${example.url}/`)).text()).toContain("Native");
  const headers = { "content-type": "application/json" };
  const echo = await httpRequest(`${example.url}/api/echo`, { headers, body: '{"a":1}' });
  expect(JSON.parse(echo.text())).toEqual({ got: { a: 1 } });
});

test("php-in-express gives one path to PHP", async () => {
  const page = await httpRequest(`${example.url}/blog/J%C3%BCrgen%20%26%20Ada?x=1`);
  expect(page.status).toBe(200);
  expect(page.headers["set-cookie"]).toEqual(["visited=J%C3%BCrgen%20%26%20Ada; path=/blog"]);
  expect(page.text()).toContain("<h1>Jürgen &amp; Ada</h1>");
  expect(page.text()).toMatch(/<p>Written by PHP \d\S+ for 127\.0\.0\.1\.<\/p>/);
});

test("php-in-express passes forms on to PHP, and its redirects back", async () => {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const response = await httpRequest(`${example.url}/blog/`, { headers, body: "title=First+post" });
  expect([response.status, response.headers.location]).toEqual([303, "/blog/First%20post"]);
});

test("php-in-express stops on SIGTERM and leaves nothing behind", async () => {
  process.kill(example.pid, "SIGTERM");
  expect(await example.exited).toBe("code 0");
  expect(example.stderr()).toBe("");
  expect(example.leftovers()).toEqual([]);
});
