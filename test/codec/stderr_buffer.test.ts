import { expect, it } from "vitest";
import { StderrBuffer } from "../../src/codec/stderr_buffer.ts";
import { bytewise, chunksOf, latin1 } from "../support/bytes.ts";
import { heldBytes } from "../support/memory.ts";
import { patternBytes } from "../support/pattern.ts";
import { drain, isSettled } from "../support/streams.ts";

it("StderrBuffer gives out what was pushed, as text and as a stream", async () => {
  const bytes = patternBytes(10_000);
  for (const size of [1, 1000, 1024, 1025, 10_000]) {
    const buffer = new StderrBuffer(1e6);
    for (const piece of chunksOf(bytes, size)) expect(buffer.push(piece)).toBe(piece.length);
    buffer.end();
    expect(await drain(buffer.stream)).toEqual({ bytes, error: null });
    expect(buffer.text).toBe(Buffer.from(bytes).toString("utf8"));
    expect(buffer.isTruncated).toBe(false);
  }
});

it("StderrBuffer keeps the bytes and not the chunk that they came in", () => {
  const buffer = new StderrBuffer(100);
  for (const chunk of bytewise(latin1("caf\xc3\xa9"))) buffer.push(chunk);
  expect(buffer.text).toBe("café");
});

it("StderrBuffer keeps up to maxBytes and says that the rest is missing", () => {
  const buffer = new StderrBuffer(5.5);
  expect([buffer.push(latin1("abc")), buffer.push(latin1("de")), buffer.isTruncated]).toEqual([3, 2, false]);
  expect([buffer.push(latin1("")), buffer.isTruncated]).toEqual([0, false]);
  expect([buffer.push(latin1("f")), buffer.isTruncated, buffer.text]).toEqual([0, true, "abcde"]);
  const other = new StderrBuffer(5);
  expect([other.push(latin1("abcdefg")), other.isTruncated, other.text]).toEqual([5, true, "abcde"]);
});

it("StderrBuffer has no other limit when maxBytes is Infinity", () => {
  const buffer = new StderrBuffer(Number.POSITIVE_INFINITY);
  expect(buffer.push(new Uint8Array(3_000_000))).toBe(3_000_000);
  expect(buffer.isTruncated).toBe(false);
});

it("StderrBuffer's stream waits for what is to come, and gives all of it in one piece", async () => {
  const buffer = new StderrBuffer(100);
  const reader = buffer.stream.getReader();
  const first = reader.read();
  expect(await isSettled(first)).toBe(false);
  buffer.push(latin1("a"));
  expect((await first).value).toEqual(latin1("a"));
  for (const piece of ["b", "c", "d"]) buffer.push(latin1(piece));
  expect((await reader.read()).value).toEqual(latin1("bcd"));
  const end = reader.read();
  expect(await isSettled(end)).toBe(false);
  buffer.end();
  expect((await end).done).toBe(true);
  expect(buffer.text).toBe("abcd");
});

it("StderrBuffer's stream can be cancelled, and the text goes on", async () => {
  for (const waits of [false, true]) {
    const buffer = new StderrBuffer(100);
    const reader = buffer.stream.getReader();
    const read = waits ? reader.read() : null;
    await reader.cancel("enough");
    buffer.push(latin1("abc"));
    buffer.end();
    expect(buffer.text).toBe("abc");
    if (read !== null) expect((await read).done).toBe(true);
  }
});

it("StderrBuffer ends the read that waits when it is cancelled, and gives nothing of what is kept or comes later", async () => {
  const waiting = new StderrBuffer(100);
  const read = waiting.read();
  waiting.cancel();
  expect((await read).done).toBe(true);
  const filled = new StderrBuffer(100);
  filled.push(latin1("abc"));
  filled.cancel();
  expect((await filled.read()).done).toBe(true);
  expect(filled.text).toBe("abc");
});

it("StderrBuffer holds little more than its bytes, however small the pieces are", () => {
  const piece = latin1("x");
  const before = heldBytes();
  const buffer = new StderrBuffer(256 * 1024);
  for (let count = 0; count < 300_000; count++) buffer.push(piece);
  const held = heldBytes() - before;
  expect(buffer.isTruncated).toBe(true);
  // A queue of the pieces held 60 MB.
  expect(held).toBeLessThan(1024 * 1024);
  expect(buffer.text.length).toBe(256 * 1024);
});
