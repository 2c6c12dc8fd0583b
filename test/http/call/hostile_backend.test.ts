// Bad answers over real TCP. What they lead to is a typed error in bounded time and memory, and never another request's bytes:
// after each of them the same client asks the same application again, which behaves, and must get its own answer.

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FastCgiTcpConnector } from "../../../adapters/node/index.ts";
import {
  encodeEndRequestBody,
  encodeNameValuePairs,
  FastCgiError,
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  ProtocolStatus,
  RecordType,
} from "../../../src/toolkit.ts";
import { joined, latin1 } from "../../support/bytes.ts";
import { pass, useFakeTime } from "../../support/fake_time.ts";
import { heldBytes } from "../../support/memory.ts";
import { deferred } from "../../support/open_stream.ts";
import { waitUntil } from "../../support/process.ts";
import { bytesOf, record } from "../../support/records.ts";
import { stable } from "../../support/stable.ts";
import { drain } from "../../support/streams.ts";
import {
  type BackendConnection,
  type BackendHandler,
  type BackendRequest,
  TcpBackend,
} from "../../support/tcp_backend.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();
useFakeTime();

const MIB = 1024 * 1024;

/** What the application does with a request for `/hostile`. */
let hostile: (request: BackendRequest) => unknown = () => {};
/** What it does with a request for another path. */
const deeds = new Map<string, BackendHandler>();
/** What it does with a new connection. */
let greet: (connection: BackendConnection) => unknown = () => {};
let backend: TcpBackend;
const clients: FastCgiHttpClient[] = [];

/** How many bad deeds have come to their end in this test. */
let deedsDone = 0;
/** The ends of the connections of this test: the application's, and the client's. */
const connections: BackendConnection[] = [];
const clientSockets: Socket[] = [];
const noteSocket = (message: unknown): void => void clientSockets.push((message as { socket: Socket }).socket);

beforeAll(async () => {
  subscribe("net.client.socket", noteSocket);
  const behave = async ({ id, uri, stdin, connection }: BackendRequest): Promise<void> => {
    await stdin;
    await connection.send(text(id, `X-A: 1\r\n\r\nanswer to ${uri}`), over(id));
  };
  backend = await TcpBackend.start(
    async (request) => {
      const deed = request.uri === "/hostile" ? hostile : deeds.get(request.uri);
      await (deed ?? behave)(request);
      if (deed !== undefined) deedsDone++;
    },
    (connection) => {
      connections.push(connection);
      void greet(connection);
    },
  );
});

afterEach(() => {
  hostile = () => {};
  greet = () => {};
  for (const client of clients.splice(0)) void client.close();
  deedsDone = 0;
  connections.length = 0;
  clientSockets.length = 0;
});

afterAll(async () => {
  unsubscribe("net.client.socket", noteSocket);
  await backend.close();
});

function clientOf(options: FastCgiHttpClientOptions = {}): FastCgiHttpClient {
  const client = new FastCgiHttpClient(new FastCgiTcpConnector({ port: backend.port }), {
    onStderr: () => {},
    ...options,
  });
  clients.push(client);
  return client;
}

/** Waits until a number of bad deeds are done, and the client has read what came of them. Then its timeouts run out. */
async function runOutOfTime(deedsExpected = 1): Promise<void> {
  await waitUntil(() => deedsDone >= deedsExpected);
  const sent = new Map(connections.map(({ port, sent }) => [port, sent]));
  const isRead = ({ localPort, bytesRead }: Socket): boolean => bytesRead >= (sent.get(localPort!) ?? 0);
  await waitUntil(() => clientSockets.every((socket) => socket.destroyed || isRead(socket)));
  await pass(PATIENCE);
}

let count = 0;

/** The same client gets its own answer from the same application. */
async function expectGood(client: FastCgiHttpClient): Promise<void> {
  const path = `/good?${++count}`;
  expect(await outcomeOf(client.fetch(`http://a.test${path}`))).toBe(`answer to ${path}`);
}

