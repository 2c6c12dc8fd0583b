import { afterAll, afterEach, beforeAll, expect } from "vitest";

/** Fails a test file in which a promise is rejected that no code waits for. Call it once, at the top. */
export function failOnUnhandledRejections(): void {
  const reasons: unknown[] = [];
  const note = (reason: unknown): void => void reasons.push(reason);
  beforeAll(() => void process.on("unhandledRejection", note));
  afterEach(async () => {
    await turns();
    expect(reasons.splice(0)).toEqual([]);
  });
  afterAll(() => void process.off("unhandledRejection", note));
}

/** Takes the rejections that no code handles while `action` runs, instead of letting the test runner fail. */
export async function unhandledRejectionsOf(action: () => Promise<unknown>): Promise<unknown[]> {
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  const reasons: unknown[] = [];
  process.on("unhandledRejection", (reason) => reasons.push(reason));
  try {
    await action();
    await turns();
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const listener of listeners) process.on("unhandledRejection", listener);
  }
  return reasons;
}

const { setImmediate } = globalThis;

/** Lets everything happen that does not wait for a timer or for the outside. */
export async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
