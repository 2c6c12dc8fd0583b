import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { proofTable } from "../../scripts/proof_table.mjs";

const read = (name: string): string => readFileSync(new URL(`../../specifications/${name}`, import.meta.url), "utf8");

it("specifications/proof.md is what npm run proof makes of the ledger", () => {
  expect(read("proof.md")).toBe(proofTable(read("ledger.jsonl")));
});