/** The text of a response, or what it failed with. */
async function outcomeOf(result: Promise<Response>): Promise<unknown> {
  try {
    const { bytes, error } = await drain((await result).body!);
    const body = Buffer.from(bytes).toString("latin1");
    if (error === null) return body;
    expect(body).not.toContain("answer to");
    return error;
  } catch (error) {
    return error;
  }
}

/** One record of `content`, which is text of one byte per character. */
function raw(type: number, id: number, content: string | Uint8Array = ""): Uint8Array {
  return bytesOf(record(type, id, typeof content === "string" ? latin1(content) : content));
}

const text = (id: number, content: string): Uint8Array => raw(RecordType.Stdout, id, content);

const over = (id: number, protocolStatus: number = ProtocolStatus.RequestComplete): Uint8Array =>
  raw(RecordType.EndRequest, id, encodeEndRequestBody({ appStatus: 0, protocolStatus }));

/** FCGI_STDOUT in records of one byte. */
const bytewise = (id: number, content: string): Uint8Array =>
  joined(...[...content].map((character) => text(id, character)));

/** A whole response. */
const page = (id: number, output: string): Uint8Array => joined(text(id, output), over(id));

const good = (id: number): Uint8Array => page(id, "X-A: 1\r\n\r\ngood");

/** The bytes of an answer, and what they lead to: a body, or a code and a message. */
type Row = readonly [name: string, answer: (id: number) => Uint8Array, expected: string | readonly [string, RegExp]];

const RECORDS: readonly Row[] = [
  ["is for another id", (id) => good(id + 1), ["protocol", /STDOUT: request \d+ was not begun/]],
  ["ends another id", (id) => over(id + 1), ["protocol", /END_REQUEST: request \d+ was not begun/]],
  [
    "has FCGI_STDOUT of id 0",
    () => text(0, "X-A: 1\r\n\r\n"),
    ["protocol", /Cannot read a \w+ record: it has request id 0/],
  ],
  ["has FCGI_END_REQUEST of id 0", () => over(0), ["protocol", /it has request id 0/]],
  ["has two FCGI_END_REQUEST", (id) => joined(good(id), over(id)), "good"],
  ["has output behind its end", (id) => joined(good(id), text(id, "more"), over(id)), "good"],
  ["has the answer to the next request behind its end", (id) => joined(good(id), good(id + 1)), "good"],
  ["has half a record behind its end", (id) => joined(good(id), good(id + 1).subarray(0, 12)), "good"],
  ["has rubbish behind its end", (id) => joined(good(id), latin1("rubbish that is no record")), "good"],
  ["ends at once", (id) => over(id), ["malformedResponse", /it is empty/]],
  ["has a record of a type that nobody knows", (id) => raw(99, id), ["protocol", /type 99: applications do not send/]],
  ["has a management record that nobody knows", () => raw(99, 0), ["protocol", /record: it has request id 0/]],
  ["has management records that nobody asked for", (id) => joined(management(), good(id), management()), "good"],
  [
    "is FCGI_BEGIN_REQUEST",
    (id) => raw(RecordType.BeginRequest, id, "\0\x01\0\0\0\0\0\0"),
    ["protocol", /do not send it/],
  ],
  ["is FCGI_ABORT_REQUEST", (id) => raw(RecordType.AbortRequest, id), ["protocol", /do not send it/]],
  ["is FCGI_PARAMS", (id) => raw(RecordType.Params, id, "\x01\x01ab"), ["protocol", /do not send it/]],
  ["is FCGI_STDIN", (id) => raw(RecordType.Stdin, id, "abc"), ["protocol", /do not send it/]],
  ["has junk in every reserved byte", (id) => junked(good(id)), "good"],
  [
    "has 65,535 bytes and 255 of padding",
    (id) => joined(text(id, "X: 1\n\n"), padded(id), over(id)),
    "x".repeat(65_535),
  ],
  ["has FCGI_END_REQUEST without a body", (id) => raw(3, id), ["protocol", /expected 8 bytes, got 0/]],
  ["has FCGI_END_REQUEST of 4 bytes", (id) => raw(3, id, "\0\0\0\0"), ["protocol", /expected 8 bytes, got 4/]],
  ["has FCGI_END_REQUEST of 16 bytes", (id) => joined(text(id, "X: 1\n\na"), raw(3, id, "\0".repeat(16))), "a"],
  [
    "has output behind the end of its output",
    (id) => joined(text(id, "X: 1\n\n"), text(id, ""), good(id)),
    ["protocol", /in state stdout ended/],
  ],
  ["has the end of its output twice", (id) => joined(text(id, "X: 1\n\na"), text(id, ""), text(id, ""), over(id)), "a"],
  ["has 50,000 empty records", (id) => joined(...Array(50_000).fill(raw(RecordType.Stderr, id)), good(id)), "good"],
  ["refuses for too much load", (id) => over(id, ProtocolStatus.Overloaded), ["overloaded", /it is overloaded/]],
  ["refuses to multiplex", (id) => over(id, ProtocolStatus.CantMpxConn), ["cantMultiplex", /one request at a time/]],
  ["refuses the role", (id) => over(id, ProtocolStatus.UnknownRole), ["unknownRole", /does not know the role/]],
  ["refuses for reasons of its own", (id) => over(id, 200), ["protocol", /of protocol status 200/]],
  [
    "refuses in the middle",
    (id) => joined(text(id, "X: 1\n\na"), over(id, ProtocolStatus.Overloaded)),
    ["overloaded", /it is overloaded/],
  ],
  ["has a version 0", (id) => versioned(0, good(id)), ["protocol", /expected version 1, got 0/]],
  ["has a version 2", (id) => versioned(2, good(id)), ["protocol", /expected version 1, got 2/]],
  [
    "is HTTP",
    () => latin1("HTTP/1.1 400 Bad Request\r\n\r\n"),
    ["protocol", /got 72 \(is the peer speaking FastCGI\?\)/],
  ],
  ["is TLS", () => latin1("\x16\x03\x03\0\x5a\x02\0\0\x56"), ["protocol", /got 22/]],
  [
    "turns into rubbish",
    (id) => joined(text(id, "X: 1\n\na"), latin1("rubbish that is no record")),
    ["protocol", /got 114/],
  ],
];

