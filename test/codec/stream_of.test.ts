import { expect, it } from "vitest";
import type { ByteReader } from "../../src/codec/byte_source.ts";
import { streamOf, streamOfSources } from "../../src/codec/stream_of.ts";
import { latin1 } from "../support/bytes.ts";
import { OpenStream } from "../support/open_stream.ts";
import { collected, isSettled, streamOf as piecesOf, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const broken = new Error("broken");

/** Gives one piece, and then the end. */
class OnePiece implements ByteReader {
  reads = 0;
  isRead = false;
  readonly #knowsEnd: boolean;

  constructor(knowsEnd: boolean) {
    this.#knowsEnd = knowsEnd;
  }

  read() {
    this.reads++;
    this.isRead = this.#knowsEnd;
    return this.reads === 1 ? { done: false, value: latin1("x") } : { done: true };
  }

  cancel(): void {}
}

it.each([true, false])(
  "streamOf ends with the last piece when its reader knows that this is the last: %s",
  async (knows) => {
    const source = new OnePiece(knows);
    const reader = streamOf(source).getReader();
    expect(source.reads).toBe(0);
    expect(await reader.read()).toEqual({ done: false, value: latin1("x") });
    expect(await isSettled(reader.closed)).toBe(knows);
    expect(await reader.read()).toEqual({ done: true, value: undefined });
    expect(source.reads).toBe(knows ? 1 : 2);
  },
);

it("streamOfSources gives the pieces of its sources in order", async () => {
  const sources = [latin1("a"), piecesOf(latin1("b"), latin1("c")), new Blob(["d"]), latin1("e")];
  expect(await textFrom(streamOfSources(sources))).toBe("abcde");
  expect(await collected(streamOfSources([]))).toEqual([]);
});

it("streamOfSources fails and cancels the sources that it has not begun when one fails", async () => {
  const [failing, waiting] = [new OpenStream(), new OpenStream()];
  const reader = streamOfSources([failing.stream, waiting.stream]).getReader();
  const read = reader.read();
  failing.fail(broken);
  await expect(read).rejects.toBe(broken);
  expect(await waiting.cancellation).toBe(broken);
});

it("streamOfSources cancels all of its sources when it is cancelled, whether or not it was read", async () => {
  for (const begins of [false, true]) {
    const sources = [new OpenStream(), new OpenStream()] as const;
    const reader = streamOfSources(sources.map(({ stream }) => stream)).getReader();
    if (begins) {
      sources[0].write("x");
      await reader.read();
    }
    await reader.cancel("enough");
    expect(await Promise.all(sources.map(({ cancellation }) => cancellation))).toEqual(["enough", "enough"]);
  }
});
