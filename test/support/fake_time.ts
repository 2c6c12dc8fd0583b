import { afterEach, beforeEach, vi } from "vitest";
import { turns } from "./unhandled_rejections.ts";

/** Replaces the clock and the timers that the library uses. Call it once, at the top of a file or group. */
export function useFakeTime(): void {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
  afterEach(() => void vi.useRealTimers());
}

/** Lets `milliseconds` pass, and all that follows from it happen. */
export async function pass(milliseconds: number): Promise<void> {
  await turns();
  await vi.advanceTimersByTimeAsync(milliseconds);
  await turns();
}