const HEADERS: readonly Row[] = [
  ["has no header", (id) => page(id, "just text"), ["malformedResponse", /it has no end of header/]],
  [
    "has a line without a colon",
    (id) => page(id, "X-A: 1\r\nno colon\r\n\r\n"),
    ["malformedResponse", /"no colon" has no name/],
  ],
  ["has a name that is none", (id) => page(id, "X A: 1\r\n\r\n"), ["malformedResponse", /"X A: 1" has no name/]],
  ["has no name", (id) => page(id, ": 1\r\n\r\n"), ["malformedResponse", /": 1" has no name/]],
  ["has a NUL in a name", (id) => page(id, "X\0: 1\r\n\r\n"), ["malformedResponse", /has no name/]],
  ["has a NUL in a value", (id) => page(id, "X: \0\r\n\r\n"), ["malformedResponse", /x holds a control byte/]],
  ["has a bare CR", (id) => page(id, "X: 1\rY: 2\r\n\r\n"), ["malformedResponse", /x holds a control byte/]],
  ["has a folded line", (id) => page(id, "X: 1\r\n Y: 2\r\n\r\n"), ["malformedResponse", /" Y: 2" has no name/]],
  [
    "has a status that is none",
    (id) => page(id, "Status: 99 Low\r\n\r\n"),
    ["malformedResponse", /its status is "99 Low"/],
  ],
  ["has two statuses", (id) => page(id, "Status: 200\nStatus: 404\n\na"), "a"],
  ["has two places to go", (id) => page(id, "Location: /a\nLocation: /b\n\na"), "a"],
  ["has two lengths", (id) => page(id, "Content-Length: 2\nContent-Length: 1\n\na"), "a"],
  ["has a negative length", (id) => page(id, "Content-Length: -1\n\na"), "a"],
  ["has a length of no number", (id) => page(id, "Content-Length: 99999999999999999999\n\na"), "a"],
  [
    "is shorter than it says",
    (id) => page(id, "Content-Length: 2\n\na"),
    ["lengthMismatch", /expected 2 bytes, got 1/],
  ],
  [
    "is much shorter than it says",
    (id) => page(id, "Content-Length: 999999999999999\n\na"),
    ["lengthMismatch", /got 1/],
  ],
  ["is longer than it says", (id) => page(id, "Content-Length: 1\n\nab"), "a"],
  ["has a header in records of one byte", (id) => joined(bytewise(id, "X-A: 1\r\n\r\ngood"), over(id)), "good"],
  ["has a header of 10 MiB", (id) => long(id, "X: "), ["limit", /longer than 65536 bytes/]],
  ["has a first line of 10 MiB", (id) => long(id, "x"), ["limit", /longer than 65536 bytes/]],
  [
    "has a header without end in records of one byte",
    (id) => bytewise(id, "X: 1\n".repeat(14_000)),
    ["limit", /longer than 65536/],
  ],
  [
    "has 1xx without end",
    (id) => joined(...Array(6).fill(text(id, "Status: 100\n\n".repeat(1000)))),
    ["limit", /longer than 65536/],
  ],
  ["has a 101 and nothing else", (id) => page(id, "Status: 101 Switching\n\n"), ["malformedResponse", /it is empty/]],
];

