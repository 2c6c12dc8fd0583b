import { expect, it } from "vitest";
import { OrderedChannel } from "../../src/transport/ordered_channel.ts";
import { latin1 } from "../support/bytes.ts";
import { turns } from "../support/unhandled_rejections.ts";

/** A channel whose runtime notes what it is told. */
class Noting extends OrderedChannel {
  readonly told: string[] = [];
  write(): undefined {}
  async end(): Promise<void> {}
  protected override destroy(): void {
    this.told.push("destroy");
  }
  protected override startReading(): void {
    this.told.push("start");
  }
  protected override pauseSocket(): void {
    this.told.push("pause");
  }
  protected override resumeSocket(): void {
    this.told.push("resume");
  }
}

/** Gives a channel a receiver. Returns what the receiver is told, to which later calls are added. */
async function started(channel: OrderedChannel): Promise<readonly string[]> {
  const heard: string[] = [];
  channel.start({
    onData: (piece) => void heard.push(new TextDecoder().decode(piece)),
    onEnd: () => void heard.push("end"),
    onError: (error) => void heard.push(String(error)),
  });
  await turns();
  return heard;
}

it("OrderedChannel stays paused when it was paused before it has a receiver", async () => {
  const channel = new Noting();
  channel.pause();
  await started(channel);
  expect(channel.told).toEqual(["pause", "start", "pause"]);
});

it("OrderedChannel does not resume the socket before it has a receiver", async () => {
  const channel = new Noting();
  channel.pause();
  channel.resume();
  expect(channel.told).toEqual(["pause"]);
  await started(channel);
  expect(channel.told).toEqual(["pause", "start"]);
});

it("OrderedChannel keeps what comes before it has a receiver, in order, and pauses the socket until then", async () => {
  const channel = new Noting();
  channel.received(latin1("early"));
  channel.ended();
  channel.failed("broken");
  expect(new Set(channel.told)).toEqual(new Set(["pause"]));
  expect(await started(channel)).toEqual(["early", "end", "broken"]);
  expect(channel.told.slice(-2)).toEqual(["start", "resume"]);
});

it("OrderedChannel tells nothing when it was closed, before it has a receiver and afterwards", async () => {
  const channel = new Noting();
  channel.close();
  channel.close();
  channel.received(latin1("early"));
  channel.ended();
  const heard = await started(channel);
  channel.received(latin1("late"));
  channel.failed("broken");
  expect(heard).toEqual([]);
  expect(channel.told).toEqual(["destroy"]);
});
