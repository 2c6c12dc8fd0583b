import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Capitals } from "../../examples/filter/capitals.ts";
import { type Example, startExample } from "../support/example.ts";
import { httpRequest } from "../support/http.ts";
import { streamOf } from "../support/streams.ts";

let example: Example;
const notes = readFileSync(new URL("../../examples/filter/notes.md", import.meta.url));

beforeAll(async () => {
  example = await startExample("filter");
});

afterAll(() => example?.stop());

test("filter answers with what it makes of the file", async () => {
  const response = await httpRequest(`${example.url}/notes.md`);
  expect(response.status).toBe(200);
  expect(response.headers["content-type"]).toBe("text/plain; charset=utf-8");
  const capitals = notes.toString().replace(/^#.*/gm, (line) => line.toUpperCase());
  expect(response.text()).toBe(`*** ${notes.length} bytes, filtered ***\n\n${capitals}`);
  expect(response.text()).toContain("# NOTES ON FILTERS\n");
});

test("filter answers from the client's cache when the file has not changed", async () => {
  const lastModified = (await httpRequest(`${example.url}/notes.md`)).headers["last-modified"]!;
  const again = await httpRequest(`${example.url}/notes.md`, { headers: { "if-modified-since": lastModified } });
  expect([again.status, again.text()]).toEqual([304, ""]);
  const older = await httpRequest(`${example.url}/notes.md`, {
    headers: { "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT" },
  });
  expect(older.status).toBe(200);
});

test("filter has no other file", async () => {
  expect((await httpRequest(`${example.url}/main.ts`)).status).toBe(404);
});

test("Capitals finds headlines and characters that are cut anywhere", async () => {
  const text = new TextEncoder().encode("# Ä b\nnot # this\n#c 日");
  for (let cut = 0; cut <= text.length; cut++) {
    const pieces = streamOf(text.subarray(0, cut), text.subarray(cut));
    expect(await new Response(pieces.pipeThrough(new Capitals("> "))).text()).toBe("> # Ä B\nnot # this\n#C 日");
  }
});

test("filter stops on SIGTERM and leaves nothing behind", async () => {
  process.kill(example.pid, "SIGTERM");
  expect(await example.exited).toBe("code 0");
  expect(example.stderr()).toBe("");
  expect(example.leftovers()).toEqual([]);
});
