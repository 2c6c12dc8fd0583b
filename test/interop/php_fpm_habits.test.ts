// What php-fpm does on the wire that rules of specifications/field-rules.md come from: seen record by record, and then lived with.

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FastCgiHttpClient } from "../../adapters/node/index.ts";
import { type FastCgiRecord, RecordType } from "../../src/toolkit.ts";
import { connectorTo, counting } from "../support/php_client.ts";
import { type PhpFpm, phpScripts, startPhpFpm } from "../support/php_fpm.ts";
import { RawConnection } from "../support/raw_connection.ts";
import { bytesOf, record, recordsIn, request, textOf } from "../support/records.ts";
import type { FastCgiTargets } from "../support/target.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

describe("php-fpm on the wire", () => {
  let php: PhpFpm<FastCgiTargets["unix"]>;

  failOnUnhandledRejections();

  beforeAll(async () => {
    php = await startPhpFpm({ pool: { "pm.max_children": "4" } });
  });
  afterAll(() => php?.stop());

  const script = (name: string): Record<string, string> => ({
    SCRIPT_FILENAME: join(phpScripts, name),
    SCRIPT_NAME: `/${name}`,
  });

  /** All that php-fpm sends until it has ended so many requests, or closes. */
  async function answersTo(records: FastCgiRecord[], ends = 1): Promise<FastCgiRecord[]> {
    const connection = await RawConnection.open({ path: php.target.path });
    try {
      await connection.write(bytesOf(records));
      const count = (bytes: Uint8Array): number =>
        recordsIn(bytes).filter(({ type }) => type === RecordType.EndRequest).length;
      await connection.readUntil((bytes) => connection.closed || count(bytes) >= ends);
      return recordsIn(connection.received);
    } finally {
      connection.close();
    }
  }

  it("php-fpm never ends STDOUT, and fetch takes FCGI_END_REQUEST for its end", async () => {
    const records = await answersTo(request(1, { extra: script("hello.php") }));
    const stdouts = records.filter(({ type }) => type === RecordType.Stdout);
    expect(stdouts.length).toBeGreaterThan(0);
    expect(stdouts.filter(({ contentData }) => contentData.length === 0)).toEqual([]);
    const client = new FastCgiHttpClient(connectorTo(php.target, "hello.php"));
    expect(await (await client.fetch("http://example.test/")).text()).toMatch(/^hello from PHP/);
  });

  it("php-fpm runs a script to its end when FCGI_ABORT_REQUEST comes meanwhile", async () => {
    const abort = record(RecordType.AbortRequest, 1);
    const records = await answersTo([
      ...request(1, { extra: { ...script("slow.php"), QUERY_STRING: "ms=50" } }),
      abort,
    ]);
    expect(textOf(records, RecordType.Stdout, 1)).toMatch(/slow\n$/);
  });

  it("php-fpm answers one of two requests on a connection, and fetch opens one for each", async () => {
    const [first, second] = [1, 2].map((id) => request(id, { extra: script("hello.php") })) as [
      FastCgiRecord[],
      FastCgiRecord[],
    ];
    // Record by record in turn, as a web server that multiplexes sends them.
    const records = await answersTo(
      first.flatMap((piece, i) => [piece, second[i]!]),
      2,
    ).catch(() => []);
    const whole = [1, 2].filter((id) => /hello from PHP/.test(textOf(records, RecordType.Stdout, id)));
    expect(whole.length).toBeLessThan(2);

    const { connector, count } = counting(connectorTo(php.target, "hello.php"));
    await using client = new FastCgiHttpClient(connector, { multiplexing: true, maxConnections: 4 });
    const pages = await Promise.all(
      Array.from({ length: 20 }, async () => (await client.fetch("http://example.test/")).text()),
    );
    expect(pages.filter((page) => /^hello from PHP/.test(page))).toHaveLength(20);
    expect(count.opened).toBeGreaterThan(1);
  });

  it("php-fpm loses a body without CONTENT_LENGTH", async () => {
    const bodies: boolean[] = [];
    for (const length of ["6", "", "0"]) {
      const extra = { ...script("echo.php"), CONTENT_LENGTH: length };
      const records = await answersTo(request(1, { body: "a body", extra }));
      bodies.push(textOf(records, RecordType.Stdout, 1).endsWith("a body"));
    }
    expect(bodies).toEqual([true, false, false]);
  });

  it("php-fpm closes without an answer when a variable is cut between two records", async () => {
    const whole = request(1, { extra: script("hello.php") });
    const [begin, params, ...rest] = whole as [FastCgiRecord, FastCgiRecord, ...FastCgiRecord[]];
    const cut = params.contentData.length - 3;
    const halves = [params.contentData.subarray(0, cut), params.contentData.subarray(cut)];
    const records = await answersTo([begin, ...halves.map((half) => record(RecordType.Params, 1, half)), ...rest]);
    expect(records).toEqual([]);
  });
});
