import { expect, it } from "vitest";
import { RecordDecoder } from "../../src/codec/record_decoder.ts";
import { composeStages, type Stage, type StageController, toTransformer } from "../../src/codec/stage.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { hex, joined } from "../support/bytes.ts";
import { caught, DrivenRequestDecoder } from "../support/decoders.ts";
import { begin, bytesOf, record, request } from "../support/records.ts";
import { collected, isSettled, streamOf } from "../support/streams.ts";

/** Emits every character of a string. */
const characters: Stage<string, string> = {
  transform(piece, controller) {
    for (const character of piece) controller.enqueue(character);
  },
  flush(controller) {
    controller.enqueue(".");
  },
};

/** Doubles what it gets; asks for a pause at every `p`. */
class Doubler implements Stage<string, string> {
  readonly resume: (() => void)[] = [];

  transform(piece: string, controller: { enqueue(piece: string): void }): void | Promise<void> {
    controller.enqueue(piece + piece);
    if (piece === "p") return new Promise((resolve) => this.resume.push(resolve));
  }

  flush(controller: { enqueue(piece: string): void }): void {
    controller.enqueue("!");
  }
}

function collector(): { pieces: string[]; enqueue(piece: string): void } {
  const pieces: string[] = [];
  return { pieces, enqueue: (piece) => void pieces.push(piece) };
}

it("composeStages hands every piece of the first stage to the second at once", () => {
  const controller = collector();
  expect(composeStages(characters, new Doubler()).transform("ab", controller)).toBeUndefined();
  expect(controller.pieces).toEqual(["aa", "bb"]);
});

it.each([
  ["first", undefined, characters],
  ["first", { transform() {} }, characters],
  ["second", characters, { flush() {} }],
  ["second", characters, null],
])("composeStages refuses a %s that is no stage", (name, first, second) => {
  const message = `Cannot compose stages: expected ${name} to have transform and flush`;
  expect(() => composeStages(first as never, second as never)).toThrow(TypeError);
  expect(() => composeStages(first as never, second as never)).toThrow(message);
});

it("composeStages flushes the first stage, then the second", async () => {
  const controller = collector();
  await composeStages(characters, new Doubler()).flush(controller);
  expect(controller.pieces).toEqual(["..", "!"]);
});

it("composeStages works through the whole piece before it hands on a pause", async () => {
  const controller = collector();
  const doubler = new Doubler();
  const pause = composeStages(characters, doubler).transform("apbpc", controller)!;
  expect(controller.pieces).toEqual(["aa", "pp", "bb", "pp", "cc"]);
  expect(await isSettled(pause)).toBe(false);
  doubler.resume[0]!();
  expect(await isSettled(pause)).toBe(false);
  doubler.resume[1]!();
  expect(await isSettled(pause)).toBe(true);
});

it("composeStages asks for no pause when the last one is over", async () => {
  const doubler = new Doubler();
  const stage = composeStages(characters, doubler);
  expect(stage.transform("p", collector())).toBeInstanceOf(Promise);
  expect(stage.transform("a", collector())).toBeUndefined();
});

it("composeStages waits for a first stage that is asynchronous and for the pauses it leads to", async () => {
  const later: Stage<string, string> = {
    async transform(piece, controller) {
      await null;
      controller.enqueue(piece);
    },
    flush() {},
  };
  const controller = collector();
  const doubler = new Doubler();
  const pause = composeStages(later, doubler).transform("p", controller)!;
  expect(await isSettled(pause)).toBe(false);
  expect(controller.pieces).toEqual(["pp"]);
  doubler.resume[0]!();
  expect(await isSettled(pause)).toBe(true);
});

it("composeStages throws ever after when one of the stages has thrown", () => {
  const { decoder } = new DrivenRequestDecoder();
  const stage = composeStages(new RecordDecoder(), decoder);
  const nobody = { enqueue(): void {} };
  const bytes = joined(bytesOf(begin(1), begin(1)), hex("01 05 00 01"));
  const error = caught(() => stage.transform(bytes, nobody));
  // Less than a header: neither stage could tell by itself.
  expect(caught(() => stage.transform(hex("00 00"), nobody))).toBe(error);
});

it("composeStages can be composed again", () => {
  const bytes = bytesOf(request(1), record(4, 9, "x"));
  const { decoder } = new DrivenRequestDecoder();
  const none: Stage<FastCgiRecord, FastCgiRecord> = {
    transform: (piece, controller) => controller.enqueue(piece),
    flush() {},
  };
  const requests: unknown[] = [];
  const stage = composeStages(composeStages(new RecordDecoder(), none), decoder);
  stage.transform(bytes, { enqueue: (piece) => void requests.push(piece) });
  expect(requests).toHaveLength(1);
});

it("composeStages tells the first stage what the second waits for, and what its own output waits for", async () => {
  const room = Promise.resolve();
  const late = Promise.resolve();
  let controller!: StageController<string>;
  const first: Stage<string, string> = {
    transform(_, given) {
      controller = given;
    },
    flush() {},
  };
  const second: Stage<string, string> = { transform: (piece) => (piece === "slow" ? room : undefined), flush() {} };
  const errors: unknown[] = [];
  const stage = composeStages(first, second);
  const output = { enqueue() {}, ready: late, error: (reason: unknown) => void errors.push(reason) };
  stage.transform("start", output);
  controller.enqueue("slow");
  expect(controller.ready).toBe(room);
  controller.enqueue("fast");
  expect(controller.ready).toBe(late);
  const broken = new Error("broken");
  controller.error!(broken);
  expect(errors).toEqual([broken]);
  expect(() => stage.transform("more", output)).toThrow(broken);
});

it("composeStages fails by itself when its output can't be told of an error", () => {
  const broken = new Error("broken");
  const failing: Stage<string, string> = { transform: (_, { error }) => error?.call(undefined, broken), flush() {} };
  const given: StageController<string>[] = [];
  const first: Stage<string, string> = { transform: (_, controller) => void given.push(controller), flush() {} };
  const stage = composeStages(first, failing);
  stage.transform("start", collector());
  given[0]!.error!(broken);
  expect(() => stage.transform("more", collector())).toThrow(broken);
});

it("toTransformer makes a TransformStream of a stage", async () => {
  const stream = streamOf("ab", "c").pipeThrough(
    new TransformStream(toTransformer(characters, (): never => expect.unreachable())),
  );
  expect(await collected(stream)).toEqual(["a", "b", "c", "."]);
});

it("toTransformer tells of every end but that of the input", async () => {
  const failing: Stage<string, string> = {
    transform() {
      throw new Error("The stage is dead");
    },
    flush() {},
  };
  const told: unknown[] = [];
  const streamWith = (stage: Stage<string, string>) =>
    new TransformStream(toTransformer(stage, (cause) => void told.push(cause)));
  await expect(collected(streamOf("a").pipeThrough(streamWith(failing)))).rejects.toThrow("The stage is dead");
  await streamWith(characters).writable.abort("broken");
  await streamWith(characters).readable.cancel("enough");
  expect(told).toEqual([new Error("The stage is dead"), "broken", "enough"]);
});
