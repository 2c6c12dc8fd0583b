import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { missingTests } from "../support/named_tests.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const table = readFileSync(join(root, "specifications/conformance.md"), "utf8");

interface Row {
  rule: string;
  section: string;
  says: string;
  binds: string;
  sources: string[];
  /** The cell; "-" if there are none. */
  tests: string;
  status: string;
}

/** The format is in specifications/README.md. */
function parseRow(line: string): Row {
  const cells = line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
  if (cells.length !== 7) throw new Error(`Expected seven cells, got ${cells.length}: ${line}`);
  const [rule, section, says, binds, source, tests, status] = cells as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  return {
    rule,
    section,
    says,
    binds,
    sources: source === "-" ? [] : source.split(", ").map((path) => path.replace(/^`(.*)`$/, "$1")),
    tests,
    status,
  };
}

const rows = table
  .split("\n")
  .filter((line) => /^\| (FCGI|CGI|FIELD)-/.test(line))
  .map(parseRow);
const kept = rows.filter(({ status }) => status === "kept" || status === "deviation");

describe("specifications/conformance.md", () => {
  it("has every chapter of FastCGI, RFC 3875 and the field rules, each id once", () => {
    const ids = rows.map(({ rule }) => rule);
    expect(new Set(ids).size).toBe(ids.length);
    for (const chapter of ["2.2", "3.2", "3.3", "3.4", "3.5", "4.1", "4.2", "5.1", "5.2", "5.3", "5.4", "5.5", "6.1"]) {
      expect(
        ids.some((id) => id.startsWith(`FCGI-${chapter}-`)),
        chapter,
      ).toBe(true);
    }
    for (let rule = 1; rule <= 31; rule++) expect(ids).toContain(`FIELD-${rule}`);
    expect(ids.filter((id) => id.startsWith("CGI-")).length).toBeGreaterThan(50);
  });

  it("uses only the words that its format allows", () => {
    for (const { rule, section, says, binds, status } of rows) {
      expect(section, rule).not.toBe("");
      expect(says.length, rule).toBeGreaterThan(10);
      expect(["application", "web server", "both"], rule).toContain(binds);
      expect(["kept", "deviation", "planned", "not applicable"], rule).toContain(status);
    }
  });

  it("names source files that exist, for every rule that is kept or deviated from", () => {
    const missing = kept.flatMap(({ rule, sources }) =>
      sources.length === 0
        ? [`${rule}: none`]
        : sources.filter((path) => !existsSync(join(root, path))).map((path) => `${rule}: ${path}`),
    );
    expect(missing).toEqual([]);
  });

  it("names a test that exists, for every rule that is kept or deviated from", () => {
    const missing = kept.flatMap(({ rule, tests }) => missingTests(tests).map((entry) => `${rule}: ${entry}`));
    expect(missing).toEqual([]);
  });

  it("names nothing for rules that do not apply", () => {
    for (const { rule, sources, tests, status } of rows) {
      if (status === "not applicable") expect([...sources, tests], rule).toEqual(["-"]);
    }
  });

  it("gives a reason for every deviation, and for nothing else", () => {
    const list = table.slice(table.indexOf("Deliberate deviations"));
    const reasons = [...list.matchAll(/^- `([A-Z]+-[^`]+)`: (?:(?!^- )[\s\S])*?_Reason:_\s+\S/gm)].map(
      (match) => match[1]!,
    );
    const deviations = rows.filter(({ status }) => status === "deviation").map(({ rule }) => rule);
    expect(reasons.toSorted()).toEqual(deviations.toSorted());
  });
});
