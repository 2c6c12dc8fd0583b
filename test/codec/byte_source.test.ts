import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import {
  type ByteReader,
  type ByteSource,
  type ByteSourceInit,
  byteSourceOf,
  cancelSource,
  checkLength,
  chunkOf,
  isAtHand,
  joinBytes,
  readerOf,
} from "../../src/codec/byte_source.ts";
import { latin1 } from "../support/bytes.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { sourceForms } from "../support/source_forms.ts";
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

  it("passes on what is no bytes, which its reader refuses", async () => {
    const source: ByteReader = { read: async () => ({ done: false, value: undefined as never }), cancel() {} };
    const { read } = readerOf(checkLength(source, 5, "the body") as ByteReader);
    expect(await read()).toEqual({ done: false, value: undefined });
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

/** All that a source gives. */
async function bytesIn(source: ByteSource): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  const reader = readerOf(source);
  const pieces: Uint8Array[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joinBytes(pieces);
    pieces.push(chunkOf(value, "stdin"));
  }
}

describe("byteSourceOf", () => {
  it("takes bytes in every form that programs have them in", async () => {
    const text = "a=1&b=caf%C3%A9+é";
    for (const [form, make] of sourceForms(text)) {
      expect(new TextDecoder().decode(await bytesIn(byteSourceOf(make(), "stdin"))), form).toBe(text);
    }
    const parameters = new URLSearchParams({ a: "1", b: "é" });
    expect(await bytesIn(byteSourceOf(parameters, "stdin"))).toEqual(latin1("a=1&b=%C3%A9"));
  });

  it("copies no bytes, and takes a Blob more than once", async () => {
    const { buffer } = Uint8Array.of(1, 2, 3, 4);
    for (const given of [buffer, new Uint8Array(buffer), new DataView(buffer, 1)]) {
      expect((byteSourceOf(given, "stdin") as Uint8Array).buffer).toBe(buffer);
    }
    const blob = byteSourceOf(new Blob(["twice"]), "stdin");
    for (let time = 0; time < 2; time++) expect(await bytesIn(blob)).toEqual(latin1("twice"));
  });

  it.each<[unknown, string]>([
    [undefined, "undefined"],
    [null, "null"],
    [5, "number"],
    [true, "boolean"],
    [[1, 2], "Array"],
    [{}, "Object"],
    [{ read() {} }, "Object"],
    [{ cancel() {} }, "Object"],
    [{ stream() {} }, "Object"],
    [{ size: 1 }, "Object"],
    [new FormData(), "FormData"],
    [new Response("x"), "Response"],
    [new SharedArrayBuffer(1), "SharedArrayBuffer"],
    [() => "x", "function"],
  ])("throws a TypeError that names the option when given %s", (given, kind) => {
    expect(() => byteSourceOf(given as ByteSourceInit, "stdin")).toThrow(
      new TypeError(
        `Cannot send stdin: expected text, bytes, a Blob, URLSearchParams, a stream or an async iterable, got ${kind}`,
      ),
    );
  });

  it("takes a stream of any class, of which only getReader is asked", async () => {
    const { stream } = new OpenStream();
    const other = { getReader: () => streamOf(latin1("x")).getReader() } as typeof stream;
    expect(await bytesIn(byteSourceOf(other, "stdin"))).toEqual(latin1("x"));
  });

  it("refuses bytes whose buffer was transferred, because they look as if there were none", () => {
    const message = "Cannot send stdin: expected bytes that are there, got those of a buffer that was transferred";
    for (const make of [byteSourceOf, chunkOf]) {
      const bytes = latin1("body");
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      expect(() => make(bytes, "stdin")).toThrow(new TypeError(message));
      expect(make(new Uint8Array(0), "stdin")).toEqual(new Uint8Array(0));
    }
  });

  it("chunkOf takes a Uint8Array and nothing else that has bytes", () => {
    expect(chunkOf(latin1("x"), "stdin")).toEqual(latin1("x"));
    for (const [value, kind] of [
      ["x", "string"],
      [new Uint16Array(1), "Uint16Array"],
      [new ArrayBuffer(1), "ArrayBuffer"],
      [undefined, "undefined"],
    ] as const) {
      expect(() => chunkOf(value, "stdin")).toThrow(
        new TypeError(`Cannot send stdin: expected chunks that are Uint8Arrays, got ${kind}`),
      );
    }
  });

  it("reads an async iterable only when it is asked, and passes its failure on", async () => {
    let asked = 0;
    const iterable = {
      [Symbol.asyncIterator]: () => ({
        async next() {
          asked++;
          if (asked > 1) throw new Error("The disk is gone");
          return { value: latin1("x"), done: false };
        },
      }),
    };
    const reader = readerOf(byteSourceOf(iterable, "stdin") as ByteReader);
    expect(asked).toBe(0);
    expect(await reader.read()).toEqual({ done: false, value: latin1("x") });
    await expect(reader.read()).rejects.toThrow("The disk is gone");
    expect(asked).toBe(2);
  });

  it("reads and cancels an async iterable that has only what the language asks for", async () => {
    const iterable = {
      destroy: "no method",
      [Symbol.asyncIterator]: () => ({ next: async () => ({ value: latin1("x") }) }),
    };
    const reader = readerOf(byteSourceOf(iterable, "stdin") as ByteReader);
    expect(await reader.read()).toEqual({ done: false, value: latin1("x") });
    await expect(reader.cancel("enough")).resolves.toBeUndefined();
  });

  it("rejects when an async iterable can't be begun", async () => {
    const iterable = {
      [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
        throw new Error("broken");
      },
    };
    await expect(readerOf(byteSourceOf(iterable, "stdin") as ByteReader).read()).rejects.toThrow("broken");
  });

  it("ends what is being read of an async iterable when it is cancelled", async () => {
    let ended = 0;
    const next = deferred();
    async function* generator() {
      try {
        yield latin1("x");
        await next.promise;
        yield latin1("y");
      } finally {
        ended++;
      }
    }
    const reader = readerOf(byteSourceOf(generator(), "stdin") as ByteReader);
    await reader.read();
    const second = reader.read();
    const cancelled = reader.cancel("enough");
    // The reader need not wait for a generator that waits for something else.
    expect(await second).toEqual({ done: true });
    next.resolve();
    await cancelled;
    expect(ended).toBe(1);
  });

  it("closes a stream of Node when it is cancelled, whether or not it was begun", async () => {
    for (const begins of [false, true]) {
      const stream = Readable.from([latin1("x"), latin1("y")]);
      const source = byteSourceOf(stream, "stdin");
      if (begins) await readerOf(source as ByteReader).read();
      await cancelSource(source, "enough");
      expect(stream.destroyed, String(begins)).toBe(true);
    }
  });

  it("closes a stream of Node when it is cancelled while a read waits for its next chunk", async () => {
    const stream = new Readable({ read() {} });
    const reader = readerOf(byteSourceOf(stream, "stdout") as ByteReader);
    const read = reader.read();
    await cancelSource(reader, "enough");
    expect(stream.destroyed).toBe(true);
    expect(await read).toEqual({ done: true });
  });
});

describe("isAtHand", () => {
  it("tells what can be sent once more from what can be read only once", () => {
    const atHand = sourceForms("text").filter(([, make]) => isAtHand(byteSourceOf(make(), "stdin")));
    expect(atHand.map(([form]) => form)).toEqual([
      "string",
      "Uint8Array",
      "ArrayBuffer",
      "DataView",
      "part of a larger buffer",
      "Blob",
      "URLSearchParams",
      "bytes of another realm",
    ]);
  });
});

describe("cancelSource", () => {
  it("closes a stream of Node when given one as it is", async () => {
    const stream = new Readable({ read() {} });
    await cancelSource(stream, "enough");
    expect(stream.destroyed).toBe(true);
  });

  it("cancels a stream or a reader when given one", async () => {
    const streams = [new OpenStream(), new OpenStream()] as const;
    await cancelSource(streams[0].stream, "enough");
    await cancelSource(streams[1].stream.getReader(), "enough");
    expect(streams.map(({ cancelled }) => cancelled)).toEqual(["enough", "enough"]);
  });

  it("leaves a Blob alone, because it can be read once more", async () => {
    let destroyed = 0;
    const blob = { size: 1, stream: () => streamOf(latin1("x")), destroy: () => void destroyed++ };
    await cancelSource(blob, "enough");
    expect(destroyed).toBe(0);
  });

  it.each<[string, () => ByteSourceInit | null | undefined]>([
    ["nothing", () => undefined],
    ["null", () => null],
    ["text", () => "text"],
    ["a Blob", () => new Blob(["text"])],
    [
      "an async iterable that throws",
      () => ({
        [Symbol.asyncIterator](): never {
          throw new Error("broken");
        },
      }),
    ],
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
