import { Readable } from "node:stream";
import { runInNewContext } from "node:vm";
import type { ByteSourceInit } from "../../src/toolkit.ts";
import { streamOf } from "./streams.ts";

/** The same text in every form in which bytes may be given. Those that can be read only once are made anew by each call. */
export function sourceForms(text: string): [form: string, make: () => ByteSourceInit][] {
  const bytes = new TextEncoder().encode(text);
  const buffer = bytes.buffer.slice(0, bytes.length) as ArrayBuffer;
  const [first, second] = [bytes.subarray(0, 3), bytes.subarray(3)];
  return [
    ["string", () => text],
    ["Uint8Array", () => bytes],
    ["ArrayBuffer", () => buffer],
    ["DataView", () => new DataView(buffer)],
    ["part of a larger buffer", () => new DataView(Uint8Array.of(1, 2, ...bytes, 3).buffer, 2, bytes.length)],
    ["Blob", () => new Blob([text])],
    ["URLSearchParams", () => ({ __proto__: URLSearchParams.prototype, toString: () => text }) as never],
    ["ReadableStream", () => streamOf(first, second)],
    ["reader", () => streamOf(first, second).getReader()],
    [
      "generator",
      async function* () {
        yield first;
        yield second;
      },
    ],
    ["stream of Node", () => Readable.from([Buffer.from(first), Buffer.from(second)])],
    ["bytes of another realm", () => runInNewContext("new Uint8Array(bytes)", { bytes: [...bytes] }) as Uint8Array],
    [
      "stream with chunks of another realm",
      () => streamOf(runInNewContext("new Uint8Array(bytes)", { bytes: [...bytes] }) as Uint8Array),
    ],
  ];
}
