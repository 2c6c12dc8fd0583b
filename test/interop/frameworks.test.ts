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
  const { faults, exchanges, rows } = await trial(hono, installed);
  expect(faults).toEqual([]);
  expect(exchanges).toBe(hono.exchanges.length + 2);
  expect(new Set(rows)).toEqual(new Set(ROWS));
  const explained = await trial(
    {
      ...hono,
      exchanges: [
        { row: "404", start: "GET /nowhere" },
        { row: "page", start: "GET /" },
      ],
      differences: {
        "GET /nowhere": { reason: "a page that is not there", overFastCgi: { body: "another page" } },
        "GET /": { reason: "none at all" },
      },
    },
    installed,
  );
  expect(explained.differences).toEqual([
    { start: "GET /nowhere", reason: "a page that is not there" },
    { start: "GET /", reason: "none at all" },
  ]);
  expect(explained.faults).toEqual([
    expect.stringContaining('GET /nowhere: expected {"status":404'),
    "GET /: the explained difference names none",
  ]);
});