function management(): Uint8Array {
  const values = encodeNameValuePairs([["FCGI_MPXS_CONNS", "1"]]);
  return joined(raw(RecordType.GetValuesResult, 0, values), raw(RecordType.UnknownType, 0, "\x09\0\0\0\0\0\0\0"));
}

/** With every reserved byte of its headers, padding and of FCGI_END_REQUEST set. */
function junked(bytes: Uint8Array): Uint8Array {
  const junk = bytes.slice();
  for (let at = 0; at < junk.length; ) {
    const contentLength = (junk[at + 4]! << 8) | junk[at + 5]!;
    const end = at + 8 + contentLength + junk[at + 6]!;
    junk[at + 7] = 0xff;
    if (junk[at + 1] === RecordType.EndRequest) junk.fill(0xff, at + 13, at + 16);
    junk.fill(0xff, at + 8 + contentLength, end);
    at = end;
  }
  return junk;
}

function padded(id: number): Uint8Array {
  const content = new Uint8Array(65_535).fill("x".charCodeAt(0));
  return bytesOf({ type: RecordType.Stdout, requestId: id, contentData: content, paddingLength: 255 });
}

function versioned(version: number, bytes: Uint8Array): Uint8Array {
  return joined(Uint8Array.of(version), bytes.subarray(1));
}

function long(id: number, start: string): Uint8Array {
  const piece = text(id, "x".repeat(50_000));
  return joined(text(id, start), ...Array(Math.ceil((10 * MIB) / 50_000)).fill(piece));
}

/** A message that fits, and a code. */
function expectOutcome(outcome: unknown, expected: Row[2], label = ""): void {
  if (typeof expected === "string") {
    expect(outcome, label).toBe(expected);
    return;
  }
  const [code, message] = expected;
  expect(outcome, label).toBeInstanceOf(FastCgiError);
  expect(outcome, label).toMatchObject({ code, message: expect.stringMatching(message) });
}

/** What the application does with its request, and what that leads to. The socket stays open unless it says so. */
type Deed = readonly [
  name: string,
  deed: (request: BackendRequest) => unknown,
  expected: Row[2],
  options: FastCgiHttpClientOptions,
];

const HEADER = "X-A: 1\r\n\r\n";
/** Milliseconds, on a clock that stands still until it is told. */
const PATIENCE = 1500;
const headerTimeout: FastCgiHttpClientOptions = { headerTimeout: PATIENCE };
const readTimeout: FastCgiHttpClientOptions = { readTimeout: PATIENCE };
const noOutput = ["timeout", /sent no output for 1500 ms/] as const;
const silent = ["timeout", /was silent for 1500 ms/] as const;
const early = ["connectionClosed", /closed the connection before its end|the connection failed/] as const;

