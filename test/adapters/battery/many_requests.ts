import { expect } from "vitest";
import type { Setting } from "./battery.ts";

const REQUESTS = 10_000;

/** Ten thousand of them, on connections that are kept or on as many connections. */
export function manyRequestsCases({ column, kind, link }: Setting): void {
  // In a Worker connections are not kept, and no more than six may be open.
  const isWorker = column.runtime === "workerd";
  const isKept = kind === "TCP" && !isWorker;
  const atOnce = isWorker ? 6 : 32;
  const options = isKept ? { keepAlive: true, reuseForAll: true, maxIdle: atOnce } : { maxConnections: atOnce };
  const how = isKept ? "connections are kept" : "each has a connection of its own";
  const name = `fetch gets the right answer to each of 10,000 requests, which are all carried out once, when ${how}`;
  column.test(
    "10,000 requests",
    name,
    async () => {
      const { text, ...outcome } = await link().run({ do: "many", count: REQUESTS, atOnce, options });
      expect(outcome).toEqual({ answered: REQUESTS, wrong: [] });
      expect(JSON.parse(text!)).toEqual({ requests: REQUESTS, different: REQUESTS });
    },
    300_000,
  );
}
