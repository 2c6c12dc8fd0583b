import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { RecordType } from "../../src/protocol/constants.ts";
import { Reading, type ReadingHost } from "../../src/transport/reading.ts";
import { DrivenChannel } from "../support/driven_channel.ts";
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
  const host: ReadingHost = {
    keptBytes: 0,
    onRecord() {
      now += milliseconds;
      return room;
    },
    onPause() {},
    onResume() {},
  };
  return { channel, reading: new Reading(channel, host) };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

it("a connection that has worked for more than 10 ms of a turn is read again in the next turn", async () => {
  const { channel, reading } = started(11);
  reading.take(piece(4096), true);
  expect(channel.told).toEqual(["pause"]);
  await channel.resumed();
  reading.take(piece(4096), true);
  expect(channel.told).toEqual(["pause", "resume", "pause"]);
  await channel.resumed();
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
  let giveRoom!: () => void;
  const room = new Promise<void>((resolve) => {
    giveRoom = resolve;
  });
  const { channel, reading } = started(11, room);
  reading.take(piece(4096), true);
  await turn();
  await turn();
  expect(channel.told).toEqual(["pause"]);
  giveRoom();
  await channel.resumed();
  expect(channel.told).toEqual(["pause", "resume"]);
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
