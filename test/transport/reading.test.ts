import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { RecordType } from "../../src/protocol/constants.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { Reading, type ReadingHost } from "../../src/transport/reading.ts";
import { DrivenChannel } from "../support/driven_channel.ts";
import { deferred } from "../support/open_stream.ts";
import { bytesOf, record } from "../support/records.ts";

let now = 0;

// The clock is the test's, the timers are real: what decides is whether a turn of the event loop is over.
beforeEach(() => {
  now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
});

afterEach(() => vi.restoreAllMocks());

/** A channel that notes when its reading is paused. */
class Noting extends DrivenChannel {
  readonly told: string[] = [];
  readonly #waiting: (() => void)[] = [];

  override pause(): void {
    this.told.push("pause");
  }

  override resume(): void {
    this.told.push("resume");
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  resumed(): Promise<void> {
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }
}

/** A piece of input with one record, padded to a length. */
function piece(length: number): Uint8Array {
  return bytesOf(record(RecordType.Stdin, 1, new Uint8Array(length - 8)));
}

/** The reading of a connection to which each record takes so many milliseconds. */
function started(milliseconds: number, room?: Promise<void>) {
  const channel = new Noting();
  const records: FastCgiRecord[] = [];
  const host = {
    keptBytes: 0,
    onRecord(one: FastCgiRecord) {
      now += milliseconds;
      records.push(one);
      return room;
    },
    onPause() {},
    onResume: (pausedFor: number) => void channel.told.push(`${pausedFor} ms`),
  };
  return { channel, host, records, reading: new Reading(channel, host) };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

it("a connection that has worked for more than 10 ms of a turn is read again in the next turn", async () => {
  const { channel, reading } = started(11);
  reading.take(piece(4096), true);
  expect([channel.told, reading.isPaused]).toEqual([["pause"], true]);
  await channel.resumed();
  expect(reading.isPaused).toBe(false);
  reading.take(piece(4096), true);
  expect(channel.told).toEqual(["pause", "0 ms", "resume", "pause"]);
  await channel.resumed();
});

it("a connection that has worked for 10 ms of a turn is read on", () => {
  const { channel, reading } = started(10);
  reading.take(piece(4096), true);
  expect(channel.told).toEqual([]);
});

it("the content of a record is passed on as it comes, and the connection is between records behind the padding", () => {
  const { reading, records } = started(0);
  const bytes = bytesOf(record(RecordType.Stdin, 1, new Uint8Array(1001)));
  reading.take(bytes.slice(0, 508), true);
  expect(records.map(({ contentData }) => contentData.length)).toEqual([500]);
  expect(reading.isBetweenRecords).toBe(false);
  reading.take(bytes.slice(508, -1), true);
  expect(reading.isBetweenRecords).toBe(false);
  reading.take(bytes.slice(-1), true);
  expect(reading.isBetweenRecords).toBe(true);
});

it.each([
  ["freed when nothing of it is in use", true, 0, 1],
  ["kept when another view of it is in use", false, 0, 0],
  ["kept when its content is in use", true, 16_384, 0],
])("the memory of a piece is %s", (_, isSole, keeps, frees) => {
  const { reading, host } = started(0);
  const bytes = piece(16_384);
  let freed = 0;
  // Not every runtime has this method.
  Object.defineProperty(bytes.buffer, "transfer", { value: () => freed++ });
  vi.spyOn(host, "onRecord").mockImplementation(() => {
    host.keptBytes += keeps;
    return undefined;
  });
  reading.take(bytes, isSole);
  expect(freed).toBe(frees);
});

it("the work for several pieces of a turn is added up", async () => {
  const { channel, reading } = started(4);
  reading.take(piece(4096), true);
  reading.take(piece(4096), true);
  expect(channel.told).toEqual([]);
  reading.take(piece(4096), true);
  expect(channel.told).toEqual(["pause"]);
  await channel.resumed();
});

it("what other code does between two pieces of a turn counts, too", async () => {
  const { channel, reading } = started(0);
  reading.take(piece(4096), true);
  now += 11;
  reading.take(piece(4096), true);
  expect(channel.told).toEqual(["pause"]);
  await channel.resumed();
});

it("work in turns of its own is not added up", async () => {
  const { channel, reading } = started(6);
  for (let count = 0; count < 3; count++) {
    reading.take(piece(4096), true);
    await turn();
  }
  expect(channel.told).toEqual([]);
});

it("a small piece, behind which there is nothing to read, pauses nothing", () => {
  const { channel, reading } = started(100);
  reading.take(piece(4088), true);
  reading.take(piece(4088), true);
  expect(channel.told).toEqual([]);
});

it("a connection that also waits for room is read again when it has both", async () => {
  const { promise: room, resolve: giveRoom } = deferred();
  const { channel, reading } = started(11, room);
  reading.take(piece(4096), true);
  await turn();
  await turn();
  expect(channel.told).toEqual(["pause"]);
  now += 500;
  giveRoom();
  await channel.resumed();
  expect(channel.told).toEqual(["pause", "500 ms", "resume"]);
});

it("a connection is read again once when several records wait for the same room", async () => {
  const { promise: room, resolve: giveRoom } = deferred();
  const { channel, reading } = started(0, room);
  reading.take(piece(64), true);
  reading.take(piece(64), true);
  giveRoom();
  await turn();
  expect(channel.told).toEqual(["pause", "0 ms", "resume"]);
});

it("a connection that was closed before there is room is not read again", async () => {
  const { promise: room, resolve: giveRoom } = deferred();
  const { channel, reading } = started(0, room);
  reading.take(piece(64), true);
  reading.end();
  giveRoom();
  await turn();
  expect(channel.told).toEqual(["pause"]);
});

it("a connection that was closed in a pause is not read again, and leaves no timer", async () => {
  const cleared = vi.spyOn(globalThis, "clearTimeout");
  const set = vi.spyOn(globalThis, "setTimeout");
  const { channel, reading } = started(11);
  reading.take(piece(4096), true);
  expect(set).toHaveBeenCalledOnce();
  reading.end();
  expect(cleared).toHaveBeenCalledWith(set.mock.results[0]!.value);
  await turn();
  expect(channel.told).toEqual(["pause"]);
});

it("a connection that a record ends is not paused afterwards", () => {
  const channel = new Noting();
  const host: ReadingHost = {
    keptBytes: 0,
    onRecord() {
      now += 11;
      reading.end();
    },
    onPause: () => void channel.told.push("told the connection"),
    onResume() {},
  };
  const reading = new Reading(channel, host);
  reading.take(piece(4096), true);
  expect(channel.told).toEqual([]);
});
