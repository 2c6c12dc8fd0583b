import { once } from "node:events";
import { connect, createServer, Socket } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { FastCgiHttpClient, FastCgiTcpConnector, FastCgiUnixConnector, serve } from "../../adapters/node/index.ts";
import { NodeChannel, tcpAddresses } from "../../adapters/node/socket.ts";
import { RecordDecoder, RecordType, type StreamConnection, toStreams } from "../../src/toolkit.ts";
import { connectionCases } from "../support/connection_cases.ts";
import { heldBytes } from "../support/memory.ts";
import { deferred } from "../support/open_stream.ts";
import { patternBytes } from "../support/pattern.ts";
import { waitUntil } from "../support/process.ts";
import { begin, bytesOf, params, record, request, stdin } from "../support/records.ts";
import { stable } from "../support/stable.ts";
import { drain, isSettled } from "../support/streams.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const MIB = 1024 * 1024;
let folder: TemporaryDirectory;
let sockets = 0;

beforeAll(async () => {
  folder = await createTemporaryDirectory("socket");
});

afterEach(() => {
  vi.restoreAllMocks();
});

afterAll(() => folder.remove());

type Target = { path: string } | { port: number; host: string };
const kinds = ["Unix", "TCP"] as const;

function targetOf(kind: (typeof kinds)[number]): Target {
  return kind === "Unix" ? { path: join(folder.path, `${++sockets}.sock`) } : { port: 0, host: "127.0.0.1" };
}

/** Both ends of a connection, until the test is over. */
async function socketPair(kind: (typeof kinds)[number]): Promise<[ours: Socket, peer: Socket]> {
  const server = createServer({ allowHalfOpen: true });
  const target = targetOf(kind);
  await once(server.listen(target), "listening");
  const accepted = once(server, "connection");
  const { port } = server.address() as { port: number };
  const peer = connect({ ...("path" in target ? target : { port, host: "127.0.0.1" }), allowHalfOpen: true });
  await once(peer, "connect");
  const [ours] = (await accepted) as [Socket];
  peer.on("error", () => {});
  onTestFinished(() => {
    ours.destroy();
    peer.destroy();
    server.close();
  });
  return [ours, peer];
}

/** A socket as streams. */
function streamsOf(socket: Socket): StreamConnection {
  return toStreams(new NodeChannel(socket));
}

for (const kind of kinds) {
  connectionCases(`net.Socket, ${kind}`, async () => {
    const [ours, peer] = await socketPair(kind);
    return [new NodeChannel(ours), new NodeChannel(peer)];
  });
}

describe.each(kinds)("NodeChannel on a %s socket", (kind) => {
  it(`readable fails and so do writes when we close (${kind})`, async () => {
    const [ours, peer] = await socketPair(kind);
    const { readable, writable, close } = streamsOf(ours);
    const reading = readable.getReader().read();
    const writer = writable.getWriter();
    const closed = once(peer.resume(), "close");
    peer.on("end", () => peer.end());
    await close();
    await close();
    await expect(reading).rejects.toThrow("The connection was closed");
    await expect(writer.write(new Uint8Array(1))).rejects.toThrow("The connection was closed");
    await closed;
  });

  it(`reset makes an error of the end, or says that it can't (${kind})`, async () => {
    const [ours, peer] = await socketPair(kind);
    const channel = new NodeChannel(ours);
    const reason = new Error("given up");
    const broken = once(peer.resume(), "error").then(([error]) => error as NodeJS.ErrnoException);
    if (kind === "TCP") {
      expect(channel.reset(reason)).toBe(true);
      expect(channel.reset(reason)).toBe(true);
      expect(await broken).toMatchObject({ code: "ECONNRESET" });
      expect(() => channel.write([new Uint8Array(1)])).toThrow(reason);
    } else {
      expect(channel.reset(reason)).toBe(false);
      const told = once(peer, "data");
      await channel.write([new Uint8Array(1)]);
      expect((await told)[0]).toHaveLength(1);
      broken.catch(() => {});
    }
  });

  it(`a write settles only when the peer reads when the buffers are full (${kind})`, async () => {
    const [ours, peer] = await socketPair(kind);
    peer.pause();
    const { writable } = streamsOf(ours);
    const writer = writable.getWriter();
    let taken = 0;
    const total = 32 * MIB;
    const writing = (async () => {
      for (; taken < total; taken += 65_536) await writer.write(new Uint8Array(65_536));
      await writer.close();
    })();
    // Systems keep some MiB for a TCP connection.
    expect(await stable(() => taken)).toBeLessThan(kind === "Unix" ? 2 * MIB : 16 * MIB);
    expect(ours.writableLength).toBeLessThanOrEqual(65_536);
    expect(await isSettled(writing)).toBe(false);
    let received = 0;
    peer.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    peer.resume();
    await Promise.all([writing, once(peer, "end")]);
    expect(received).toBe(total);
  });

  it(`the peer has to wait when nobody reads (${kind})`, async () => {
    const [ours, peer] = await socketPair(kind);
    const { readable } = streamsOf(ours);
    const total = 32 * MIB;
    for (let sent = 0; sent < total; sent += 65_536) peer.write(new Uint8Array(65_536));
    peer.end();
    const unsent = await stable(() => peer.writableLength);
    expect(total - unsent).toBeLessThan(kind === "Unix" ? 2 * MIB : 16 * MIB);
    // What was read ahead: at most two chunks and the one that came with them.
    expect(ours.bytesRead).toBeLessThanOrEqual(4 * 65_536);
    expect((await drain(readable)).bytes.length).toBe(total);
  });

  it(`nothing is thrown when the peer sends and half-closes after readable was cancelled (${kind})`, async () => {
    const [ours, peer] = await socketPair(kind);
    const { readable } = streamsOf(ours);
    await readable.cancel("enough");
    const ended = once(ours, "end");
    peer.end(Buffer.alloc(MIB));
    await ended;
    expect(ours.bytesRead).toBe(MIB);
  });

  it(`abort closes the connection when the writer gives up (${kind})`, async () => {
    const [ours, peer] = await socketPair(kind);
    const { writable } = streamsOf(ours);
    await writable.abort("enough");
    await once(peer.resume(), "end");
    expect(ours.destroyed).toBe(true);
  });
});

