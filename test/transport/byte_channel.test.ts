import { describe, expect, it } from "vitest";
import {
  type ByteChannel,
  type ByteChannelEvents,
  ChannelConnection,
  type FastCgiConnection,
} from "../../src/toolkit.ts";
import { channelOf } from "../../src/transport/stream_channel.ts";
import { latin1 } from "../support/bytes.ts";
import { connectionPair } from "../support/memory_connection.ts";
import { waitUntil } from "../support/process.ts";
import { drain } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

/** Notes what a channel tells. */
class Notes implements ByteChannelEvents {
  readonly pieces: string[] = [];
  readonly errors: unknown[] = [];
  ended = 0;
  onData(piece: Uint8Array): void {
    this.pieces.push(Buffer.from(piece).toString("latin1"));
  }
  onEnd(): void {
    this.ended++;
  }
  onError(error: unknown): void {
    this.errors.push(error);
  }
}

describe("channelOf a connection of streams", () => {
  it("tells of pieces and the end, and writes pieces as one and the half-close", async () => {
    const [ours, peer] = connectionPair();
    const channel = channelOf(ours);
    const notes = new Notes();
    channel.start(notes);
    const writer = peer.writable.getWriter();
    await writer.write(latin1("one"));
    await writer.write(latin1("two"));
    await writer.close();
    await waitUntil(() => notes.ended === 1);
    expect(notes.pieces).toEqual(["one", "two"]);
    const received = drain(peer.readable);
    await channel.write([latin1("an"), latin1("swer")]);
    await channel.end();
    expect(Buffer.from((await received).bytes).toString()).toBe("answer");
    expect(notes).toMatchObject({ ended: 1, errors: [] });
  });

  it("tells nothing while it is paused, and goes on when it is resumed", async () => {
    const [ours, peer] = connectionPair();
    const channel = channelOf(ours);
    const notes = new Notes();
    channel.start(notes);
    const writer = peer.writable.getWriter();
    await writer.write(latin1("one"));
    await waitUntil(() => notes.pieces.length === 1);
    channel.pause();
    void writer.write(latin1("under way"));
    void writer.write(latin1("later"));
    await turns();
    expect(notes.pieces.length).toBeLessThanOrEqual(2);
    expect(notes.pieces).not.toContain("later");
    channel.resume();
    await waitUntil(() => notes.pieces.includes("later"));
    expect(notes.pieces).toEqual(["one", "under way", "later"]);
  });

  it("tells of a connection that breaks once, and its writes reject", async () => {
    const [ours, peer] = connectionPair();
    const channel = channelOf(ours);
    const notes = new Notes();
    channel.start(notes);
    void peer.close();
    await waitUntil(() => notes.errors.length > 0);
    await expect(channel.write([latin1("x")])).rejects.toThrow("The connection was closed");
    expect(notes).toMatchObject({ ended: 0, pieces: [] });
    expect(notes.errors).toHaveLength(1);
  });

  it("tells nothing more when it was closed, and closes the connection once", async () => {
    const [ours, peer] = connectionPair();
    const channel = channelOf(ours);
    const notes = new Notes();
    channel.start(notes);
    const writing = peer.writable.getWriter().write(latin1("late"));
    channel.close("enough");
    channel.close("again");
    await writing.catch(() => {});
    await turns();
    expect(ours.isClosed).toBe(true);
    expect(notes).toMatchObject({ pieces: [], ended: 0, errors: [] });
  });
});

/** A channel that a test drives. */
class ManualChannel implements ByteChannel {
  events: ByteChannelEvents | null = null;
  readonly calls: string[] = [];
  start(events: ByteChannelEvents): void {
    this.events = events;
  }
  pause(): void {
    this.calls.push("pause");
  }
  resume(): void {
    this.calls.push("resume");
  }
  write(pieces: readonly Uint8Array[]): undefined {
    this.calls.push(`write ${pieces.map((piece) => Buffer.from(piece).toString()).join("|")}`);
  }
  async end(): Promise<void> {
    this.calls.push("end");
  }
  close(reason: unknown): void {
    this.calls.push(`close ${reason instanceof Error ? reason.message : String(reason)}`);
  }
}

describe("ChannelConnection", () => {
  it("makes no streams before they are asked for", () => {
    const channel = new ManualChannel();
    const connection = new ChannelConnection(channel, { remoteAddress: { hostname: "127.0.0.1", port: 1 } });
    expect(connection.remoteAddress).toEqual({ hostname: "127.0.0.1", port: 1 });
    expect(channelOf(connection)).toBe(channel);
    expect(channel.events).toBeNull();
  });

  it("its streams carry the bytes, pause the channel when nobody reads, and end", async () => {
    const channel = new ManualChannel();
    const { readable, writable } = new ChannelConnection(channel);
    for (const piece of ["a", "b", "c"]) channel.events!.onData(latin1(piece));
    expect(channel.calls).toEqual(["pause"]);
    channel.events!.onEnd();
    expect(Buffer.from((await drain(readable)).bytes).toString()).toBe("abc");
    const writer = writable.getWriter();
    await writer.write(latin1("answer"));
    await writer.close();
    expect(channel.calls.slice(1)).toEqual(["write answer", "end"]);
  });

  it("its streams resume the channel when somebody reads again", async () => {
    const channel = new ManualChannel();
    const reader = new ChannelConnection(channel).readable.getReader();
    for (const piece of ["a", "b"]) channel.events!.onData(latin1(piece));
    await reader.read();
    await reader.read();
    await turns();
    expect(channel.calls).toEqual(["pause", "resume"]);
  });

  it("its streams drop what comes when readable was cancelled, so that the end is seen", async () => {
    const channel = new ManualChannel();
    const { readable } = new ChannelConnection(channel);
    for (const piece of ["a", "b"]) channel.events!.onData(latin1(piece));
    await readable.cancel("enough");
    channel.events!.onData(latin1("c"));
    channel.events!.onEnd();
    expect(channel.calls).toEqual(["pause", "resume"]);
  });

  it("its streams fail when the channel breaks", async () => {
    const channel = new ManualChannel();
    const { readable, writable } = new ChannelConnection(channel);
    const broken = new Error("broken");
    channel.events!.onError(broken);
    expect((await drain(readable)).error).toBe(broken);
    await expect(writable.getWriter().write(latin1("x"))).rejects.toBe(broken);
  });

  it("a copy of it has its streams and not its channel, so that a wrapper sees every byte and the close", async () => {
    const channel = new ManualChannel();
    const connection = new ChannelConnection(channel);
    let closed = 0;
    const seen: string[] = [];
    const tap = new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        seen.push(Buffer.from(piece).toString());
        controller.enqueue(piece);
      },
    });
    const wrapped: FastCgiConnection = {
      ...connection,
      readable: connection.readable.pipeThrough(tap),
      close() {
        closed++;
        connection.close();
      },
    };
    const notes = new Notes();
    const wrapper = channelOf(wrapped);
    wrapper.start(notes);
    channel.events!.onData(latin1("tapped"));
    await waitUntil(() => notes.pieces.length === 1);
    await wrapper.write([latin1("answer")]);
    wrapper.close("enough");
    expect(seen).toEqual(["tapped"]);
    expect(channel.calls.slice(0, 2)).toEqual(["write answer", "close enough"]);
    expect(closed).toBe(1);
  });

  it("close fails its streams and closes the channel", async () => {
    const channel = new ManualChannel();
    const { readable, close } = new ChannelConnection(channel);
    close();
    expect((await drain(readable)).error).toMatchObject({ message: "The connection was closed" });
    expect(channel.calls).toEqual(["close The connection was closed"]);
  });
});
