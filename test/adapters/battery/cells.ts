// The table that the battery fills: its columns are the runtimes, and every test is one of those behind a cell.

import { it, type TestContext } from "vitest";

/** The columns. */
export const runtimes = ["node", "bun", "deno", "workerd"] as const;
export type Runtime = (typeof runtimes)[number];

/** The rows. */
export const rows = [
  "serve TCP",
  "serve Unix",
  "fd 0",
  "client TCP",
  "client Unix",
  "streaming",
  "abort",
  "backpressure",
  "graceful close",
  "10,000 requests",
  "1 GiB each way",
  "behind nginx",
  "php-fpm behind",
] as const;
export type Row = (typeof rows)[number];

/** What a test leaves for the table. */
export interface RuntimeCell {
  readonly runtime: Runtime;
  readonly row: Row;
}

declare module "vitest" {
  interface TaskMeta {
    runtimeCell?: RuntimeCell;
  }
}

/** Tests of one runtime. */
export class Column {
  readonly runtime: Runtime;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** A test that the cell of a row stands for. */
  test(row: Row, name: string, run: (context: TestContext) => Promise<void>, timeout?: number): void {
    const runtimeCell = { runtime: this.runtime, row };
    it(name, { meta: { runtimeCell }, ...(timeout !== undefined && { timeout }) }, run);
  }

  /** What a runtime can't do: proves that first, and is skipped with the reason that the table gives. */
  gap(row: Row, reason: string, proof: () => Promise<void>): void {
    this.test(row, `${row} is not there, or half of it`, async (context) => {
      await proof();
      context.skip(reason);
    });
  }
}
