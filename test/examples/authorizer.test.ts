import { afterAll, beforeAll, expect, test } from "vitest";
import { type Example, startExample } from "../support/example.ts";
import { httpRequest } from "../support/http.ts";

let example: Example;

beforeAll(async () => {
  example = await startExample("authorizer");
});

afterAll(() => example?.stop());

const alice = { authorization: `Basic ${btoa("alice:wonderland")}` };

test("authorizer answers for whom it does not know", async () => {
  for (const headers of [{}, { authorization: `Basic ${btoa("alice:guess")}` }]) {
    const response = await httpRequest(`${example.url}/`, { headers });
    expect(response.status).toBe(401);
    expect(response.headers["www-authenticate"]).toBe('Basic realm="fetchcgi"');
    expect(response.text()).toBe("Who are you? Try alice, wonderland\n");
  }
});

test("authorizer lets known users in, and says who they are", async () => {
  const response = await httpRequest(`${example.url}/`, { headers: alice });
  expect(response.status).toBe(200);
  expect(response.text()).toBe("Hello alice\n");
  // Its fields are for the site, not for the client.
  expect(Object.keys(response.headers).filter((name) => name.startsWith("variable-"))).toEqual([]);
});

test("authorizer leaves the body to the site", async () => {
  const body = "x".repeat(200_000);
  const response = await httpRequest(`${example.url}/`, { headers: alice, body });
  expect(response.text()).toBe("Hello alice, you wrote 200000 characters\n");
});

test("authorizer refuses an upload without reading it", async () => {
  const response = await httpRequest(`${example.url}/`, { body: "x".repeat(200_000) });
  expect(response.status).toBe(401);
});

test("authorizer stops on SIGTERM and leaves nothing behind", async () => {
  process.kill(example.pid, "SIGTERM");
  expect(await example.exited).toBe("code 0");
  expect(example.stderr()).toBe("");
  expect(example.leftovers()).toEqual([]);
});
