// npm run frameworks with the one framework whose packages are here anyway.

import { expect, it, onTestFinished } from "vitest";
import { ROWS } from "../frameworks/framework.ts";
import { frameworks } from "../frameworks/frameworks.ts";
import { stageApp } from "../frameworks/install.ts";
import { trial } from "../frameworks/trial.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";

it("the trial of a framework tells an explained difference from a fault, and from an explanation of none", async () => {
  const folder = await createTemporaryDirectory("framework");
  onTestFinished(() => folder.remove());
  const hono = frameworks.hono!;
  const installed = await stageApp("hono", hono, folder.path, ["hono", "@hono"]);
  const differences = {
    "GET /nowhere": { reason: "a page that is not there", overFastCgi: { body: "another page" } },
    "GET /": { reason: "none at all" },
  };
  const result = await trial({ ...hono, differences }, installed);
  expect(result.faults).toEqual([
    "GET /: the explained difference names none",
    expect.stringContaining('GET /nowhere: expected {"status":404'),
  ]);
  expect(result.differences).toEqual([
    { start: "GET /", reason: "none at all" },
    { start: "GET /nowhere", reason: "a page that is not there" },
  ]);
  expect(result.exchanges).toBe(hono.exchanges.length + 2);
  expect(new Set(result.rows)).toEqual(new Set(ROWS));
});
