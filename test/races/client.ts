// The pool of a client, its connections and its requests: a program, an application and the network, each of which may go on at any
// moment.

import {
  encodeRecords,
  FastCgiClient,
  type FastCgiClientOptions,
  type FastCgiConnection,
  FastCgiError,
  RecordType,
} from "../../src/toolkit.ts";
import { type FakeClock, turns } from "../fuzz/clock.ts";
import { textOf } from "../fuzz/mutations.ts";
import { must, RecordReader, type Transport, Wire } from "../fuzz/wire.ts";
import { record } from "../support/records.ts";
import { LONG, mustSettle, type World, type WorldKind } from "./explore.ts";

const MAX_REQUESTS = 3;

/** A request of the program, and what came of it. */
interface Sent {
  readonly nonce: string;
  readonly method: "GET" | "POST";
  readonly abort: AbortController;
  text: string;
  isWhole: boolean;
  isOver: boolean;
  error: unknown;
  /** Reads its response. */
  reader: ReadableStreamDefaultReader<Uint8Array> | null;
  isCancelled: boolean;
}

/** A request as the application got it. */
interface Got {
  readonly requestId: number;
  readonly peer: Peer;
  nonce: string;
  hasParams: boolean;
  hasStdinEnd: boolean;
  stdin: string;
  /** What of its answer was sent. */
  sent: string;
  outcome: "open" | "whole" | "refused" | "aborted";
}

/** The application's end of a connection. */
class Peer {
  readonly wire: Wire;
  readonly got: Got[] = [];
  readonly #reader = new RecordReader();
  readonly #world: ClientWorld;
  /** Questions for values that wait. */
  questions = 0;

  constructor(world: ClientWorld, transport: Transport) {
    this.#world = world;
    this.wire = new Wire((bytes) => this.#take(bytes), { transport, closing: "returns" });
    this.wire.onClosed(() => this.wire.end());
  }

  get open(): Got[] {
    return this.got.filter(({ outcome }) => outcome === "open");
  }

  #take(bytes: Uint8Array): void {
    try {
      for (const { type, requestId, content } of this.#reader.read(bytes)) this.#onRecord(type, requestId, content);
      must(this.#reader.isBetweenRecords, "A write is not of whole records");
    } catch (error) {
      this.#world.fault ??= error;
    }
  }

  #onRecord(type: number, requestId: number, content: Uint8Array): void {
    if (type === RecordType.GetValues) {
      this.questions++;
      return;
    }
    if (type === RecordType.BeginRequest) {
      must(!this.open.some((each) => each.requestId === requestId), `Request ${requestId} began twice`);
      const last = this.got.at(-1);
      const mayFollow = last === undefined || this.#world.isShared || (last.hasStdinEnd && last.outcome !== "open");
      must(mayFollow, "A request began behind one that was not over");
      this.got.push({
        requestId,
        peer: this,
        nonce: "",
        hasParams: false,
        hasStdinEnd: false,
        stdin: "",
        sent: "",
        outcome: "open",
      });
      return;
    }
    const got = this.got.findLast((each) => each.requestId === requestId);
    must(got !== undefined, `A record of type ${type} came for request ${requestId}, which never began`);
    if (type === RecordType.Params) {
      if (content.length === 0) got.hasParams = true;
      else got.nonce = /NONCE(q\d)/.exec(textOf([content]))![1]!;
    } else if (type === RecordType.Stdin) {
      must(!got.hasStdinEnd, "FCGI_STDIN goes on behind its end");
      got.stdin += textOf([content]);
      if (content.length === 0) got.hasStdinEnd = true;
    } else if (type === RecordType.AbortRequest && got.outcome === "open") {
      this.end(got, "aborted");
    }
  }

  begin(got: Got): void {
    this.#send(got, `Status: 200 OK\r\n\r\n<${got.nonce}`);
  }

  end(got: Got, outcome: "whole" | "refused" | "aborted"): void {
    if (outcome === "whole") {
      if (got.sent === "") this.begin(got);
      this.#send(got, ">");
    }
    got.outcome = outcome;
    const status = outcome === "refused" ? 2 : 0;
    const end = record(RecordType.EndRequest, got.requestId, Uint8Array.of(0, 0, 0, 0, status, 0, 0, 0));
    this.wire.send(encodeRecords([record(RecordType.Stdout, got.requestId), end]));
  }

  answerValues(): void {
    this.questions--;
    this.wire.send(encodeRecords([record(RecordType.GetValuesResult, 0, "\x0f\x01FCGI_MPXS_CONNS1")]));
  }

  #send(got: Got, text: string): void {
    got.sent += text;
    this.wire.send(encodeRecords([record(RecordType.Stdout, got.requestId, text)]));
  }
}

