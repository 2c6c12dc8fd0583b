import { expect, it } from "vitest";
import type { ByteChannelEvents } from "../../src/transport/byte_channel.ts";
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

/** Notes what a channel tells its receiver. */
function receiver(): ByteChannelEvents & { readonly heard: string[] } {
  const heard: string[] = [];
  return {
    heard,
    onData: (piece) => void heard.push(new TextDecoder().decode(piece)),
    onEnd: () => void heard.push("end"),
    onError: (error) => void heard.push(String(error)),
  };
}

it("OrderedChannel stays paused when it was paused before it has a receiver", async () => {
  const channel = new Noting();
  channel.pause();
  channel.start(receiver());
  await turns();
  expect(channel.told).toEqual(["pause", "start", "pause"]);
});

it("OrderedChannel does not resume the socket before it has a receiver", async () => {
  const channel = new Noting();
  channel.pause();
  channel.resume();
  expect(channel.told).toEqual(["pause"]);
  channel.start(receiver());
  await turns();
  expect(channel.told).toEqual(["pause", "start"]);
});

it("OrderedChannel keeps what comes before it has a receiver, in order, and pauses the socket until then", async () => {
  const channel = new Noting();
  channel.received(latin1("early"));
  channel.ended();
  channel.failed("broken");
  const events = receiver();
  channel.start(events);
  await turns();
  expect(events.heard).toEqual(["early", "end", "broken"]);
});

it("OrderedChannel tells nothing when it was closed, before it has a receiver and afterwards", async () => {
  const channel = new Noting();
  channel.close();
  channel.close();
  channel.received(latin1("early"));
  channel.ended();
  const events = receiver();
  channel.start(events);
  await turns();
  channel.received(latin1("late"));
  channel.failed("broken");
  expect(events.heard).toEqual([]);
  expect(channel.told).toEqual(["destroy"]);
});
