import { describe, expect, it } from "vitest";
import {
  type ByteReader,
  type ByteSource,
  cancelSource,
  checkLength,
  joinBytes,
  readerOf,
} from "../../src/transport/byte_source.ts";
import { OpenStream } from "../support/open_stream.ts";
import { streamOf } from "../support/streams.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

/** What `checkLength` gives out of a stream of pieces of these lengths, and how that ended. */
async function checked(expected: number, lengths: number[]): Promise<{ read: number; error: unknown }> {
  const source = checkLength(streamOf(...lengths.map((length) => new Uint8Array(length))), expected, "the body");
  const reader = readerOf(source as ByteReader);
  let read = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { read, error: null };
      read += value!.length;
    }
  } catch (error) {
    return { read, error };
  }
}

describe("checkLength", () => {
  it("returns the bytes when they are as many as expected", () => {
    const bytes = new Uint8Array(5);
    expect(checkLength(bytes, 5, "the body")).toBe(bytes);
  });

  it.each([4, 6])("throws lengthMismatch when 5 bytes are given and %i expected", (expected) => {
    expect(() => checkLength(new Uint8Array(5), expected, "the body")).toThrow(
      expect.objectContaining({
        code: "lengthMismatch",
        message: `Cannot send the body: expected ${expected} bytes, got 5`,
      }),
    );
  });

  it("passes a stream on when it is as long as expected", async () => {
    expect(await checked(6, [1, 0, 2, 3])).toEqual({ read: 6, error: null });
    expect(await checked(0, [])).toEqual({ read: 0, error: null });
  });

  it("fails the stream at its end when it is too short", async () => {
    const { read, error } = await checked(7, [1, 2, 3]);
    expect(read).toBe(6);
    expect(error).toMatchObject({
      code: "lengthMismatch",
      message: "Cannot send the body: expected 7 bytes, got 6",
    });
  });

  it("fails the stream before it gives out too much when it is too long", async () => {
    const { read, error } = await checked(5, [1, 2, 3, 4]);
    expect(read).toBe(3);
    expect(error).toMatchObject({
      code: "lengthMismatch",
      message: "Cannot send the body: expected 5 bytes, got at least 6",
    });
  });

  it("cancels the stream when it is cancelled", async () => {
    const source = new OpenStream();
    await (checkLength(source.stream, 5, "the body") as ByteReader).cancel("enough");
    expect(source.cancelled).toBe("enough");
  });
});

describe("cancelSource", () => {
  it("cancels a stream or a reader when given one", async () => {
    const streams = [new OpenStream(), new OpenStream()] as const;
    await cancelSource(streams[0].stream, "enough");
    await cancelSource(streams[1].stream.getReader(), "enough");
    expect(streams.map(({ cancelled }) => cancelled)).toEqual(["enough", "enough"]);
  });

  it.each<[string, () => ByteSource]>([
    ["bytes", () => new Uint8Array(3)],
    [
      "a stream that somebody else reads",
      () => {
        const { stream } = new OpenStream();
        stream.getReader();
        return stream;
      },
    ],
    [
      "a reader that throws",
      () => ({
        read: () => Promise.resolve({ done: true }),
        cancel() {
          throw new Error("broken");
        },
      }),
    ],
    [
      "a stream that has failed",
      () => {
        const source = new OpenStream();
        source.fail(new Error("broken"));
        return source.stream;
      },
    ],
  ])("resolves when given %s", async (_, source) => {
    await expect(cancelSource(source(), "enough")).resolves.toBeUndefined();
  });
});

describe("joinBytes", () => {
  it("joinBytes puts pieces one behind the other, and copies nothing when there is one", () => {
    const piece = Uint8Array.of(1, 2);
    expect(joinBytes([])).toEqual(new Uint8Array(0));
    expect(joinBytes([piece])).toBe(piece);
    expect(joinBytes([piece, new Uint8Array(0), Uint8Array.of(3)])).toEqual(Uint8Array.of(1, 2, 3));
  });
});