/** An answer that breaks off, and then the end of the connection. */
const cut =
  (answer: (id: number) => Uint8Array, how: "end" | "reset") =>
  async ({ id, stdin, connection }: BackendRequest): Promise<void> => {
    await stdin;
    await connection.send(answer(id));
    connection[how]();
  };

/** An answer that breaks off, and then nothing. */
const stopped =
  (answer: (id: number) => Uint8Array) =>
  async ({ id, stdin, connection }: BackendRequest): Promise<void> => {
    await stdin;
    await connection.send(answer(id));
  };

const nothing = (): Uint8Array => new Uint8Array(0);
const halfHeader = (id: number): Uint8Array => good(id).subarray(0, 5);
const halfRecord = (id: number): Uint8Array => good(id).subarray(0, 15);
const halfBody = (id: number): Uint8Array => joined(text(id, `${HEADER}a`), good(id).subarray(0, 15));

const SILENCE: readonly Deed[] = [
  ["is silent", stopped(nothing), noOutput, headerTimeout],
  ["is silent after half a record header", stopped(halfHeader), noOutput, headerTimeout],
  ["is silent after half a record", stopped(halfRecord), silent, readTimeout],
  ["is silent after half a header", stopped((id) => text(id, "X-A: 1\r\n")), silent, readTimeout],
  ["is silent after half a record of the body", stopped(halfBody), silent, readTimeout],
  [
    "is silent after the end of its output",
    stopped((id) => joined(text(id, HEADER), text(id, ""))),
    silent,
    readTimeout,
  ],
  [
    "only writes to FCGI_STDERR",
    (request) => void flood(request, joined(...Array(100).fill(raw(RecordType.Stderr, request.id, "x")))),
    noOutput,
    headerTimeout,
  ],
];

const DEEDS: readonly Deed[] = [
  ["closes at once", cut(nothing, "end"), early, {}],
  ["closes after half a record header", cut(halfHeader, "end"), early, {}],
  ["closes after half a record", cut(halfRecord, "end"), early, {}],
  ["closes after half a record of the body", cut(halfBody, "end"), early, {}],
  ["closes after half a header", cut((id) => text(id, "X-A: 1\r\n"), "end"), early, {}],
  [
    "closes after its whole output without FCGI_END_REQUEST",
    cut((id) => joined(text(id, HEADER), text(id, "")), "end"),
    early,
    {},
  ],
  ["closes after its answer", cut(good, "end"), "good", {}],
  ["resets the connection at once", cut(nothing, "reset"), early, {}],
  [
    "sends output without end",
    (request) => flood(request, text(request.id, HEADER + "x".repeat(60_000))),
    ["limit", /more than 1048576 bytes/],
    { maxStdoutBytes: MIB },
  ],
];

/** Sends `bytes` again and again, as long as the client takes them. */
async function flood({ stdin, connection }: BackendRequest, bytes: Uint8Array): Promise<void> {
  await stdin;
  while (await connection.send(bytes));
}

