// A connection of the server: a web server, the handlers of its requests, and the server itself, each of which may go on at any moment.

import { encodeRecords, type FastCgiResponse, FastCgiServer, RecordType } from "../../src/toolkit.ts";
import { type FakeClock, turns } from "../fuzz/clock.ts";
import { textOf } from "../fuzz/mutations.ts";
import { must, RecordReader, type Transport, Wire } from "../fuzz/wire.ts";
import { begin, params, record } from "../support/records.ts";
import { LONG, mustSettle, type World, type WorldKind } from "./explore.ts";

const MAX_REQUESTS = 3;

/** A request as the web server sees it. */
interface Asked {
  readonly requestId: number;
  /** Whether its body is not at its end. */
  isUploading: boolean;
  isAborted: boolean;
  stdout: Uint8Array[];
  hasEnd: boolean;
}

/** A call of the handler. */
interface Call {
  readonly requestId: number;
  readonly signal: AbortSignal;
  readonly resolve: (response: FastCgiResponse) => void;
  readonly reject: (error: unknown) => void;
  state: "running" | "streaming" | "whole" | "failed";
  stream: ReadableStreamDefaultController<Uint8Array> | null;
  isCancelled: boolean;
}

const HEADER = "Status: 200 OK\r\n\r\n";
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

class ServerWorld implements World {
  readonly #clock: FakeClock;
  readonly #server: FastCgiServer;
  readonly #wire: Wire;
  readonly #served: Promise<void>;
  readonly #reader = new RecordReader();
  readonly #asked = new Map<number, Asked>();
  readonly #calls: Call[] = [];
  readonly #closings: Promise<void>[] = [];
  #values = 0;
  #answeredValues = 0;
  #isHeld = false;
  /** Whether the web server has gone, or has stopped listening. */
  #hasEnded = false;
  /** Whether nothing has happened by which a request may go without its answer. */
  #isGood = true;
  #isBrokenOff = false;
  #fault: unknown = null;

