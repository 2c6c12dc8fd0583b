// For tests of memory that is freed where nothing needs it any more. Freed memory is empty for every view of it, so a
// wrong step is a lost byte, and tests compare all bytes.

import fc from "fast-check";
import { afterAll, beforeAll, expect } from "vitest";
import {
  type ByteChannel,
  type ByteChannelEvents,
  encodeRecords,
  type FastCgiRecord,
  RecordDecoder,
  type StageController,
} from "../../src/toolkit.ts";
import { joined } from "./bytes.ts";
import { turns } from "./unhandled_rejections.ts";

/**
 * Makes memory freeable on Node.js 20, which can't free the memory of a buffer, but can make its views empty, which is
 * what could go wrong.
 */
export function withFreeableMemory(): void {
  if ("transfer" in ArrayBuffer.prototype) return;
  const transfer = function (this: ArrayBuffer): void {
    structuredClone(this, { transfer: [this] });
  };
  beforeAll(() => {
    Object.defineProperty(ArrayBuffer.prototype, "transfer", { value: transfer, configurable: true });
  });
  afterAll(() => {
    Reflect.deleteProperty(ArrayBuffer.prototype, "transfer");
  });
}

/** More than the least that is freed by itself. */
const BUFFER_BYTES = 16 * 1024;

/** Copies a piece to somewhere in a buffer of its own, as it would be read from a socket. */
function inOwnBuffer(piece: Uint8Array, index: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(new ArrayBuffer(BUFFER_BYTES + piece.length), index % BUFFER_BYTES, piece.length);
  copy.set(piece);
  return copy;
}

/** Whether a buffer was freed. */
export const isFreed = ({ byteLength }: ArrayBuffer): boolean => byteLength === 0;

/** JSON that differs at every place, in ASCII, so that every way to read it gives the same bytes. */
export function distinctJson(length: number, start: number): string {
  return JSON.stringify(Array.from({ length: length / 6 }, (_, index) => 10_000 + ((start + index * 7) % 89_999)));
}

/** Lengths of pieces, small and large ones. The large one at the end bounds the number of pieces. */
export function pieceLengths(): fc.Arbitrary<number[]> {
  const length = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1000, max: 20_000 }));
  return fc.array(length, { maxLength: 6 }).map((some) => [...some, 5_000]);
}

/** Cuts bytes into pieces of these lengths, again and again. */
export function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let start = 0, index = 0; start < bytes.length; index++) {
    const end = start + lengths[index % lengths.length]!;
    pieces.push(bytes.subarray(start, end));
    start = end;
  }
  return pieces;
}

/** The records of several streams, in an order that the numbers choose. */
export function mixed(all: readonly (readonly FastCgiRecord[])[], order: readonly number[]): FastCgiRecord[] {
  const waiting = all.map((records) => [...records]);
  const records: FastCgiRecord[] = [];
  for (let index = 0; waiting.some(({ length }) => length > 0); index++) {
    const left = waiting.filter(({ length }) => length > 0);
    records.push(left[order[index % order.length]! % left.length]!.shift()!);
  }
  return records;
}

/** How the records of several requests come. */
export interface Delivery {
  readonly order: readonly number[];
  readonly cuts: readonly number[];
  /** Whether turns pass before a piece. */
  readonly pauses: readonly boolean[];
}

/** The members of a {@linkcode Delivery}, for `fc.record`. */
export const DELIVERY: { readonly [Name in keyof Delivery]: fc.Arbitrary<Delivery[Name]> } = {
  order: fc.array(fc.nat(9), { minLength: 1, maxLength: 9 }),
  cuts: pieceLengths(),
  pauses: fc.array(fc.boolean(), { minLength: 1, maxLength: 9 }),
};

/** A channel that a test drives. What is written to it comes to `enqueue`, record by record. */
export abstract class DrivenChannel implements ByteChannel, StageController<FastCgiRecord> {
  readonly #decoder = new RecordDecoder();
  #events!: ByteChannelEvents;
  start(events: ByteChannelEvents): void {
    this.#events = events;
  }
  pause(): void {}
  resume(): void {}
  write(pieces: readonly Uint8Array[]): undefined {
    for (const piece of pieces) this.#decoder.transform(new Uint8Array(piece), this);
  }
  async end(): Promise<void> {}
  close(): void {}
  abstract enqueue(record: FastCgiRecord): void;

  receive(piece: Uint8Array, isSole?: boolean): void {
    this.#events.onData(piece, isSole);
  }

  /**
   * Receives the records of several requests.
   *
   * @param isSole What the channel says of its pieces.
   * @returns The buffers of the pieces.
   */
  async receiveAll(
    all: readonly (readonly FastCgiRecord[])[],
    { order, cuts, pauses }: Delivery,
    isSole?: boolean,
  ): Promise<ArrayBuffer[]> {
    const buffers: ArrayBuffer[] = [];
    for (const [index, piece] of cut(encodeRecords(mixed(all, order)), cuts).entries()) {
      if (pauses[index % pauses.length]) await turns(1);
      const copy = inOwnBuffer(piece, index);
      buffers.push(copy.buffer);
      this.receive(copy, isSole);
    }
    return buffers;
  }
}

/** The type of every body. */
export const BODY_TYPE = "application/json;charset=utf-8";

/** Ways to read the body of a Request or Response, each of which returns all of its bytes. */
export const BODY_READERS = {
  text: async (message) => new TextEncoder().encode(await message.text()),
  json: async (message) => new TextEncoder().encode(JSON.stringify(await message.json())),
  arrayBuffer: async (message) => new Uint8Array(await message.arrayBuffer()),
  async blob(message) {
    const blob = await message.blob();
    expect(blob.type).toBe(BODY_TYPE);
    return new Uint8Array(await blob.arrayBuffer());
  },
  reader: (message, allSent) => keepAll(message.body!, allSent),
  async tee(message, allSent) {
    const [one, two] = message.body!.tee();
    const [bytes, same] = await Promise.all([keepAll(one, allSent), keepAll(two, allSent)]);
    expect(Buffer.compare(bytes, same)).toBe(0);
    return bytes;
  },
  async clone(message, allSent) {
    const [bytes, same] = await Promise.all([keepAll(message.clone().body!, allSent), message.arrayBuffer()]);
    expect(Buffer.compare(bytes, new Uint8Array(same))).toBe(0);
    return bytes;
  },
  async late(message) {
    await turns();
    return new TextEncoder().encode(await message.text());
  },
} satisfies Readonly<Record<string, BodyReader>>;

type BodyReader = (message: Request | Response, allSent: Promise<void>) => Promise<Uint8Array>;

/** Reads a stream, and looks at its pieces only when everything was sent. */
export async function keepAll(stream: ReadableStream<Uint8Array>, allSent: Promise<void>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  await allSent;
  return joined(...pieces);
}