describe.each([false, true])("FastCgiHttpClient and a hostile application, keepAlive %s", (keepAlive) => {
  it.each([...RECORDS, ...HEADERS])("FastCgiHttpClient copes when an answer %s", async (_, answer, expected) => {
    const client = clientOf({ keepAlive });
    await expectGood(client);
    hostile = stopped(answer);
    expectOutcome(await outcomeOf(client.fetch("http://a.test/hostile")), expected);
    await expectGood(client);
    await expectGood(client);
  });

  it.each(DEEDS)("FastCgiHttpClient copes when an application %s", async (_, deed, expected, options) => {
    const client = clientOf({ ...options, keepAlive });
    await expectGood(client);
    hostile = deed;
    expectOutcome(await outcomeOf(client.fetch("http://a.test/hostile")), expected);
    await expectGood(client);
    await expectGood(client);
  });

  it("FastCgiHttpClient gives up an application that is silent, however far it has come", async () => {
    const all = SILENCE.map(async ([name, deed, expected, options]) => {
      const client = clientOf({ ...options, keepAlive });
      await expectGood(client);
      const path = `/${encodeURIComponent(name)}`;
      deeds.set(path, deed as BackendHandler);
      expectOutcome(await outcomeOf(client.fetch(`http://a.test${path}`)), expected, name);
      await expectGood(client);
      await expectGood(client);
    });
    await runOutOfTime(SILENCE.length);
    await Promise.all(all);
  });

  it("FastCgiHttpClient copes when an application resets the connection in the middle of the body", async () => {
    const client = clientOf({ keepAlive });
    const headerRead = deferred<void>();
    hostile = async ({ id, stdin, connection }) => {
      await stdin;
      await connection.send(halfBody(id));
      await headerRead.promise;
      connection.reset();
    };
    const response = await client.fetch("http://a.test/hostile");
    const reader = response.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe("a");
    headerRead.resolve();
    // What came of the record that was cut is given out before the error.
    reader.releaseLock();
    expect((await drain(response.body!)).error).toMatchObject({ code: "connectionClosed" });
    await expectGood(client);
  });

  it("FastCgiHttpClient gives the response when an application answers before it has read the request", async () => {
    const client = clientOf({ keepAlive });
    hostile = ({ id, connection }) => connection.send(good(id));
    const body = new Uint8Array(4 * MIB);
    expect(await outcomeOf(client.fetch("http://a.test/hostile", { method: "POST", body }))).toBe("good");
    await expectGood(client);
  });

  it("FastCgiHttpClient copes when an application speaks first", async () => {
    const client = clientOf({ keepAlive });
    greet = (connection) => connection.send(latin1("SSH-2.0-OpenSSH_9.2\r\n"));
    expectOutcome(await outcomeOf(client.fetch("http://a.test/hostile")), [
      "protocol",
      /no request is under way|got 83 \(is the peer/,
    ]);
    greet = (connection) => connection.send(good(1));
    // With an id that is guessed right, it is an answer as soon as there is a request.
    const outcome = await outcomeOf(client.fetch("http://a.test/hostile"));
    if (outcome !== "good") expect(outcome).toMatchObject({ code: "protocol" });
    greet = () => {};
    await expectGood(client);
  });

  it("FastCgiHttpClient holds little of an answer that the program does not read", async () => {
    const client = clientOf({ keepAlive });
    const piece = text(1, "x".repeat(60_000));
    let connection!: BackendConnection;
    hostile = async (request) => {
      connection = request.connection;
      await connection.send(text(request.id, HEADER));
      piece[3] = request.id;
      await flood(request, piece);
    };
    const before = heldBytes();
    const { body } = await client.fetch("http://a.test/hostile");
    // What the two sockets hold is not ours.
    expect(await stable(() => connection.sent)).toBeLessThan(24 * MIB);
    expect(heldBytes() - before).toBeLessThan(2 * MIB);
    await expectGood(client);
    await body!.cancel();
    await connection.closed;
    await expectGood(client);
  });

  it("FastCgiHttpClient holds little of FCGI_STDERR without end", async () => {
    let told = 0;
    const onStderr = (message: string): void => {
      told += message.length;
    };
    const client = clientOf({ keepAlive, onStderr });
    const tiny = joined(...Array(1000).fill(raw(RecordType.Stderr, 1, "x")));
    let connection!: BackendConnection;
    hostile = (request) => {
      connection = request.connection;
      return flood(request, tiny);
    };
    const before = heldBytes();
    const reason = new Error("Enough");
    const controller = new AbortController();
    const result = outcomeOf(client.fetch("http://a.test/hostile", { signal: controller.signal }));
    // More than the two sockets hold, so that the client must have read far beyond its limit.
    await waitUntil(() => connection?.sent > 16 * MIB);
    expect(told).toBe(256 * 1024);
    expect(heldBytes() - before).toBeLessThan(4 * MIB);
    controller.abort(reason);
    expect(await result).toBe(reason);
    await expectGood(client);
  });
});

describe("FastCgiHttpClient and what comes too late on a kept connection", () => {
  /** Input that the client does not expect, after a good answer. */
  const strays: readonly [name: string, bytes: (id: number) => Uint8Array][] = [
    ["FCGI_END_REQUEST once more", (id) => over(id)],
    ["an answer to the request that is over", good],
    ["an answer to the next request", (id) => good(id + 1)],
    ["half a record", (id) => good(id + 1).subarray(0, 12)],
    ["one byte", () => Uint8Array.of(1)],
    ["an empty management record", () => raw(RecordType.GetValuesResult, 0)],
  ];

  it.each(strays)("FastCgiHttpClient destroys an idle connection on which comes %s", async (_, stray) => {
    const client = clientOf({ keepAlive: true, idleTimeout: 60_000 });
    let connection!: BackendConnection;
    hostile = async (request) => {
      connection = request.connection;
      await connection.send(good(request.id));
      await idle.promise;
      await connection.send(stray(request.id));
    };
    const idle = deferred<void>();
    expect(await outcomeOf(client.fetch("http://a.test/hostile"))).toBe("good");
    idle.resolve();
    await connection.closed;
    await expectGood(client);
  });

  it.each(strays)(
    "FastCgiHttpClient gives a request no bytes of another one when its answer follows %s",
    async (name, stray) => {
      const client = clientOf({ keepAlive: true, headerTimeout: PATIENCE });
      hostile = ({ id, connection }) => connection.send(good(id));
      expect(await outcomeOf(client.fetch("http://a.test/hostile"))).toBe("good");
      hostile = async ({ id, stdin, connection }) => {
        await stdin;
        await connection.send(stray(id - 1), page(id, `${HEADER}the second`));
      };
      const fetched = outcomeOf(client.fetch("http://a.test/hostile"));
      await runOutOfTime(2);
      const outcome = await fetched;
      // An application may say what it likes in answer to a request; only the bytes of another must not be taken for it.
      if (name !== "an answer to the next request" && typeof outcome === "string") expect(outcome).toBe("the second");
      else if (typeof outcome !== "string") {
        // A stray byte makes rubbish of what follows, and the start of a record that never comes.
        expect(outcome).toMatchObject({ code: name === "one byte" ? "timeout" : "protocol" });
      }
      await expectGood(client);
      await expectGood(client);
    },
  );
});

describe("FastCgiHttpClient and a hostile application that multiplexes", () => {
  /** Two requests on one connection: what the bad answer to the first leads to, and what becomes of the second. */
  async function outcomesOf(answer: (id: number) => Uint8Array): Promise<[unknown, unknown]> {
    const client = clientOf({ multiplexing: true, headerTimeout: PATIENCE, readTimeout: PATIENCE });
    await expectGood(client);
    const both: BackendRequest[] = [];
    hostile = async (request) => {
      both.push(request);
      if (both.length < 2) return;
      const [first, second] = both as [BackendRequest, BackendRequest];
      expect(second.connection).toBe(first.connection);
      await first.connection.send(answer(first.id));
      await first.connection.send(page(second.id, `${HEADER}the second`));
    };
    const fetched = [1, 2].map(() => outcomeOf(client.fetch("http://a.test/hostile")));
    // Those that come to an end at once are not concerned.
    await runOutOfTime(2);
    const [first, second] = await Promise.all(fetched);
    await expectGood(client);
    return [first, second];
  }

  it.each(HEADERS)(
    "FastCgiHttpClient leaves the neighbours of a request alone whose answer %s",
    async (_, answer, expected) => {
      const [first, second] = await outcomesOf(answer);
      expectOutcome(first, expected);
      expect(second).toBe("the second");
    },
  );

  it.each(RECORDS)("FastCgiHttpClient gives nobody another's bytes when an answer %s", async (_, answer) => {
    const [first, second] = await outcomesOf(answer);
    for (const outcome of [first, second])
      expect(typeof outcome === "string" || outcome instanceof FastCgiError).toBe(true);
    expect(first).not.toBe("the second");
    // Unless it is said to be the answer to the second, by its id.
    if (typeof second === "string") expect(["the second", "good"]).toContain(second);
  });
});