class ClientWorld implements World {
  fault: unknown = null;
  readonly isShared: boolean;
  readonly #clock: FakeClock;
  readonly #client: FastCgiClient;
  readonly #transport: Transport;
  readonly #dials: { resolve(connection: FastCgiConnection): void; reject(error: Error): void }[] = [];
  readonly #peers: Peer[] = [];
  readonly #sent: Sent[] = [];
  readonly #closings: Promise<void>[] = [];
  /** Whether nothing has happened by which a request may fail. */
  #isGood = true;
  #isHealed = false;
  #isHeld = false;

  constructor(clock: FakeClock, transport: Transport, options: FastCgiClientOptions) {
    this.#clock = clock;
    this.#transport = transport;
    this.isShared = options.multiplexing === true;
    this.#client = new FastCgiClient({ connect: ({ signal }) => this.#connect(signal) }, options);
  }

  enabled(): string {
    const can = (letter: string, condition: boolean): string => (condition ? letter : "");
    const open = this.#peers.filter(({ wire }) => !wire.isClosed && !wire.isGone);
    const asked = open.flatMap((peer) => peer.open.filter(({ hasParams }) => hasParams));
    const sent = this.#sent.filter(({ isOver }) => !isOver);
    return [
      can("gp", this.#sent.length < MAX_REQUESTS),
      can("or", this.#dials.length > 0),
      can("au", asked.length > 0),
      can(
        "b",
        asked.some((each) => each.sent === ""),
      ),
      can("ex", open.length > 0),
      can("w", open.length > 0),
      can(this.#isHeld ? "d" : "h", open.length > 0),
      can(
        "v",
        open.some(({ questions }) => questions > 0),
      ),
      can("k", sent.length > 0),
      can(
        "c",
        sent.some(({ reader, isCancelled }) => reader !== null && !isCancelled),
      ),
      can("T", this.#clock.pending > 0),
      can("z", this.#closings.length < 2),
    ].join("");
  }

  do(operation: string): void {
    const open = this.#peers.filter(({ wire }) => !wire.isClosed && !wire.isGone);
    const asked = open.flatMap((peer) => peer.open.filter(({ hasParams }) => hasParams));
    if ("rexwkcTzu".includes(operation)) this.#isGood = false;
    switch (operation) {
      case "g":
        this.#send("GET");
        return;
      case "p":
        this.#send("POST");
        return;
      case "o":
        this.#open();
        return;
      case "r":
        this.#dials.shift()!.reject(new Error("Connection refused"));
        return;
      case "a":
        asked[0]!.peer.end(asked[0]!, "whole");
        return;
      case "u":
        asked[0]!.peer.end(asked[0]!, "refused");
        return;
      case "b": {
        const got = asked.find(({ sent }) => sent === "")!;
        got.peer.begin(got);
        return;
      }
      case "e":
        open[0]!.wire.end();
        return;
      case "x":
        open[0]!.wire.reset();
        return;
      case "w":
        open[0]!.wire.failWrites();
        return;
      case "h":
        this.#isHeld = true;
        for (const { wire } of open) wire.hold();
        return;
      case "d":
        this.#isHeld = false;
        for (const { wire } of this.#peers) wire.read();
        return;
      case "v":
        open.find(({ questions }) => questions > 0)!.answerValues();
        return;
      case "k":
        this.#sent.find(({ isOver }) => !isOver)!.abort.abort();
        return;
      case "c": {
        const sent = this.#sent.find(({ isOver, reader, isCancelled }) => !isOver && reader !== null && !isCancelled)!;
        sent.isCancelled = true;
        void sent.reader!.cancel("not wanted").catch(() => {});
        return;
      }
      case "T":
        this.#clock.fire();
        return;
      case "z":
        this.#closings.push(this.#client.close({ timeout: 5_000 }));
    }
  }

  async finish(): Promise<void> {
    this.#isHealed = true;
    for (let round = 0; round < 12; round++) {
      await turns(1);
      this.#goOn();
    }
    await this.#clock.pass(3_000);
    this.#goOn();
    await this.#clock.pass(LONG);
    must(this.fault === null, `${this.fault}`);
    for (const sent of this.#sent) this.#check(sent);
    const { active, waiting, connections } = this.#client.status;
    must(active + waiting + connections === 0, `After hours the client has ${JSON.stringify(this.#client.status)}`);
    if (this.#closings.length === 0) await this.#askAgain();
    this.#closings.push(this.#client.close());
    for (const each of this.#closings) await mustSettle(this.#clock, each, "close()");
    must(this.fault === null, `${this.fault}`);
    must(
      this.#peers.every(({ wire }) => wire.isClosed),
      "A connection was never closed",
    );
    must(this.#clock.pending === 0, `${this.#clock.pending} timers run at the end`);
  }

  /** A request to an application that is good again is answered. */
  async #askAgain(): Promise<void> {
    this.#send("POST");
    for (let round = 0; round < 6; round++) {
      await turns(1);
      this.#goOn();
    }
    await this.#clock.pass(3_000);
    this.#goOn();
    await turns(2);
    const witness = this.#sent.at(-1)!;
    must(witness.isOver && witness.isWhole, `A request to an application that is good again: ${String(witness.error)}`);
    this.#check(witness);
    await this.#clock.pass(LONG);
  }

  #goOn(): void {
    while (this.#dials.length > 0) this.#open();
    for (const peer of this.#peers) {
      peer.wire.read();
      while (peer.questions > 0) peer.answerValues();
      for (const got of peer.open) if (got.hasParams && got.hasStdinEnd) peer.end(got, "whole");
    }
  }

  #check({ nonce, method, isOver, isWhole, text, error }: Sent): void {
    must(isOver, `${nonce} is never over`);
    const attempts = this.#peers.flatMap(({ got }) => got.filter((each) => each.nonce === nonce));
    const wanted = `Status: 200 OK\r\n\r\n<${nonce}>`;
    must(wanted.startsWith(text), `${nonce} got ${JSON.stringify(text)}`);
    if (isWhole) must(text === wanted, `What ${nonce} got looks whole: ${JSON.stringify(text)}`);
    const isAborted = error instanceof DOMException && error.name === "AbortError";
    const isClosed = error instanceof TypeError && /is closed/.test(error.message);
    must(
      error === null || error instanceof FastCgiError || isAborted || isClosed,
      `${nonce} failed with ${String(error)}`,
    );
    const run = attempts.filter(({ outcome }) => outcome !== "refused").length;
    must(run <= (method === "POST" ? 1 : 2), `${nonce} (${method}) was sent ${run} times`);
    for (const { hasStdinEnd, stdin } of attempts) {
      if (hasStdinEnd) must(stdin === (method === "POST" ? nonce : ""), `The body of ${nonce} came as ${stdin}`);
    }
    if (this.#isGood) must(isWhole, `${nonce} was not answered: ${String(error)}`);
  }

  #send(method: "GET" | "POST"): void {
    const nonce = `q${this.#sent.length}`;
    const abort = new AbortController();
    const sent: Sent = {
      nonce,
      method,
      abort,
      text: "",
      isWhole: false,
      isOver: false,
      error: null,
      reader: null,
      isCancelled: false,
    };
    this.#sent.push(sent);
    const params: [string, string][] = [
      ["NONCE", nonce],
      ["REQUEST_METHOD", method],
    ];
    const request = { params, stdin: method === "POST" ? nonce : null, signal: abort.signal };
    void this.#read(sent, request).then(
      () => {
        sent.isOver = true;
      },
      (error) => {
        sent.isOver = true;
        sent.error = error;
      },
    );
  }

  async #read(sent: Sent, request: Parameters<FastCgiClient["send"]>[0]): Promise<void> {
    const response = await this.#client.send(request);
    const reader = response.stdout.getReader();
    sent.reader = reader;
    const pieces: Uint8Array[] = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      sent.text = textOf(pieces);
    }
    if (sent.isCancelled) return;
    await response.end;
    sent.isWhole = true;
  }

  #connect(signal: AbortSignal): Promise<FastCgiConnection> {
    return new Promise((resolve, reject) => {
      const dial = { resolve, reject };
      signal.addEventListener("abort", () => {
        const at = this.#dials.indexOf(dial);
        if (at >= 0) this.#dials.splice(at, 1);
        reject(signal.reason);
      });
      this.#dials.push(dial);
      if (this.#isHealed) this.#open();
    });
  }

  #open(): void {
    const peer = new Peer(this, this.#transport);
    if (this.#isHeld && !this.#isHealed) peer.wire.hold();
    this.#peers.push(peer);
    this.#dials.shift()!.resolve(peer.wire.connection);
  }
}

const MODES: readonly (readonly [name: string, transport: Transport, options: FastCgiClientOptions])[] = [
  ["client-plain", "channel", { maxConnections: 1 }],
  ["client-kept", "channel", { keepAlive: true, maxConnections: 1 }],
  ["client-kept-streams", "streams", { keepAlive: true, reuseForAll: true, maxConnections: 2 }],
  ["client-shared", "channel", { multiplexing: true, maxConnections: 1, maxConcurrentRequests: 2 }],
];

/** A FastCgiClient in each of its modes. */
export const clientWorlds: readonly WorldKind[] = MODES.map(([name, transport, options]) => ({
  name,
  make: (clock) => new ClientWorld(clock, transport, options),
}));
