// npm run frameworks with a framework whose packages are here anyway.

import { expect, it, onTestFinished } from "vitest";
import { LISTENER_ROWS, ROWS } from "../frameworks/framework.ts";
import { frameworks } from "../frameworks/frameworks.ts";
import { stageApp } from "../frameworks/install.ts";
import { trial } from "../frameworks/trial.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";

it("the trial of a framework tells an explained difference from a fault, and from an explanation of none", async () => {
  const folder = await createTemporaryDirectory("framework");
  onTestFinished(() => folder.remove());
  const express = frameworks.express!;
  const installed = await stageApp("express", express, folder.path, ["express", "compression"]);
  const differences = {
    ...express.differences,
    "GET /nowhere": { reason: "a page that is not there", overFastCgi: { body: "another page" } },
    "GET /": { reason: "none at all" },
  };
  // The uploads are smaller than what a process may grow by: this is about their digests.
  const amount = { uploadBytes: 4 * 1024 * 1024, requests: 300 };
  const result = await trial({ ...express, differences }, installed, amount);
  expect(result.faults).toEqual([
    "GET /: the explained difference names none",
    expect.stringContaining('GET /nowhere: expected {"status":404'),
  ]);
  expect(result.differences).toEqual([
    { start: "GET /", reason: "none at all" },
    { start: "GET /nowhere", reason: "a page that is not there" },
    { start: "GET /later", reason: "The framework's own server offers no `waitUntil`." },
  ]);
  expect(result.exchanges).toBe(express.exchanges.length + 2);
  expect(new Set(result.rows)).toEqual(new Set([...ROWS, ...LISTENER_ROWS]));
});