  constructor(clock: FakeClock, transport: Transport) {
    this.#clock = clock;
    this.#server = new FastCgiServer(
      ({ requestId, signal }) =>
        new Promise((resolve, reject) => {
          this.#calls.push({ requestId, signal, resolve, reject, state: "running", stream: null, isCancelled: false });
        }),
      { maxConcurrentRequests: 2 },
    );
    this.#wire = new Wire((bytes) => this.#take(bytes), { transport, closing: "returns" });
    this.#wire.onClosed(() => this.#wire.end());
    this.#served = this.#server.serve(this.#wire.connection);
  }

  enabled(): string {
    const asked = [...this.#asked.values()];
    const can = (letter: string, condition: boolean): string => (condition ? letter : "");
    const isHere = !this.#hasEnded && !this.#wire.isGone;
    return [
      can("bnu", isHere && asked.length < MAX_REQUESTS),
      can("s", isHere && asked.some(({ isUploading }) => isUploading)),
      can("a", isHere && asked.some(({ isAborted, hasEnd }) => !isAborted && !hasEnd)),
      can("v", isHere && this.#values < 2),
      can(
        "rtx",
        this.#calls.some(({ state }) => state === "running"),
      ),
      can(
        "pfy",
        this.#calls.some(({ state }) => state === "streaming"),
      ),
      can("eRw", isHere),
      can(this.#isHeld ? "d" : "h", isHere),
      can("T", this.#clock.pending > 0),
      can("z", this.#closings.length < 2),
    ].join("");
  }

  do(operation: string): void {
    switch (operation) {
      case "b":
        this.#begin(true, false);
        return;
      case "n":
        this.#begin(false, false);
        return;
      case "u":
        this.#begin(true, true);
        return;
      case "s": {
        const { requestId } = this.#endUpload();
        this.#wire.send(encodeRecords([record(RecordType.Stdin, requestId)]));
        return;
      }
      case "a": {
        const asked = [...this.#asked.values()].find(({ isAborted, hasEnd }) => !isAborted && !hasEnd)!;
        asked.isAborted = true;
        this.#wire.send(encodeRecords([record(RecordType.AbortRequest, asked.requestId)]));
        return;
      }
      case "v":
        this.#values++;
        this.#wire.send(encodeRecords([record(RecordType.GetValues, 0, "\x0f\x00FCGI_MPXS_CONNS")]));
        return;
      case "r":
        this.#answer(this.#call("running"));
        return;
      case "t":
        this.#stream(this.#call("running"));
        return;
      case "x": {
        const call = this.#call("running");
        call.state = "failed";
        call.reject(new Error("The handler failed"));
        return;
      }
      case "p":
        this.#piece(this.#call("streaming"));
        return;
      case "f": {
        const call = this.#call("streaming");
        call.state = "whole";
        if (!call.isCancelled) call.stream!.close();
        return;
      }
      case "y": {
        const call = this.#call("streaming");
        call.state = "failed";
        this.#isGood = false;
        if (!call.isCancelled) call.stream!.error(new Error("The response failed"));
        return;
      }
      case "e":
        this.#isGood = false;
        this.#hasEnded = true;
        this.#wire.end();
        return;
      case "R":
        this.#isGood = false;
        this.#hasEnded = true;
        this.#wire.reset();
        return;
      case "w":
        this.#isGood = false;
        this.#wire.failWrites();
        return;
      case "h":
        this.#isHeld = true;
        this.#wire.hold();
        return;
      case "d":
        this.#isHeld = false;
        this.#wire.read();
        return;
      case "T":
        this.#isGood = false;
        this.#clock.fire();
        return;
      case "z":
        this.#isGood = false;
        this.#closings.push(this.#server.close({ timeout: 5_000 }));
    }
  }

  async finish(): Promise<void> {
    await turns(1);
    this.#wire.read();
    for (let round = 0; round < 2; round++) {
      for (const { isUploading, requestId } of [...this.#asked.values()]) {
        if (!isUploading) continue;
        this.#asked.get(requestId)!.isUploading = false;
        this.#wire.send(encodeRecords([record(RecordType.Stdin, requestId)]));
      }
      for (const call of this.#calls) {
        if (call.state === "running") this.#answer(call);
        if (call.state === "streaming") {
          call.state = "whole";
          if (!call.isCancelled) call.stream!.close();
        }
      }
      await turns(1);
    }
    await this.#clock.pass(2_000);
    this.#check();
    this.#wire.end();
    await this.#clock.pass(LONG);
    must(this.#fault === null, `${this.#fault}`);
    must(this.#wire.isClosed, "The connection was never closed");
    must(this.#server.status.connections === 0, `${this.#server.status.connections} connections are open`);
    await mustSettle(this.#clock, this.#served, "serve()");
    this.#closings.push(this.#server.close());
    for (const each of this.#closings) await mustSettle(this.#clock, each, "close()");
    must(
      this.#calls.every(({ stream, isCancelled, state }) => stream === null || isCancelled || state !== "streaming"),
      "A response is neither read nor cancelled",
    );
    must(this.#clock.pending === 0, `${this.#clock.pending} timers run at the end`);
  }

  #check(): void {
    must(this.#fault === null, `${this.#fault}`);
    for (const asked of this.#asked.values()) {
      const { requestId, stdout, hasEnd, isAborted } = asked;
      const text = textOf(stdout);
      const call = this.#calls.find((each) => each.requestId === requestId);
      const wanted = call === undefined ? "" : this.#wanted(call);
      const isError = /^Status: [45]/.test(text);
      must(
        isError || wanted.startsWith(text),
        `Request ${requestId} got ${JSON.stringify(text)}, of ${JSON.stringify(wanted)}`,
      );
      if (hasEnd && !isAborted && !isError) {
        must(
          call?.state === "whole" && text === wanted,
          `The answer to request ${requestId} looks whole: ${JSON.stringify(text)}`,
        );
      }
      if (this.#isGood) {
        must(hasEnd, `Request ${requestId} has no answer`);
        if (call !== undefined && call.state === "whole" && !isAborted)
          must(text === wanted, `Request ${requestId} got ${text}`);
      }
      const isUnfinished = stdout.length > 0 && !hasEnd;
      if (isUnfinished && this.#wire.isClosed && !this.#wire.isGone && this.#wire.hasAlwaysRead) {
        must(
          this.#isBrokenOff || this.#wire.output === "reset",
          `The answer to request ${requestId} is not broken off`,
        );
      }
    }
    if (this.#isGood)
      must(this.#answeredValues === this.#values, `${this.#answeredValues} of ${this.#values} questions were answered`);
  }

  #begin(keepConn: boolean, isUploading: boolean): void {
    const requestId = this.#asked.size + 1;
    // What follows a request without FCGI_KEEP_CONN may go without an answer.
    if (!keepConn || this.#asked.size >= 2) this.#isGood = false;
    this.#asked.set(requestId, { requestId, isUploading, isAborted: false, stdout: [], hasEnd: false });
    const records = [
      begin(requestId, { keepConn }),
      ...params(requestId, { REQUEST_METHOD: "POST" }),
      ...(isUploading ? [record(RecordType.Stdin, requestId, "body")] : [record(RecordType.Stdin, requestId)]),
    ];
    this.#wire.send(encodeRecords(records));
  }

  #endUpload(): Asked {
    const asked = [...this.#asked.values()].find(({ isUploading }) => isUploading)!;
    asked.isUploading = false;
    return asked;
  }

  #call(state: Call["state"]): Call {
    return this.#calls.find((call) => call.state === state)!;
  }

  #wanted({ requestId, state, stream }: Call): string {
    if (state === "failed" && stream === null) return "";
    return `${HEADER}<${requestId}>${"|".repeat(this.#pieces.get(requestId) ?? 0)}`;
  }

  readonly #pieces = new Map<number, number>();

  #answer(call: Call): void {
    call.state = "whole";
    call.resolve({ stdout: bytesOf(`${HEADER}<${call.requestId}>`) });
  }

  #stream(call: Call): void {
    call.state = "streaming";
    const stdout = new ReadableStream<Uint8Array>({
      start: (controller) => {
        call.stream = controller;
      },
      cancel: () => {
        call.isCancelled = true;
      },
    });
    call.stream!.enqueue(bytesOf(`${HEADER}<${call.requestId}>`));
    call.resolve({ stdout });
  }

  #piece({ requestId, stream, isCancelled }: Call): void {
    if (isCancelled) return;
    this.#pieces.set(requestId, (this.#pieces.get(requestId) ?? 0) + 1);
    stream!.enqueue(bytesOf("|"));
  }

  #take(bytes: Uint8Array): void {
    try {
      must(!this.#isBrokenOff, "Something came behind the break-off");
      for (const { type, requestId, content } of this.#reader.read(bytes)) {
        if (requestId === 0) {
          must(type === RecordType.GetValuesResult, `Type ${type} came with request id 0`);
          must(++this.#answeredValues <= this.#values, "An answer came to no question");
          continue;
        }
        const asked = this.#asked.get(requestId);
        must(
          asked !== undefined && !asked.hasEnd,
          `A record came for request ${requestId}, which has ended or never begun`,
        );
        if (type === RecordType.EndRequest) asked.hasEnd = true;
        else if (type === RecordType.Stdout && content.length > 0) asked.stdout.push(content);
      }
      const { rest } = this.#reader;
      if (rest.length === 0) return;
      must(rest.length === 8 && rest.every((byte) => byte === 0), `${rest.length} bytes are no record`);
      this.#isBrokenOff = true;
    } catch (error) {
      this.#fault ??= error;
    }
  }
}

/** A connection of a FastCgiServer, as streams and as calls. */
export const serverWorlds: readonly WorldKind[] = (["streams", "channel"] as const).map((transport) => ({
  name: `server-${transport}`,
  make: (clock) => new ServerWorld(clock, transport),
}));