describe("a TCP connection that is reset", () => {
  it("readable and writable fail with the system's error when the peer resets", async () => {
    const [ours, peer] = await socketPair("TCP");
    const { readable, writable } = streamsOf(ours);
    const closed = writable.getWriter().closed;
    peer.resetAndDestroy();
    expect((await drain(readable)).error).toMatchObject({ code: "ECONNRESET" });
    await expect(closed).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  it("a write that waits fails when the peer resets", async () => {
    const [ours, peer] = await socketPair("TCP");
    peer.pause();
    const { writable } = streamsOf(ours);
    const writing = writable.getWriter().write(new Uint8Array(32 * MIB));
    expect(await isSettled(writing)).toBe(false);
    peer.resetAndDestroy();
    await expect(writing).rejects.toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) });
  });

  it("nothing is thrown when the peer resets and nobody reads or writes", async () => {
    const [ours, peer] = await socketPair("TCP");
    new NodeChannel(ours);
    peer.resetAndDestroy();
    await waitUntil(() => ours.closed);
    expect(ours.errored).toMatchObject({ code: "ECONNRESET" });
  });
});

describe("tcpAddresses", () => {
  it("tcpAddresses gives both ends when the socket is TCP", async () => {
    const [ours, peer] = await socketPair("TCP");
    expect(tcpAddresses(ours)).toEqual({
      remoteAddress: { hostname: "127.0.0.1", port: peer.localPort },
      localAddress: { hostname: "127.0.0.1", port: peer.remotePort },
    });
  });

  it("tcpAddresses gives nothing when the socket is a Unix socket", async () => {
    const [ours] = await socketPair("Unix");
    expect(tcpAddresses(ours)).toEqual({});
  });

  it("tcpAddresses writes an IPv4 address as one when the socket is for both kinds", () => {
    const socket = { remoteAddress: "::ffff:192.0.2.1", remotePort: 1, localAddress: "::ffff:192.0.2.2", localPort: 2 };
    expect(tcpAddresses(socket as Socket)).toEqual({
      remoteAddress: { hostname: "192.0.2.1", port: 1 },
      localAddress: { hostname: "192.0.2.2", port: 2 },
    });
  });
});

describe.each(kinds)("what a %s socket reads", (kind) => {
  it("NodeChannel gives bytes that are no Buffer, whose slice() would be no copy", async () => {
    const [ours, peer] = await socketPair(kind);
    const reader = streamsOf(ours).readable.getReader();
    peer.write("abc");
    const { value } = await reader.read();
    expect(value?.constructor).toBe(Uint8Array);
    expect([...value!]).toEqual([97, 98, 99]);
    await reader.cancel();
  });

  it("NodeChannel lets no memory be freed of which a piece is only a part", async () => {
    const [ours] = await socketPair(kind);
    const channel = new NodeChannel(ours);
    const freeable: (boolean | undefined)[] = [];
    channel.start({ onData: (_, isSole) => void freeable.push(isSole), onEnd() {}, onError() {} });
    await turns();
    ours.emit("data", Buffer.from("of the pool"));
    ours.emit("data", new Uint8Array(3));
    expect(freeable).toEqual([false, true]);
    channel.close();
  });
});

