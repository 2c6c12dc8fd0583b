import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";
import { type Setup, startSetup, type World } from "../../support/web_servers/setup.ts";
import { versionOf } from "../../support/web_servers/web_server.ts";
import type { Case, Limit } from "./case.ts";
import { leavingCases } from "./leaving.ts";
import { requestCases } from "./requests.ts";
import { responseCases } from "./responses.ts";

const cases: readonly Case[] = [...requestCases, ...responseCases, ...leavingCases];

/** A set-up, and all that its web server cannot do. */
export interface Column extends Setup {
  /** The version that the limits were found with. They are exact for it; any other may also do what is expected. */
  readonly measured: string;
  /** By the name of the case. */
  readonly limits?: Limits;
}

export type Limits = Readonly<Record<string, Limit>>;

/** What a test leaves for the matrix. */
export interface Cell {
  readonly column: string;
  readonly version: string;
  readonly row: string;
  readonly outcome?: unknown;
  readonly limit?: Limit;
}

declare module "vitest" {
  interface TaskMeta {
    cell?: Cell;
  }
}

/** Milliseconds: enough for what happens at all, on a machine that is busy. */
const PATIENCE = 60_000;
/**
 * Where something is known never to happen, waiting for it costs time. What should have happened beside it may take longer than the
 * first of these; so there is another try before the outcome is wrong.
 */
const SHORT_PATIENCES = [300, 3_000, 30_000];

/** What comes out, or how the web server died: that says more than a broken connection. */
async function alive<Outcome>({ died }: World, outcome: Promise<Outcome>): Promise<Outcome> {
  try {
    return await Promise.race([outcome, died]);
  } catch (error) {
    await Promise.race([died, sleep(100)]);
    throw error;
  }
}

function holds(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

/** Runs cases behind a web server: the whole battery unless told otherwise. */
export function describeColumn(column: Column, rows = cases, startWorld = () => startSetup(column)): void {
  const { name = column.server.name, limits = {}, measured } = column;
  describe(name, () => {
    let world: World;
    let version: string;

    failOnUnhandledRejections();

    beforeAll(async () => {
      version = await versionOf(column.server);
      world = await startWorld();
    });
    afterAll(() => world?.stop());

    for (const { name: row, expected, run } of rows) {
      it(row, async ({ task }: TestContext) => {
        const limit = limits[row];
        const cell: Cell = { column: name, version, row, ...(limit !== undefined && { limit }) };
        task.meta.cell = cell;
        let outcome: unknown;
        const check = (): void => {
          if (limit === undefined) expect(outcome).toEqual(expected);
          else if (version === measured && !limit.sometimes) expect(outcome).toEqual(limit.outcome);
          else expect([expected, limit.outcome]).toContainEqual(outcome);
        };
        for (const patience of limit === undefined ? [PATIENCE] : SHORT_PATIENCES) {
          outcome = await alive(world, run(world, patience));
          if (holds(check)) break;
        }
        task.meta.cell = { ...cell, outcome };
        check();
      });
    }

    it("the limits are about cases that exist", () => {
      expect(rows.map((one) => one.name)).toEqual(expect.arrayContaining(Object.keys(limits)));
    });
  });
}
