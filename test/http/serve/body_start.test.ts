// Which pieces of a body leave with the header.

import { afterEach, describe, expect, it, vi } from "vitest";
import type { ByteReader, ByteReadResult } from "../../../src/codec/byte_source.ts";
import type { readWhatIsThere as Read } from "../../../src/http/serve/body_start.ts";
import { MAX_SENT_CONTENT_LENGTH } from "../../../src/protocol/constants.ts";
import { latin1 } from "../../support/bytes.ts";
import { deferred } from "../../support/open_stream.ts";
import { patternBytes } from "../../support/pattern.ts";
import { isSettled } from "../../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

afterEach(() => void vi.unstubAllGlobals());

const END: ByteReadResult = { done: true };

/** A reader that gives these pieces at once, and then what `last` gives. */
function readerOf(pieces: readonly Uint8Array[], last: () => Promise<ByteReadResult>): ByteReader {
  const left = [...pieces];
  return {
    async read() {
      const value = left.shift();
      return value === undefined ? last() : { done: false, value };
    },
    cancel: () => expect.unreachable(),
  };
}

const never = (): Promise<never> => new Promise(() => {});
const piece = latin1("piece");
const full = patternBytes(MAX_SENT_CONTENT_LENGTH);

/** The module as a program has it that has sent nothing yet. */
async function unused(): Promise<typeof import("../../../src/http/serve/body_start.ts")> {
  vi.resetModules();
  return import("../../../src/http/serve/body_start.ts");
}

describe("readWhatIsThere", () => {
  async function read(...given: Parameters<typeof Read>): ReturnType<typeof Read> {
    return (await unused()).readWhatIsThere(...given);
  }

  it("readWhatIsThere gives all pieces of a body that is there, but for empty ones", async () => {
    const pieces = [piece, new Uint8Array(0), latin1("more")];
    const start = await read(
      readerOf(pieces, async () => END),
      false,
    );
    expect(start).toEqual({ pieces: [piece, latin1("more")], next: null });
  });

  it("readWhatIsThere stops before a piece that takes time, whose read goes on", async () => {
    const late = deferred<ByteReadResult>();
    const { pieces, next } = await read(
      readerOf([piece], () => late.promise),
      false,
    );
    expect(pieces).toEqual([piece]);
    late.resolve(END);
    expect(await next).toEqual(END);
  });

  it("readWhatIsThere stops when a record is full, unless the body ends there", async () => {
    const more = { done: false, value: piece };
    const start = await read(
      readerOf([full], async () => more),
      false,
    );
    expect([start.pieces, await start.next]).toEqual([[full], more]);
    expect(
      await read(
        readerOf([full], async () => END),
        false,
      ),
    ).toEqual({ pieces: [full], next: null });
    const less = await read(
      readerOf([full.subarray(1), piece], async () => END),
      false,
    );
    expect(less).toEqual({ pieces: [full.subarray(1), piece], next: null });
  });

  it("readWhatIsThere fails with the error of the body, or leaves it to the next read when a record is full", async () => {
    const error = new Error("broken");
    const failing = async (): Promise<never> => {
      throw error;
    };
    await expect(read(readerOf([piece], failing), false)).rejects.toBe(error);
    const { pieces, next } = await read(readerOf([full], failing), false);
    expect(pieces).toEqual([full]);
    await expect(next).rejects.toBe(error);
  });

  it("readWhatIsThere refuses a piece that is not of bytes", async () => {
    const reader = readerOf([], async () => ({ done: false, value: "text" as never }));
    await expect(read(reader, false)).rejects.toThrow("Cannot send the response body: expected chunks");
  });
});

describe("readWhatIsThere and the end of a Blob", () => {
  /** Replaces the global Blob, whose stream ends when `end` says so. Counts what is made and read of it. */
  function stubBlob(end: () => Promise<ByteReadResult>): { made: number; read: number } {
    const counts = { made: 0, read: 0 };
    class Compared {
      constructor(parts: unknown[]) {
        // Fewer parts, or parts without content, are read in fewer steps than those of other Blobs.
        expect(parts.filter((part) => part !== "")).toHaveLength(3);
        counts.made++;
      }
      stream(): object {
        counts.read++;
        return { getReader: () => readerOf([piece], end) };
      }
    }
    vi.stubGlobal("Blob", Compared);
    return counts;
  }

  it("readWhatIsThere reads a Blob for comparison once, when the end is wanted of a body that has begun", async () => {
    const { readWhatIsThere } = await unused();
    const counts = stubBlob(async () => END);
    await readWhatIsThere(readerOf([piece], never), false);
    await readWhatIsThere(readerOf([], never), true);
    await readWhatIsThere(
      readerOf([piece], async () => END),
      true,
    );
    expect(counts).toEqual({ made: 0, read: 0 });
    for (let count = 0; count < 2; count++) {
      expect((await readWhatIsThere(readerOf([piece], never), true)).pieces).toEqual([piece]);
      // It ended in microtasks, so no other takes longer.
      expect(counts).toEqual({ made: 1, read: 1 });
    }
  });

  it("readWhatIsThere waits as long as a Blob takes to its end, each time, if that is more than microtasks", async () => {
    const { readWhatIsThere } = await unused();
    let gate = deferred<ByteReadResult>();
    const counts = stubBlob(() => gate.promise);
    const last = deferred<ByteReadResult>();
    const whole = readWhatIsThere(
      readerOf([piece], () => last.promise),
      true,
    );
    expect(await isSettled(whole)).toBe(false);
    last.resolve(END);
    expect(await whole).toEqual({ pieces: [piece], next: null });
    gate.resolve(END);
    await turns();
    for (let count = 2; count < 4; count++) {
      gate = deferred();
      const start = readWhatIsThere(readerOf([piece], never), true);
      expect(await isSettled(start)).toBe(false);
      gate.resolve(END);
      expect((await start).pieces).toEqual([piece]);
      expect(counts).toEqual({ made: 1, read: count });
    }
  });
});

it("resume gives the read that has begun, and then those of the reader, which it can cancel", async () => {
  const { resume } = await unused();
  const reasons: unknown[] = [];
  const reader = { ...readerOf([piece], async () => END), cancel: (reason: unknown) => void reasons.push(reason) };
  const first = { done: false, value: latin1("first") };
  const resumed = resume(reader, Promise.resolve(first));
  expect([await resumed.read(), await resumed.read(), await resumed.read()]).toEqual([
    ...[first, { done: false, value: piece }, END],
  ]);
  await resumed.cancel("Gone");
  expect(reasons).toEqual(["Gone"]);
});
