// Web servers of every kind against a whole FastCgiServer: valid, nearly valid and hostile ones, and recordings with changes.

import fc from "fast-check";
import {
  encodeRecords,
  FastCgiHttpService,
  type FastCgiRecord,
  FastCgiServer,
  type FastCgiServerOptions,
  type FastCgiServerRequestEnd,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { begin, params, record, request } from "../support/records.ts";
import { type FakeClock, onFakeClock, turns } from "./clock.ts";
import {
  anyPlan,
  type Call,
  Calls,
  goodPlan,
  marked,
  type Plan,
  plannedFetchHandler,
  plannedHandler,
} from "./handlers.ts";
import {
  type ByteMutation,
  byteMutations,
  concatenated,
  cutAt,
  indexOf,
  mutateBytes,
  mutateRecords,
  place,
  type RecordMutation,
  recordMutations,
  textOf,
} from "./mutations.ts";
import { type Recording, recordedRequests, wholeRecords } from "./recordings.ts";
import type { Target } from "./target.ts";
import { anyTransport, anyWire, must, RecordReader, Wire, type WireOptions, type WireRecord } from "./wire.ts";

/** One request of a generated conversation. */
interface RequestPlan {
  readonly role: number;
  readonly keepConn: boolean;
  /** Lengths of the records of its body. */
  readonly body: readonly number[];
  readonly length: "right" | "none" | "empty" | "short" | "long" | "-1";
  /** Params that fill it up, beyond a record at the most. */
  readonly params: number;
  readonly handler: Plan;
}

/** A record that belongs to no request's way of things. */
interface Extra {
  readonly what: "abort" | "values" | "unknown type" | "dead id" | "begin again" | "another begins";
  readonly at: number;
  /** How many come in a row: a flood is of more than may wait for their answers. */
  readonly count: number;
  readonly requestId: number;
}

/** What happens at a place in the conversation. */
interface Happening {
  readonly at: number;
  readonly what: "hold" | "read" | "read once" | "pass" | "witness" | "end" | "reset" | "fail writes" | "close server";
  readonly time: number;
}

/** A conversation of a web server with an application. */
interface Conversation {
  /** Whether nothing is wrong with it, so that every request has to be answered in full. */
  readonly isGood: boolean;
  /** The recording that it is made of; null for a generated one. */
  readonly recording: number | null;
  readonly requests: readonly RequestPlan[];
  /** Which request goes on with its next record. */
  readonly order: readonly number[];
  readonly extras: readonly Extra[];
  readonly records: readonly RecordMutation[];
  readonly bytes: readonly ByteMutation[];
  /** Where the bytes are cut into what the library reads at once. */
  readonly cuts: readonly number[];
  /** Where a part comes byte by byte. */
  readonly dribble: number | null;
  readonly happenings: readonly Happening[];
  readonly wire: WireOptions;
  readonly limits: "default" | "small" | "smallest";
  /** Options of the service, where there is one. */
  readonly lazyRequest: boolean;
  readonly sendStderr: boolean;
}

/** Seldom much: see {@linkcode anySize}. */
const seldom = (usual: readonly number[], large: number): fc.Arbitrary<number> =>
  fc.oneof({ arbitrary: fc.constantFrom(...usual), weight: 29 }, { arbitrary: fc.constant(large), weight: 1 });

const stdinRecord = seldom([1, 10, 500], 65_535);
const fillers = seldom([0, 0, 200], 70_000);

const goodRequest: fc.Arbitrary<RequestPlan> = fc.record({
  role: fc.constant(Role.Responder as number),
  keepConn: fc.constant(true),
  body: fc.array(stdinRecord, { maxLength: 4 }),
  length: fc.constantFrom("right", "right", "none", "empty"),
  params: fillers,
  handler: goodPlan,
});

const anyRequest: fc.Arbitrary<RequestPlan> = fc.record({
  role: fc.constantFrom(1, 1, 1, 1, 2, 3, 9),
  keepConn: fc.boolean(),
  body: fc.array(stdinRecord, { maxLength: 5 }),
  length: fc.constantFrom("right", "right", "none", "empty", "short", "long", "-1"),
  params: fillers,
  handler: anyPlan,
});

const extra: fc.Arbitrary<Extra> = fc.record({
  what: fc.constantFrom("abort", "abort", "values", "unknown type", "dead id", "begin again", "another begins"),
  count: seldom([1, 1, 1, 3], 1_500),
  at: place,
  requestId: fc.integer({ min: 1, max: 5 }),
});

const happening: fc.Arbitrary<Happening> = fc.record({
  at: place,
  what: fc.constantFrom(
    "hold",
    "read",
    "read once",
    "pass",
    "pass",
    "witness",
    "end",
    "reset",
    "fail writes",
    "close server",
  ),
  time: fc.constantFrom(1, 100, 1_000, 4_999, 30_000, 120_000, 599_999, 601_000),
});

/** What happens without doing harm. */
const mildHappening: fc.Arbitrary<Happening> = fc.record({
  at: place,
  what: fc.constantFrom("hold", "read", "read once", "pass", "witness"),
  time: fc.constantFrom(1, 20, 500),
});

const order = fc.array(fc.nat(7), { maxLength: 40 });
const cuts = fc.array(place, { maxLength: 12 });
const dribble = fc.option(place, { freq: 3 });
const service = { lazyRequest: fc.boolean(), sendStderr: fc.boolean() };

const goodConversation: fc.Arbitrary<Conversation> = fc.record({
  isGood: fc.constant(true),
  recording: fc.constant(null),
  requests: fc.array(goodRequest, { minLength: 1, maxLength: 5 }),
  order,
  extras: fc.constant([]),
  records: fc.constant([]),
  bytes: fc.constant([]),
  cuts,
  dribble,
  happenings: fc.array(mildHappening, { maxLength: 4 }),
  wire: fc.record({ transport: anyTransport, closing: fc.constant("returns" as const) }),
  limits: fc.constantFrom("default", "small"),
  ...service,
});

const hostileConversation = (recordings: number): fc.Arbitrary<Conversation> =>
  fc.record({
    isGood: fc.constant(false),
    recording: fc.option(fc.nat(recordings - 1), { freq: 1 }),
    requests: fc.array(anyRequest, { minLength: 1, maxLength: 5 }),
    order,
    extras: fc.array(extra, { maxLength: 4 }),
    records: fc.oneof(fc.constant([]), recordMutations),
    bytes: fc.oneof(fc.constant([]), fc.constant([]), byteMutations),
    cuts,
    dribble,
    happenings: fc.array(happening, { maxLength: 6 }),
    wire: anyWire,
    limits: fc.constantFrom("default", "small", "smallest"),
    ...service,
  });

const LIMITS: Readonly<Record<Conversation["limits"], FastCgiServerOptions>> = {
  default: {},
  small: { maxQueuedBytes: 1_000, maxConcurrentRequests: 8 },
  smallest: {
    maxParamsBytes: 1_000,
    maxParams: 20,
    maxStdinBytes: 2_000,
    maxQueuedBytes: 1,
    maxDrainBytes: 1_000,
    maxConcurrentRequests: 2,
    maxRequestsPerConnection: 2,
    multiplexing: false,
  },
};

/** The mark of a request's body. */
const bodyOf = (index: number, { body }: RequestPlan): Uint8Array =>
  concatenated(...body.map((length) => marked(`[r${index}]`, length)));

function recordsOf(index: number, plan: RequestPlan): FastCgiRecord[] {
  const id = index + 1;
  const size = plan.body.reduce((sum, length) => sum + length, 0);
  const lengths = {
    right: `${size}`,
    none: undefined,
    empty: "",
    short: `${size + 1}`,
    long: `${Math.max(0, size - 1)}`,
    "-1": "-1",
  };
  const length = lengths[plan.length];
  const filler: Record<string, string> = plan.params > 0 ? { FILLER: "f".repeat(Math.min(plan.params, 60_000)) } : {};
  if (plan.params > 60_000) filler.MORE = "m".repeat(plan.params - 60_000);
  const list: [string, string][] = Object.entries({
    NONCE: `r${index}`,
    REQUEST_METHOD: plan.body.length > 0 ? "POST" : "GET",
    REQUEST_URI: `/${index}`,
    HTTP_HOST: "example.com",
    ...(length !== undefined && { CONTENT_LENGTH: length }),
  });
  const parts = [list, ...Object.entries(filler).map((pair) => [pair])];
  const stdin = plan.body.map((length) => record(RecordType.Stdin, id, marked(`[r${index}]`, length)));
  const data = plan.role === Role.Filter ? [record(RecordType.Data, id, "data"), record(RecordType.Data, id)] : [];
  return [
    begin(id, { role: plan.role, keepConn: plan.keepConn }),
    // A pair is never cut: each part has a record of its own.
    ...parts.flatMap((part) => params(id, part as [string, string][]).slice(0, 1)),
    record(RecordType.Params, id),
    ...(plan.role === Role.Authorizer ? [] : [...stdin, record(RecordType.Stdin, id), ...data]),
  ];
}

/** The records of all requests, those of each in their order. */
function interleaved(requests: readonly (readonly FastCgiRecord[])[], order: readonly number[]): FastCgiRecord[] {
  const rest = requests.map((records) => [...records]);
  const result: FastCgiRecord[] = [];
  for (let step = 0; rest.some((records) => records.length > 0); step++) {
    const open = rest.filter((records) => records.length > 0);
    result.push(open[(order[step] ?? 0) % open.length]!.shift()!);
  }
  return result;
}

function extraRecord({ what, requestId }: Extra, index: number): FastCgiRecord {
  switch (what) {
    case "abort":
      return record(RecordType.AbortRequest, requestId);
    case "values":
      return record(RecordType.GetValues, 0, "\x0e\x00FCGI_MAX_CONNS");
    case "unknown type":
      return record(99, 0, "any");
    case "dead id":
      return record(RecordType.Stdin, requestId + 100, "any");
    case "begin again":
      return begin(requestId);
    case "another begins":
      return begin(1_000 + index);
  }
}

/** The bytes of a conversation. */
function bytesOf(conversation: Conversation, recordings: readonly Recording[]): Uint8Array {
  const { recording, requests, order, extras, records, bytes } = conversation;
  let all =
    recording === null
      ? interleaved(
          requests.map((plan, index) => recordsOf(index, plan)),
          order,
        )
      : wholeRecords(recordings[recording]!.bytes);
  for (const each of extras) {
    const flood = Array.from({ length: each.count }, (_, index) => extraRecord(each, index));
    all = all.toSpliced(indexOf(each.at, all.length + 1), 0, ...flood);
  }
  return mutateBytes(encodeRecords(mutateRecords(all, records)), bytes);
}

/** What came back for one request: all up to its FCGI_END_REQUEST. */
interface Answer {
  readonly requestId: number;
  stdout: Uint8Array[];
  hasStdoutEnd: boolean;
  end: Uint8Array | null;
}

/** The web server's end of a connection: what it has sent and got, and the rules of the protocol for it. */
class WebServer {
  readonly wire: Wire;
  readonly answers: Answer[] = [];
  /** Requests that were aborted. */
  readonly aborted = new Set<number>();
  /** Whether the output has come to an end that can't be taken for one. */
  isBrokenOff = false;
  /** The number of requests that have begun, as far as what was sent can be read. */
  begun = 0;
  readonly #sent = new RecordReader();
  readonly #got = new RecordReader();
  readonly #open = new Map<number, Answer>();
  readonly #begun = new Map<number, number>();
  #management = 0;
  /** The first rule that was broken. A write must not fail for it: that would be another conversation. */
  fault: unknown = null;

  constructor(options: WireOptions) {
    this.wire = new Wire((bytes) => this.#take(bytes), options);
  }

  /** Sends bytes, and notes what the application may answer. */
  send(bytes: Uint8Array): void {
    for (const { type, requestId } of this.#sent.read(bytes)) {
      if (type === RecordType.BeginRequest) this.begun++;
      if (type === RecordType.BeginRequest) this.#begun.set(requestId, (this.#begun.get(requestId) ?? 0) + 1);
      if (type === RecordType.AbortRequest) this.aborted.add(requestId);
      if (requestId === 0 || type > RecordType.UnknownType || type === 0) this.#management++;
    }
    this.wire.send(bytes);
  }

  /** Responses that have begun and have no end. */
  get unfinished(): Answer[] {
    return [...this.#open.values()].filter(({ stdout }) => stdout.length > 0);
  }

  #take(bytes: Uint8Array): void {
    try {
      must(!this.isBrokenOff, "Something came behind the break-off");
      for (const each of this.#got.read(bytes)) this.#onRecord(each);
      const { rest, isBetweenRecords } = this.#got;
      if (isBetweenRecords) return;
      // A write is of whole records; eight zero bytes say that the responses which have begun will never end.
      must(
        rest.length === 8 && rest.every((byte) => byte === 0),
        `The output has ${rest.length} bytes that are no record: ${rest.slice(0, 16)}`,
      );
      this.isBrokenOff = true;
    } catch (error) {
      this.fault ??= error;
    }
  }

  #onRecord({ type, requestId, content }: WireRecord): void {
    if (requestId === 0) {
      must(
        type === RecordType.GetValuesResult || type === RecordType.UnknownType,
        `Type ${type} came with request id 0`,
      );
      must(this.#management-- > 0, `An answer of type ${type} came to no question`);
      return;
    }
    let answer = this.#open.get(requestId);
    if (answer === undefined) {
      const begun = this.#begun.get(requestId) ?? 0;
      must(begun > 0, `A record of type ${type} came for request ${requestId}, which has ended or never begun`);
      this.#begun.set(requestId, begun - 1);
      answer = { requestId, stdout: [], hasStdoutEnd: false, end: null };
      this.#open.set(requestId, answer);
    }
    switch (type) {
      case RecordType.Stdout:
        must(!answer.hasStdoutEnd, `FCGI_STDOUT of request ${requestId} goes on behind its end`);
        if (content.length === 0) answer.hasStdoutEnd = true;
        else answer.stdout.push(content);
        return;
      case RecordType.Stderr:
        return;
      case RecordType.EndRequest:
        must(
          content.length === 8 && content[5]! + content[6]! + content[7]! === 0,
          "FCGI_END_REQUEST is not as in FastCGI 5.5",
        );
        answer.end = content;
        this.answers.push(answer);
        this.#open.delete(requestId);
        return;
      default:
        must(false, `A record of type ${type} came from an application`);
    }
  }
}

/** A web server of its own, whose requests have to be answered whatever another one does. It connects again where it has to. */
class Witness {
  readonly #server: FastCgiServer;
  #web: WebServer | null = null;
  #asked = 0;

  constructor(server: FastCgiServer) {
    this.#server = server;
  }

  async ask(when: string): Promise<void> {
    if (this.#web === null || this.#web.wire.isClosed || this.#web.wire.output !== "open") this.#connect();
    const web = this.#web!;
    const answered = web.answers.length;
    const nonce = `witness ${++this.#asked}`;
    web.send(encodeRecords(request(1, { extra: { WITNESS: nonce } })));
    for (let turn = 0; turn < 50 && web.answers.length === answered; turn++) await turns(1);
    must(web.fault === null, `The witness got nonsense ${when}: ${web.fault}`);
    must(web.answers.length === answered + 1, `The witness got no answer ${when}`);
    const { stdout } = web.answers.at(-1)!;
    must(textOf(stdout).endsWith(nonce), `The witness got the answer of another one ${when}: ${textOf(stdout)}`);
  }

  leave(): void {
    this.#web?.wire.end();
  }

  #connect(): void {
    this.leave();
    const web = new WebServer({ transport: "streams", closing: "returns" });
    this.#web = web;
    web.wire.onClosed(() => web.wire.end());
    void this.#server.serve(web.wire.connection);
  }
}

/** @throws {Fault} If an answer is not that of its request, or looks whole and is not. */
function checkAnswer(web: WebServer, calls: Calls, { requestId, stdout, hasStdoutEnd, end }: Answer): Call | null {
  const isAborted = web.aborted.has(requestId);
  const text = textOf(stdout);
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const body = rest.join("\r\n\r\n");
  const number = /^x-call: (\d+)\r?$/im.exec(head)?.[1];
  if (number === undefined) {
    const [appStatus, protocolStatus] = [end![3]!, end![4]!];
    const isRefusal = protocolStatus !== 0 && stdout.length === 0;
    const isError = /^Status: [45]\d\d /m.test(head);
    must(
      isRefusal || isError || isAborted,
      `Request ${requestId} was ended with ${JSON.stringify(text.slice(0, 200))}, ${appStatus}`,
    );
    return null;
  }
  const call = calls.all[Number(number)];
  must(call !== undefined && call.requestId === requestId, `Request ${requestId} got the answer of call ${number}`);
  must(!call.isAnswered, `Call ${number} was answered twice`);
  call.isAnswered = true;
  if (isAborted) return call;
  must(hasStdoutEnd, `The answer to request ${requestId} has no end of FCGI_STDOUT`);
  must(!call.failed, `The answer of call ${number} (${call.plan.answer}) looks whole`);
  if (call.produced === null) return call;
  const wanted = call.method === "HEAD" ? "" : textOf(call.produced);
  must(body === wanted, `Call ${number} gave a body of ${wanted.length} bytes, ${body.length} came`);
  must(
    call.streams.every(({ state }) => state !== "open" && state !== "failed") || call.plan.stderr === "failing stream",
    `The answer of call ${number} looks whole, but ${call.leftovers}`,
  );
  return call;
}

/** @throws {Fault} If a request of a good conversation has not got all of its answer, or got another one's body. */
function checkGood(conversation: Conversation, web: WebServer, answered: readonly (Call | null)[]): void {
  conversation.requests.forEach((plan, index) => {
    const call = answered.find((each) => each?.nonce === `r${index}`);
    must(call !== undefined && call !== null, `Request r${index} (${plan.handler.answer}) was not answered`);
    const sent = textOf([bodyOf(index, plan)]);
    if (call.received !== null) must(textOf([call.received]) === sent, `The handler of r${index} read another body`);
    if (plan.handler.answer !== "echo" && plan.handler.answer !== "wraps the body") return;
    const answer = web.answers.find(({ requestId }) => requestId === index + 1)!;
    const body = textOf(answer.stdout).split("\r\n\r\n").slice(1).join("\r\n\r\n");
    must(body === sent, `r${index} echoed a body of ${sent.length} bytes, ${body.length} came`);
  });
}

/** Longer than every timeout of a server, one behind the other. */
const LONG = 3 * 3_600_000;

/** A whole conversation with a server. */
async function converse(
  clock: FakeClock,
  conversation: Conversation,
  isHttp: boolean,
  recordings: readonly Recording[],
): Promise<void> {
  const calls = new Calls(conversation.requests.map(({ handler }) => handler));
  const { lazyRequest, sendStderr, limits } = conversation;
  const planned = isHttp
    ? new FastCgiHttpService(plannedFetchHandler(calls), { lazyRequest, sendStderr }).handler
    : plannedHandler(calls);
  const ends: FastCgiServerRequestEnd[] = [];
  const server = new FastCgiServer(
    (given, context) => {
      const witness = given.params.get("WITNESS");
      return witness === undefined ? planned(given, context) : { stdout: `Status: 200 OK\r\n\r\n${witness}` };
    },
    { ...LIMITS[limits], onRequestEnd: (end) => void ends.push(end) },
  );
  const witness = new Witness(server);
  const web = new WebServer(conversation.wire);
  const { wire } = web;
  let isServed = false;
  void server.serve(wire.connection).then(() => {
    isServed = true;
  });
  // As web servers do it.
  wire.onClosed(() => wire.end());

  let closing: Promise<void> | null = null;
  const steps = timeline(conversation, bytesOf(conversation, recordings));
  for (const step of steps) {
    if (step instanceof Uint8Array) {
      web.send(step);
      await turns(1);
      continue;
    }
    switch (step.what) {
      case "hold":
        wire.hold();
        break;
      case "read":
        wire.read();
        break;
      case "read once":
        wire.readOnce();
        break;
      case "pass":
        await clock.pass(step.time);
        break;
      case "witness":
        if (closing === null) await witness.ask("in the middle");
        break;
      case "end":
        wire.end();
        break;
      case "reset":
        wire.reset();
        break;
      case "fail writes":
        wire.failWrites();
        break;
      case "close server":
        closing ??= server.close({ timeout: step.time });
    }
    await turns(1);
  }
  if (closing === null) await witness.ask("behind the conversation");
  if (conversation.isGood) {
    wire.read();
    await clock.pass(2_000);
  }
  witness.leave();
  wire.end();
  await turns();
  // What the peer has not read yet may have one of its own.
  if (isServed && closing === null && wire.hasAlwaysRead) {
    must(clock.pending === 0, `${clock.pending} timers run when the connection is over`);
  }
  await clock.pass(LONG);
  must(web.fault === null, `${web.fault}`);

  const answered = web.answers.map((answer) => checkAnswer(web, calls, answer));
  if (conversation.isGood) checkGood(conversation, web, answered);
  // A peer that has taken everything, and not left before, must not take the end of the connection for the end of a response.
  if (wire.isClosed && wire.hasAlwaysRead && !wire.isGone && web.unfinished.length > 0) {
    must(web.isBrokenOff || wire.output === "reset", "A response that has begun and not ended is not broken off");
  }
  checkLeft(server, web, calls);
  const told = ends.filter(({ request }) => request?.params.has("WITNESS") !== true);
  checkEnds(told, web, calls);
  const before = ends.length;
  calls.releaseAll();
  await turns();
  await clock.pass(LONG);
  checkLeft(server, web, calls);
  must(isServed, "serve() goes on for ever");
  await Promise.race([server.close({ grace: 0 }), clock.pass(LONG)]);
  await closing;
  must(ends.length === before, "An end was told of a request that had ended long ago");
  must(server.status.connections === 0, `${server.status.connections} connections are open at the end`);
  must(clock.pending === 0, `${clock.pending} timers run at the end`);
}

/** @throws {Fault} If the end of a request was told twice or never, or not as it was. */
function checkEnds(ends: readonly FastCgiServerRequestEnd[], web: WebServer, { all }: Calls): void {
  const requests = ends.flatMap(({ request }) => request ?? []);
  must(new Set(requests).size === requests.length, "The end of a request was told twice");
  must(requests.length >= all.length, `Of ${all.length} calls ${requests.length} ends were told`);
  must(ends.length <= web.begun, `Of ${web.begun} requests ${ends.length} ends were told`);
  must(ends.length >= web.answers.length, `Of ${web.answers.length} requests with an end ${ends.length} were told`);
  for (const { outcome, error, timeToHeader, duration, requestBodyBytes, responseBodyBytes, request } of ends) {
    must((outcome === "complete") === (error === undefined), `An end is ${outcome}, with the error ${String(error)}`);
    must(duration >= (timeToHeader ?? 0), `A header came after ${timeToHeader} ms, and the end after ${duration}`);
    must(requestBodyBytes >= 0 && responseBodyBytes >= 0, "An end has a negative number of bytes");
    const wasAborted = request?.signal.aborted ?? false;
    must(outcome !== "aborted" || request === undefined || wasAborted, "An end is an abort of which no signal tells");
  }
}

/** @throws {Fault} If something is left of a connection whose peer has gone long ago. */
function checkLeft(server: FastCgiServer, { wire }: WebServer, { all }: Calls): void {
  must(wire.isClosed, "The connection was never closed");
  must(server.status.connections === 0, `${server.status.connections} connections are open`);
  for (const { number, signal, isSettled, leftovers } of all) {
    must(isSettled || signal.aborted, `Call ${number} was not told that its request is over`);
    must(leftovers === null, `${leftovers}`);
  }
}

/** The pieces of the input, and what happens between them. */
function timeline({ cuts, dribble, happenings }: Conversation, bytes: Uint8Array): (Uint8Array | Happening)[] {
  let pieces = cutAt(bytes, cuts);
  if (dribble !== null && pieces.length > 0) {
    const index = indexOf(dribble, pieces.length);
    const piece = pieces[index]!;
    const few = [...piece.subarray(0, 24)].map((byte) => Uint8Array.of(byte));
    pieces = pieces.toSpliced(index, 1, ...few, ...(piece.length > 24 ? [piece.subarray(24)] : []));
  }
  const steps: (Uint8Array | Happening)[] = [...pieces];
  for (const each of happenings) steps.splice(indexOf(each.at, steps.length + 1), 0, each);
  return steps;
}

function target(name: string, isHttp: boolean): Target<Conversation> {
  const recordings = recordedRequests();
  return {
    name,
    inputs: fc.oneof(goodConversation, { arbitrary: hostileConversation(recordings.length), weight: 3 }),
    run: (conversation) => onFakeClock((clock) => converse(clock, conversation, isHttp, recordings)),
  };
}

/** Web servers against a FastCgiServer. */
export const serverTarget = (): Target<Conversation> => target("server", false);

/** Web servers against a FastCgiHttpService. */
export const serviceTarget = (): Target<Conversation> => target("service", true);