describe("TCP_NODELAY", () => {
  it("NodeChannel turns Nagle's algorithm off when we serve and when we connect", async () => {
    const delayed = new Set<Socket>();
    const setNoDelay = vi.spyOn(Socket.prototype, "setNoDelay").mockImplementation(function (this: Socket, on = true) {
      if (on) delayed.add(this);
      return this;
    });
    await using server = await serve({ port: 0, fetch: () => new Response("answered") });
    const client = new FastCgiHttpClient(new FastCgiTcpConnector(server.address as { port: number }));
    expect(await (await client.fetch("http://localhost/")).text()).toBe("answered");
    expect(setNoDelay).toHaveBeenCalled();
    // One socket of each side.
    expect(delayed.size).toBe(2);
  });
});

describe.each(kinds)("back-pressure of serve on a %s socket", (kind) => {
  /** An open connection to a server, from whose socket nothing is read. */
  async function connected(handler: (request: Request) => Promise<Response> | Response): Promise<Socket> {
    const target = targetOf(kind);
    const where = "path" in target ? target : { port: target.port };
    const server = await serve({
      ...where,
      maxStdinBytes: Number.POSITIVE_INFINITY,
      onError: () => {},
      fetch: handler,
    });
    const address = server.address as { path: string } | { port: number };
    const socket = connect("path" in address ? address : { port: address.port, host: "127.0.0.1" }).pause();
    onTestFinished(async () => {
      socket.destroy();
      await server.close({ timeout: 1 });
    });
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  }

  it(`serve takes no more of a response when the peer does not read (${kind})`, async () => {
    const total = 64 * MIB;
    let made = 0;
    const socket = await connected(() => {
      const body = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            controller.enqueue(patternBytes(65_536, made));
            made += 65_536;
            if (made >= total) controller.close();
          },
        },
        { highWaterMark: 0 },
      );
      return new Response(body);
    });
    const before = heldBytes();
    socket.write(bytesOf(request(1)));
    await waitUntil(() => made > 0);
    const taken = await stable(() => made);
    expect(taken).toBeLessThan(kind === "Unix" ? 2 * MIB : 16 * MIB);
    // Records on their way are all that is in this process.
    expect(heldBytes() - before).toBeLessThan(2 * MIB);
    const received = await bodyLength(socket);
    expect(received).toBe(total);
  });

  it(`serve stops the peer when the handler does not read (${kind})`, async () => {
    const total = 64 * MIB;
    const gate = deferred();
    const length = deferred<number>();
    const socket = await connected(async (incoming) => {
      await gate.promise;
      let count = 0;
      for await (const piece of incoming.body!) count += piece.length;
      length.resolve(count);
      return new Response();
    });
    const head = { REQUEST_METHOD: "POST", REQUEST_URI: "/", CONTENT_LENGTH: String(total) };
    socket.write(bytesOf(begin(1), params(1, head)));
    const content = patternBytes(32_768);
    const piece = bytesOf(record(RecordType.Stdin, 1, content));
    let sent = 0;
    const sending = (async () => {
      for (; sent < total; sent += content.length) {
        if (!socket.write(piece)) await once(socket, "drain");
      }
      socket.write(bytesOf(stdin(1)));
    })();
    const before = heldBytes();
    await waitUntil(() => sent > 0);
    expect(await stable(() => sent)).toBeLessThan(kind === "Unix" ? 4 * MIB : 20 * MIB);
    expect(heldBytes() - before).toBeLessThan(4 * MIB);
    expect(await isSettled(sending)).toBe(false);
    gate.resolve();
    await sending;
    expect(await length.promise).toBe(total);
  });
});

it("FastCgiHttpClient takes no more of a response when nobody reads its body", async () => {
  const path = join(folder.path, `${++sockets}.sock`);
  const total = 64 * MIB;
  let made = 0;
  await using server = await serve({
    path,
    fetch: () =>
      new Response(
        new ReadableStream(
          {
            pull(controller) {
              controller.enqueue(patternBytes(65_536, made));
              made += 65_536;
              if (made >= total) controller.close();
            },
          },
          { highWaterMark: 0 },
        ),
      ),
  });
  expect(server.address).toEqual({ path });
  const client = new FastCgiHttpClient(new FastCgiUnixConnector(path));
  const { body } = await client.fetch("http://localhost/");
  expect(await stable(() => made)).toBeLessThan(4 * MIB);
  let length = 0;
  for await (const piece of body!) length += piece.length;
  expect(length).toBe(total);
});

/** Reads a response to its FCGI_END_REQUEST; returns the bytes behind its header. */
async function bodyLength(socket: Socket): Promise<number> {
  const decoder = new RecordDecoder();
  let length = 0;
  let first = true;
  for await (const chunk of socket) {
    let ended = false;
    decoder.transform(chunk, {
      enqueue({ type, contentData }) {
        if (type === RecordType.EndRequest) ended = true;
        if (type !== RecordType.Stdout || contentData.length === 0) return;
        length += contentData.length;
        // The header block is in the first record.
        if (first) length -= Buffer.from(contentData).indexOf("\r\n\r\n") + 4;
        first = false;
      },
    });
    if (ended) break;
  }
  return length;
}
