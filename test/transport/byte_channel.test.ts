import { describe, expect, it } from "vitest";
import {
  type ByteChannel,
  type ByteChannelEvents,
  FastCgiClient,
  type FastCgiConnection,
  FastCgiServer,
  failover,
  fromStreams,
  type StreamConnection,
  toStreams,
} from "../../src/toolkit.ts";

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

describe("fromStreams", () => {
  it("tells of pieces and the end, and writes pieces as one and the half-close", async () => {
    const [ours, peer] = connectionPair();
    const channel = fromStreams(ours);
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

  it("takes streams for streams when the object has other methods, such as start", async () => {
    const [ours, peer] = connectionPair();
    const channel = fromStreams({ ...ours, start: () => {} } as StreamConnection);
    const received = drain(peer.readable);
    await channel.write([latin1("answer")]);
    await channel.end();
    expect(Buffer.from((await received).bytes).toString()).toBe("answer");
  });

  it("tells nothing while it is paused, and goes on when it is resumed", async () => {
    const [ours, peer] = connectionPair();
    const channel = fromStreams(ours);
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
    const channel = fromStreams(ours);
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
    const channel = fromStreams(ours);
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

describe("toStreams", () => {
  it("carries the bytes, pauses the channel when the streams are not read, and ends", async () => {
    const channel = new ManualChannel();
    const { readable, writable } = toStreams(channel);
    for (const piece of ["a", "b", "c"]) channel.events!.onData(latin1(piece));
    expect(channel.calls).toEqual(["pause"]);
    channel.events!.onEnd();
    expect(Buffer.from((await drain(readable)).bytes).toString()).toBe("abc");
    const writer = writable.getWriter();
    await writer.write(latin1("answer"));
    await writer.close();
    expect(channel.calls.slice(1)).toEqual(["write answer", "end"]);
  });

  it("resumes the channel when the streams are read again", async () => {
    const channel = new ManualChannel();
    const reader = toStreams(channel).readable.getReader();
    for (const piece of ["a", "b"]) channel.events!.onData(latin1(piece));
    await reader.read();
    await reader.read();
    await turns();
    expect(channel.calls).toEqual(["pause", "resume"]);
  });

  it("drops what comes when readable was cancelled, so that the end is seen", async () => {
    const channel = new ManualChannel();
    const { readable } = toStreams(channel);
    for (const piece of ["a", "b"]) channel.events!.onData(latin1(piece));
    await readable.cancel("enough");
    channel.events!.onData(latin1("c"));
    channel.events!.onEnd();
    expect(channel.calls).toEqual(["pause", "resume"]);
  });

  it("fails the streams when the channel breaks", async () => {
    const channel = new ManualChannel();
    const { readable, writable } = toStreams(channel);
    const broken = new Error("broken");
    channel.events!.onError(broken);
    expect((await drain(readable)).error).toBe(broken);
    await expect(writable.getWriter().write(latin1("x"))).rejects.toBe(broken);
  });

  it("fails the streams and closes the channel when they are closed", async () => {
    const channel = new ManualChannel();
    const { readable, close } = toStreams(channel);
    void close();
    expect((await drain(readable)).error).toMatchObject({ message: "The connection was closed" });
    expect(channel.calls).toEqual(["close The connection was closed"]);
  });

  it("gives the streams and the addresses of a connection that has streams, as own properties", async () => {
    class Socket implements StreamConnection {
      #closed = 0;
      get readable(): ReadableStream<Uint8Array> {
        return ours.readable;
      }
      get writable(): WritableStream<Uint8Array> {
        return ours.writable;
      }
      get remoteAddress() {
        return { path: "/run/test.sock" };
      }
      get closed() {
        return this.#closed;
      }
      close(): void {
        this.#closed++;
      }
    }
    const [ours] = connectionPair();
    const socket = new Socket();
    const copy = { ...toStreams(socket) };
    expect(copy).toMatchObject({
      readable: ours.readable,
      writable: ours.writable,
      remoteAddress: socket.remoteAddress,
    });
    await copy.close();
    expect(socket.closed).toBe(1);
  });
});

/** Passes a connection of either kind on, and notes what is received. */
function tapped(connection: FastCgiConnection, seen: string[]): FastCgiConnection {
  const streams = toStreams(connection);
  const tap = new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, controller) {
      seen.push(Buffer.from(piece).toString());
      controller.enqueue(piece);
    },
  });
  return {
    ...streams,
    readable: streams.readable.pipeThrough(tap),
    close() {
      seen.push("closed");
      return streams.close();
    },
  };
}

describe("a wrapper of a connection", () => {
  it("sees every byte and the close when it wraps a channel", async () => {
    const channel = new ManualChannel();
    const seen: string[] = [];
    const notes = new Notes();
    const wrapper = fromStreams(tapped(tapped(channel, []), seen));
    wrapper.start(notes);
    channel.events!.onData(latin1("tapped"));
    await waitUntil(() => notes.pieces.length === 1);
    await wrapper.write([latin1("answer")]);
    wrapper.close("enough");
    expect(seen).toEqual(["tapped", "closed"]);
    expect(channel.calls.slice(0, 2)).toEqual(["write answer", "close enough"]);
  });

  it("sees every byte and the close when it wraps streams", async () => {
    const [ours, peer] = connectionPair();
    const seen: string[] = [];
    const notes = new Notes();
    const wrapper = fromStreams(tapped(ours, seen));
    wrapper.start(notes);
    void peer.writable.getWriter().write(latin1("tapped"));
    await waitUntil(() => notes.pieces.length === 1);
    wrapper.close("enough");
    expect(seen).toEqual(["tapped", "closed"]);
    expect(ours.isClosed).toBe(true);
  });
});

describe("what is no connection", () => {
  const [ours] = connectionPair();
  const expected = "Cannot use a connection: expected either two streams, readable and writable, or the calls";
  const wrong: [what: string, value: unknown, got: string][] = [
    ["undefined", undefined, "got undefined"],
    ["a socket of Node", { readable: true, writable: true, write() {}, close() {} }, "got Object"],
    ["a readable stream", ours.readable, "got ReadableStream"],
    ["streams without close", { readable: ours.readable, writable: ours.writable }, "got Object"],
    ["both kinds", { ...ours, start() {}, write() {} }, "got streams and calls in one object"],
  ];

  it.each(wrong)("%s is refused by fromStreams, toStreams, FastCgiServer and FastCgiClient", async (_, value, got) => {
    const connection = value as FastCgiConnection;
    const message = new RegExp(`^${expected}.*${got}$`);
    expect(() => fromStreams(connection)).toThrow(message);
    expect(() => toStreams(connection)).toThrow(message);
    const server = new FastCgiServer(() => ({}));
    await expect(server.serve(connection)).rejects.toThrow(message);
    expect(server.status.connections).toBe(0);
    const failures: unknown[] = [];
    const connector = { connect: async () => connection };
    for (const each of [connector, failover([connector], { onFailure: (error) => failures.push(error) })]) {
      const client = new FastCgiClient(each, { maxConnectRetries: 0 });
      const sent = client.send({ params: [] });
      await expect(sent).rejects.toMatchObject({ code: "connectFailed", message: expect.stringContaining(expected) });
      expect(client.status).toMatchObject({ connections: 0, waiting: 0 });
      await client.close();
    }
    expect(failures).toEqual([expect.any(TypeError)]);
  });
});
