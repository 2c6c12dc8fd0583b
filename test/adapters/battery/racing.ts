import { existsSync, readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { FastCgiHttpClient, FastCgiUnixConnector } from "../../../adapters/node/index.ts";
import { type RuntimeRacer, startRuntimeRacer } from "../../support/runtimes.ts";
import { makeStaleSocket } from "../../support/stale_socket.ts";
import type { ServingRuntime, Setting } from "./battery.ts";

/**
 * Each round is another chance for a fault that depends on the moment: RACE_ROUNDS=500 for a change of what is tested here. npm run processes
 * goes on with more.
 */
const ROUNDS = Number(process.env.RACE_ROUNDS ?? 8);
/** Time for operations to reach all processes, in milliseconds. A later one makes a round a weaker try, and no other result. */
const LEAD = 4;

/** Processes that start and close on the same path at the same moment. */
export function racingCases({ column, row, newPath }: Setting, runtime: ServingRuntime): void {
  const racers: RuntimeRacer[] = [];
  // The third is of another runtime, unless this is Node.
  const kinds = [runtime, runtime, "node"] as const;

  beforeAll(async () => {
    for (const kind of kinds) racers.push(startRuntimeRacer(kind));
    // When they answer they have loaded what they need.
    await Promise.all(racers.map((racer) => racer.run({ do: "close" })));
  });
  afterAll(async () => {
    await Promise.all(racers.map((racer) => racer.stop()));
  });

  const nameOf = (racer: RuntimeRacer): string => String(racers.indexOf(racer));
  const serve = (racer: RuntimeRacer, path: string, at: number, takeOver = false) =>
    racer.run({ do: "serve", at, name: nameOf(racer), options: { path, takeOver } });
  const closeAll = () => Promise.all(racers.map((racer) => racer.run({ do: "close" })));

  column.test(
    row,
    "serve gives a path to one of several processes when they start at the same moment",
    async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const path = newPath();
        // Mostly where a dead process left its file: what all find, one may replace.
        if (round % 4 > 0) await makeStaleSocket(path);
        const at = Date.now() + LEAD;
        const outcomes = await Promise.all(racers.map((racer) => serve(racer, path, at)));
        const losers = outcomes.filter(({ served }) => !served);
        expect(outcomes.length - losers.length).toBe(1);
        for (const { error } of losers) {
          expect(error).toBe(`Cannot listen on ${path}: another process listens there (EADDRINUSE)`);
        }
        expect(await answerAt(path)).toBe(String(outcomes.findIndex(({ served }) => served)));
        expect(filesBeside(path)).toEqual([basename(path)]);
        await closeAll();
        expect(filesBeside(path)).toEqual([]);
      }
    },
    30_000 + ROUNDS * 1_000,
  );

  column.test(
    row,
    "close leaves the path to another process when that takes it over at the same moment",
    async () => {
      const [first, second] = racers as [RuntimeRacer, RuntimeRacer];
      for (let round = 0; round < ROUNDS; round++) {
        const path = newPath();
        await serve(first, path, 0);
        const at = Date.now() + LEAD;
        // Now one is earlier, now the other, by up to a millisecond or two.
        const [delay, takeOver] = [((round * 7) % 20) / 10, round % 5 > 0];
        const [, taken] = await Promise.all([
          first.run({ do: "close", at: at + delay }),
          serve(second, path, at + 2 - delay, takeOver),
        ]);
        if (taken.served) expect(await answerAt(path)).toBe("1");
        // Without taking over, the one that comes too early is told so.
        else expect([takeOver, existsSync(path)]).toEqual([false, false]);
        await closeAll();
        expect(filesBeside(path)).toEqual([]);
      }
    },
    30_000 + ROUNDS * 1_000,
  );
}

async function answerAt(path: string): Promise<string> {
  return (await new FastCgiHttpClient(new FastCgiUnixConnector(path)).fetch("http://localhost/")).text();
}

/** The socket, and what was made beside it and left there. */
function filesBeside(path: string): string[] {
  return readdirSync(dirname(path)).filter((name) => name.startsWith(".") || name === basename(path));
}
