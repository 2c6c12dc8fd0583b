/** Checks the packed recordings against themselves and against README.md, with no help from the library. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadBackends, loadFrontends, type RecordRun } from "../support/vectors.ts";

/** FastCGI 8: the record types, by number from 1. */
const TYPE_NAMES = [
  "BEGIN_REQUEST",
  "ABORT_REQUEST",
  "END_REQUEST",
  "PARAMS",
  "STDIN",
  "STDOUT",
  "STDERR",
  "DATA",
  "GET_VALUES",
  "GET_VALUES_RESULT",
  "UNKNOWN_TYPE",
];

/** FastCGI 3.3, read from a whole byte string: the records as runs of equal ones, and how many bytes are left over. */
function walk(bytes: Uint8Array): { records: RecordRun[]; trailingBytes: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: RecordRun[] = [];
  let offset = 0;
  while (bytes.length - offset >= 8) {
    const type = TYPE_NAMES[view.getUint8(offset + 1) - 1] ?? String(view.getUint8(offset + 1));
    const record = [type, view.getUint16(offset + 2), view.getUint16(offset + 4), view.getUint8(offset + 6)] as const;
    const end = offset + 8 + record[2] + record[3];
    if (end > bytes.length) break;
    const last = records.at(-1);
    if (last?.[0].every((fact, i) => fact === record[i])) records[records.length - 1] = [record, last[1] + 1];
    else records.push([record, 1]);
    offset = end;
  }
  return { records, trailingBytes: bytes.length - offset };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function byServer<Case extends { server: string }>(cases: readonly Case[]): [server: string, cases: Case[]][] {
  const servers = [...new Set(cases.map(({ server }) => server))];
  return servers.map((name) => [name, cases.filter(({ server }) => server === name)]);
}

const frontends = byServer(loadFrontends());
const backends = byServer(loadBackends());

describe.each(frontends)("frontends/%s", (_, cases) => {
  it("has the recorded digest when unpacked", () => {
    for (const { name, bytes, sha256: recorded } of cases) expect(sha256(bytes), name).toBe(recorded);
  });

  it("yields the expected records when walked", () => {
    for (const { name, bytes, expected } of cases) {
      if (expected === null) expect(bytes.length, name).toBe(0);
      else expect(expected, name).toMatchObject(walk(bytes));
    }
  });

  it("names each entry once", () => {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });
});

describe.each(backends)("backends/%s", (_, cases) => {
  it("has the recorded digests when unpacked", () => {
    for (const entry of cases) {
      expect(sha256(entry.bytes), entry.name).toBe(entry.sha256);
      expect(sha256(entry.requestBytes), entry.name).toBe(entry.requestSha256);
    }
  });

  it("yields the expected records when walked", () => {
    for (const { name, bytes, expected } of cases) expect(expected, name).toMatchObject(walk(bytes));
  });

  it("names each entry once", () => {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });
});

describe("README.md", () => {
  it("counts what is there", () => {
    const readme = readFileSync(new URL("README.md", import.meta.url), "utf8");
    const rows = [...readme.matchAll(/^\| ([a-z-]+) +\|.*?((?:\| \d+ +){2,})\|$/gm)];
    const counted = rows.map(([, server, counts]) => [server, (counts?.match(/\d+/g) ?? []).map(Number)]);
    const present = [
      ...frontends.map(([server, cases]) => {
        const requests = cases.flatMap(({ expected }) => expected?.requests ?? []);
        const silent = cases.filter(({ noTraffic }) => noTraffic !== null);
        return [server, [cases.length, silent.length, requests.length]];
      }),
      ...backends.map(([server, cases]) => {
        const responses = cases.flatMap(({ expected }) => expected.responses);
        return [server, [cases.length, responses.length]];
      }),
    ];
    expect(Object.fromEntries(counted)).toEqual(Object.fromEntries(present));
  });
});
