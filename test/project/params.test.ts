// The generated part of specifications/params.md is what the web servers of this machine send.

import { describe, expect, it } from "vitest";
import { paramsRequests } from "../support/params/requests.ts";
import { columns } from "../support/params/servers.ts";
import { committedTable, formatTable, readTable, recordTable, withTable } from "../support/params/table.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

describe("params.md", () => {
  it("has what every web server sends in its table", async () => {
    const fresh = formatTable(await recordTable());
    const [committed, recorded] = [readTable(committedTable()), readTable(fresh)];
    const wrong: string[] = [];
    for (const [column, { server }] of columns.entries()) {
      // A later version may send something else; its patches do not. `npm run params` writes the table anew.
      const isSame = committed.versions[column] === recorded.versions[column];
      const names = isSame ? new Set([...committed.names, ...recorded.names]) : REQUIRED;
      for (const [request, { title }] of paramsRequests.entries()) {
        for (const name of names) {
          const [expected, actual] = [committed, recorded].map((table) => table.value(request, name, column));
          if (isSame ? expected !== actual : actual === "-") {
            wrong.push(`${server.name}, ${title}: ${name} is ${actual}, the table has ${expected}`);
          }
        }
      }
    }
    expect(wrong).toEqual([]);
    if (committed.versions.join() === recorded.versions.join()) expect(fresh).toBe(committedTable());
  });

  it("has a column for every web server and a table for every request", () => {
    const { versions, names, value } = readTable(committedTable());
    expect(versions.map((version) => version.replace(/ [\d.]+$/, ""))).toEqual(
      columns.map(({ server }) => server.name),
    );
    expect(names.size).toBeGreaterThan(40);
    for (const [index, { target, method = "GET" }] of paramsRequests.entries()) {
      const sent = columns.map((_, column) => value(index, "REQUEST_METHOD", column));
      expect(new Set(sent)).toEqual(new Set([`\`${method}\``]));
      expect(committedTable()).toContain(`### 11.${index + 1} `);
      expect(value(index, "REQUEST_URI", 0)).toBe(`\`${target}\``);
    }
    expect(withTable(committedTable())).toContain("## 10 Overriding");
  });
});

/** What no version may leave out. */
const REQUIRED: ReadonlySet<string> = new Set(["REQUEST_METHOD", "REQUEST_URI", "SERVER_PROTOCOL", "REMOTE_ADDR"]);
