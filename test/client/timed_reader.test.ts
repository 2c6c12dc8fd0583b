import { describe, expect, it, vi } from "vitest";
import { TimedReader } from "../../src/client/timed_reader.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { OpenStream } from "../support/open_stream.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();
useFakeTime();

const timeout = expect.objectContaining({
  code: "timeout",
  limit: "requestBodyTimeout",
  gatewayStatus: 408,
  message: "Cannot send the request body: its source gave too little for 60000 ms",
});

function reading(limit = 60_000) {
  const source = new OpenStream();
  const reader = new TimedReader(source.stream.getReader(), limit, "the request body");
  return { source, reader };
}

/** Reads until the source is at its end or fails: how many bytes came, after how many milliseconds, and the error. */
async function drained(reader: TimedReader): Promise<{ bytes: number; time: number; error: unknown }> {
  const start = performance.now();
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { bytes, time: performance.now() - start, error: null };
      bytes += value!.length;
    }
  } catch (error) {
    return { bytes, time: performance.now() - start, error };
  }
}

describe("TimedReader", () => {
  it("TimedReader fails when its source gives nothing for the time, and has no timer then", async () => {
    const { reader } = reading();
    const drain = drained(reader);
    await pass(59_999);
    expect(vi.getTimerCount()).toBe(1);
    await pass(1);
    expect(await drain).toEqual({ bytes: 0, time: 60_000, error: timeout });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("TimedReader fails when its source gives a byte a second, after about as long", async () => {
    const { source, reader } = reading();
    const drain = drained(reader);
    for (let second = 0; second < 70; second++) {
      await pass(1000);
      source.write("x");
    }
    // Each byte was worth 2 ms.
    expect(await drain).toMatchObject({ bytes: 60, error: timeout });
  });

  it("TimedReader reads for as long as it takes when its source gives 500 bytes a second on the whole", async () => {
    const { source, reader } = reading();
    const drain = drained(reader);
    for (let round = 0; round < 20; round++) {
      await pass(59_000);
      source.write("x".repeat(500 * 59));
    }
    source.close();
    expect(await drain).toEqual({ bytes: 20 * 500 * 59, time: 20 * 59_000, error: null });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("TimedReader saves up no more than the time that it began with", async () => {
    const { source, reader } = reading();
    const drain = drained(reader);
    source.write(new Uint8Array(10_000_000));
    await pass(60_000);
    expect(await drain).toMatchObject({ bytes: 10_000_000, error: timeout });
  });

  it("TimedReader counts no time in which nothing is asked of its source", async () => {
    const { source, reader } = reading();
    source.write("a");
    await reader.read();
    await pass(1_000_000);
    source.write("b");
    expect((await reader.read()).value).toHaveLength(1);
    await reader.cancel("enough");
  });

  it("TimedReader waits for ever when the time is Infinity", async () => {
    const { source, reader } = reading(Number.POSITIVE_INFINITY);
    const drain = drained(reader);
    await pass(1_000_000_000);
    source.write("x");
    source.close();
    expect(await drain).toMatchObject({ bytes: 1, error: null });
  });

  it("TimedReader passes on a failure and a cancel, and has no timer then", async () => {
    const first = reading();
    const drain = drained(first.reader);
    const broken = new Error("broken");
    first.source.fail(broken);
    expect((await drain).error).toBe(broken);
    expect(vi.getTimerCount()).toBe(0);

    const second = reading();
    const read = second.reader.read();
    await second.reader.cancel("enough");
    expect(second.source.cancelled).toBe("enough");
    expect(await read).toMatchObject({ done: true });
    expect(vi.getTimerCount()).toBe(0);
  });
});
