import { expect } from "vitest";
import type { Setting } from "./battery.ts";
import type { Kind } from "./link.ts";

const MIB = 1024 * 1024;
const TOTAL = 96 * MIB;

/** The most that may be under way: what the system takes for a socket, which can be much for TCP, and 256 KiB at either end. */
const MAX_UNDER_WAY: Readonly<Record<Kind, number>> = { TCP: 48 * MIB, Unix: 4 * MIB };

/** A reader that stalls, at either end. */
export function backpressureCases({ column, kind, link }: Setting): void {
  const name = "no more is taken of a response than fits in between when the client does not read it";
  column.test("backpressure", `serve stops: ${name}`, async () => {
    const { stalledAt, bytes, error } = await link().run({ do: "stallReading", url: `/flow?bytes=${TOTAL}` });
    expect(error).toBeUndefined();
    expect(stalledAt).toBeLessThan(MAX_UNDER_WAY[kind]);
    expect(bytes).toBe(TOTAL);
  });

  const otherName = "no more is taken of a body than fits in between when the handler does not read it";
  column.test("backpressure", `fetch stops: ${otherName}`, async () => {
    const options = { requestBuffering: "stream" } as const;
    const { stalledAt, text, error } = await link().run({ do: "stallWriting", upload: TOTAL, options });
    expect(error).toBeUndefined();
    expect(stalledAt).toBeLessThan(MAX_UNDER_WAY[kind]);
    expect(text).toBe(String(TOTAL));
  });
}
