import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Example, startExample } from "../support/example.ts";
import { httpRequest } from "../support/http.ts";
import { patternChunks, patternSha256 } from "../support/pattern.ts";

let example: Example;

beforeAll(async () => {
  example = await startExample("reverse-proxy");
});

afterAll(() => example?.stop());

test("reverse-proxy passes requests on, with the client's address", async () => {
  const response = await httpRequest(`${example.url}/some/path?x=1`, { method: "PUT", body: "" });
  expect(response.status).toBe(200);
  expect(JSON.parse(response.text())).toEqual({ method: "PUT", path: "/some/path?x=1", client: "127.0.0.1" });
});

test("reverse-proxy carries an upload of unknown length through both directions", async () => {
  const bytes = 3_000_000;
  const response = await httpRequest(`${example.url}/upload`, { method: "POST", body: patternChunks(bytes) });
  expect(response.status).toBe(200);
  expect(createHash("sha256").update(response.body).digest("hex")).toBe(patternSha256(bytes));
});

test("reverse-proxy answers with the status of a FastCgiError when a request can't be sent", async () => {
  const response = await httpRequest(`${example.url}/%2e%2e%2fsecret%00`);
  expect(response.status).toBe(400);
  expect(example.stderr()).toContain("malformedRequest");
});

test("reverse-proxy stops on SIGTERM and leaves nothing behind", async () => {
  process.kill(example.pid, "SIGTERM");
  expect(await example.exited).toBe("code 0");
  expect(example.leftovers()).toEqual([]);
});
