import { existsSync } from "node:fs";
import { expect } from "vitest";
import { peakResident } from "../../support/resident_memory.ts";
import type { Setting } from "./battery.ts";
import type { Runtime } from "./cells.ts";

const GIB = 1024 ** 3;
const MAX_GROWTH = 64;

/**
 * Sent each way before anything is measured. Unused buffers gather before a runtime collects them; some are at
 * their usual size only late, and stay there, however much follows.
 */
const WARM_UP_BYTES: Readonly<Record<Runtime, number>> = {
  node: GIB / 8,
  bun: GIB / 8,
  deno: GIB,
  workerd: 2 * GIB,
};

/** Bodies that are larger than what a process may take for them. */
export function memoryCases({ column, half, kind, link }: Setting): void {
  // What is kept of a body has nothing to do with the kind of socket.
  if (kind === "Unix") return;
  const warmUp = WARM_UP_BYTES[column.runtime];
  const transfer = async (bytes: number): Promise<void> => {
    const options = { requestBuffering: "stream" } as const;
    const sent = await link().run({ do: "fetch", url: "/upload", upload: bytes, options });
    expect(sent).toEqual({ status: 200, text: String(bytes) });
    expect(await link().run({ do: "fetch", url: `/download?bytes=${bytes}` })).toEqual({ status: 200, bytes });
  };
  column.test(
    "1 GiB each way",
    `${half === "serve" ? "serve" : "fetch"} stays within 64 MiB more when a request and a response body have 1 GiB`,
    async ({ skip }) => {
      skip(!existsSync("/proc/self/status"), "This system has no /proc to measure with");
      await transfer(warmUp);
      let warm = peakResident(link().pid);
      await transfer(GIB);
      let peak = peakResident(link().pid);
      if (peak - warm >= MAX_GROWTH) {
        // It was not warm yet, or it keeps what it carries: then as much is added again.
        warm = peak;
        await transfer(GIB);
        peak = peakResident(link().pid);
      }
      expect(peak - warm, `from ${warm} to ${peak} MiB`).toBeLessThan(MAX_GROWTH);
    },
    // Four GiB, on a machine that does other work as well.
    1_800_000,
  );
}
