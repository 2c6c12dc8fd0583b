import { expect } from "vitest";
import type { Setting } from "./battery.ts";

const MIB = 1024 * 1024;

/** Bodies that are on their way both ways at once. */
export function streamingCases({ column, link }: Setting): void {
  column.test("streaming", "fetch carries 20 MiB both ways at once when the application sends them back", async () => {
    const options = { requestBuffering: "stream" } as const;
    const outcome = await link().run({ do: "fetch", url: "/echo", upload: 20 * MIB, options });
    // More than all that fits in between.
    expect(outcome).toEqual({ status: 200, bytes: 20 * MIB });
  });
}
