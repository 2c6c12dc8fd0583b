// Applications of every kind, and ways to connect to them. What they do is data; what they have done is in an Attempt.

import fc from "fast-check";
import {
  type Connector,
  encodeRecords,
  type FastCgiConnection,
  type FastCgiRecord,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { record } from "../support/records.ts";
import { pause } from "./clock.ts";
import { marked } from "./handlers.ts";
import {
  anySize,
  type ByteMutation,
  byteMutations,
  concatenated,
  cutAt,
  mutateBytes,
  place,
  textOf,
} from "./mutations.ts";
import { anyTransport, anyWire, must, RecordReader, Wire, type WireOptions, type WireRecord } from "./wire.ts";

const GOOD_ANSWERS = ["whole", "pieces", "early", "without the end of stdout"] as const;
const BAD_ANSWERS = [
  "closes before it",
  "closes midway",
  "resets midway",
  "is cut in a record",
  "refuses to multiplex",
  "is overloaded",
  "does not know the role",
  "ends twice",
  "goes on behind its end",
  "comes with a stray id",
  "comes with management records",
  "comes behind junk",
  "is junk",
  "never comes",
  "stops midway",
  "has no output",
  "has no header",
  "has too long a length",
  "has too short a length",
  "has an early hint",
  "is changed",
  "is behind a restart",
] as const;

/** How an application answers one request. */
export interface AnswerPlan {
  readonly answer: (typeof GOOD_ANSWERS)[number] | (typeof BAD_ANSWERS)[number];
  readonly pieces: number;
  readonly size: number;
  /** Milliseconds before the answer and between its pieces. */
  readonly delay: number;
  readonly stderr: boolean;
  /** Where each write is cut into what the client reads at once. */
  readonly cuts: readonly number[];
  readonly changes: readonly ByteMutation[];
  /** Whether an abort is answered, as by an application that notices it. */
  readonly hearsAborts: boolean;
}

/** How an application takes a connection. */
export interface ConnectPlan {
  readonly how:
    | "opens"
    | "opens late"
    | "is refused"
    | "hangs"
    | "throws"
    | "ends at once"
    | "is reset at once"
    | "is never read";
  readonly values: "multiplexes" | "does not" | "is silent" | "knows no values" | "answers twice";
  readonly wire: WireOptions;
}

const good = { stderr: fc.boolean(), cuts: fc.array(place, { maxLength: 4 }), changes: fc.constant([]) };

/** Applications that answer. */
export const goodAnswer: fc.Arbitrary<AnswerPlan> = fc.record({
  answer: fc.constantFrom(...GOOD_ANSWERS),
  pieces: fc.nat(4),
  size: anySize,
  delay: fc.constantFrom(0, 0, 1, 300),
  hearsAborts: fc.constant(true),
  ...good,
});

/** Applications of all kinds. */
export const anyAnswer: fc.Arbitrary<AnswerPlan> = fc.record({
  ...good,
  answer: fc.constantFrom(...GOOD_ANSWERS, ...BAD_ANSWERS),
  pieces: fc.nat(4),
  size: anySize,
  delay: fc.constantFrom(0, 0, 1, 2_000, 29_000, 61_000),
  changes: byteMutations,
  hearsAborts: fc.boolean(),
});

/** Connections that come about. */
export const goodConnect: fc.Arbitrary<ConnectPlan> = fc.record({
  how: fc.constantFrom("opens", "opens", "opens late"),
  values: fc.constantFrom("multiplexes", "multiplexes", "does not", "is silent", "knows no values", "answers twice"),
  wire: fc.record({ transport: anyTransport, closing: fc.constant("returns") }),
});

/** Connections of all kinds. */
export const anyConnect: fc.Arbitrary<ConnectPlan> = fc.record({
  how: fc.constantFrom(
    "opens",
    "opens",
    "opens",
    "opens late",
    "is refused",
    "hangs",
    "throws",
    "ends at once",
    "is reset at once",
    "is never read",
  ),
  values: fc.constantFrom("multiplexes", "multiplexes", "does not", "is silent", "knows no values", "answers twice"),
  wire: anyWire,
});

/** One request as an application has got it, and its answer. */
export class Attempt {
  readonly requestId: number;
  readonly role: number;
  nonce = "";
  method = "";
  readonly params: Uint8Array[] = [];
  readonly stdin: Uint8Array[] = [];
  /** Whether its params, and its body, have come to their end. */
  hasParams = false;
  hasStdinEnd = false;
  hasDataEnd = false;
  isAborted = false;
  /** What was sent on FCGI_STDOUT. */
  readonly sent: Uint8Array[] = [];
  /** What of it an HTTP client gets; null where it gets a failure. */
  httpBody: string | null = "";
  /** How its answer ended: all of it was sent, the application did not run it, or neither. */
  outcome: "open" | "whole" | "refused" = "open";
  /** Whether its Content-Length ends it for an HTTP client before the application does. */
  endsByLength = false;
  onStdinEnd: () => void = () => {};

  constructor(requestId: number, role: number) {
    this.requestId = requestId;
    this.role = role;
  }

  /** Whether all of the request came. */
  get isWhole(): boolean {
    switch (this.role) {
      case Role.Authorizer:
        return this.hasParams;
      case Role.Filter:
        return this.hasStdinEnd && this.hasDataEnd;
      default:
        return this.hasStdinEnd;
    }
  }
}

/** The params of a request, read only by the rules of FastCGI 3.4. */
function pairsOf(bytes: Uint8Array): Map<string, string> {
  const pairs = new Map<string, string>();
  let at = 0;
  const length = (): number => {
    if (bytes[at]! < 128) return bytes[at++]!;
    at += 4;
    return (bytes[at - 4]! & 0x7f) * 0x100_0000 + bytes[at - 3]! * 0x1_0000 + bytes[at - 2]! * 0x100 + bytes[at - 1]!;
  };
  while (at < bytes.length) {
    const [name, value] = [length(), length()];
    must(at + name + value <= bytes.length, "A pair of the params is cut");
    pairs.set(textOf([bytes.subarray(at, at + name)]), textOf([bytes.subarray(at + name, at + name + value)]));
    at += name + value;
  }
  return pairs;
}

function end(requestId: number, protocolStatus = 0): FastCgiRecord {
  return record(RecordType.EndRequest, requestId, Uint8Array.of(0, 0, 0, 0, protocolStatus, 1, 2, 3));
}

/** The application's end of a connection. */
class BackendConnection {
  readonly wire: Wire;
  readonly #backend: Backend;
  readonly #plan: ConnectPlan;
  readonly #got = new RecordReader();
  /** By request id; those that have ended stay, for what crosses their end. */
  readonly #attempts = new Map<number, Attempt>();
  readonly #active = new Set<Attempt>();
  #last: Attempt | null = null;

  constructor(backend: Backend, plan: ConnectPlan) {
    this.#backend = backend;
    this.#plan = plan;
    this.wire = new Wire((bytes) => this.#take(bytes), plan.wire);
    if (plan.how === "is never read") this.wire.hold();
    // An application closes when its client does.
    this.wire.onClosed(() => this.wire.end());
  }

  #take(bytes: Uint8Array): void {
    try {
      for (const each of this.#got.read(bytes)) this.#onRecord(each);
      must(this.#got.isBetweenRecords, `A write is not of whole records: ${this.#got.rest.slice(0, 16)}`);
    } catch (error) {
      this.#backend.fault ??= error;
    }
  }

  #onRecord({ type, requestId, content }: WireRecord): void {
    if (type === RecordType.GetValues) {
      must(requestId === 0, "FCGI_GET_VALUES came with a request id");
      this.#answerValues();
      return;
    }
    if (type === RecordType.BeginRequest) {
      must(
        !this.#attempts.has(requestId) || !this.#active.has(this.#attempts.get(requestId)!),
        `Request ${requestId} began twice`,
      );
      must(this.#active.size === 0 || this.#backend.mayMultiplex, "A request began behind one that has not ended");
      // What is left of it would be read as the start of this one.
      must(
        this.#last === null || this.#last.isWhole || this.#backend.mayMultiplex,
        "A request began behind one that was not sent to its end",
      );
      const attempt = new Attempt(requestId, content[1]!);
      this.#last = attempt;
      this.#attempts.set(requestId, attempt);
      this.#active.add(attempt);
      this.#backend.attempts.push(attempt);
      return;
    }
    const attempt = this.#attempts.get(requestId);
    must(attempt !== undefined, `A record of type ${type} came for request ${requestId}, which never began`);
    switch (type) {
      case RecordType.Params:
        must(!attempt.hasParams, `FCGI_PARAMS of request ${requestId} go on behind their end`);
        if (content.length > 0) attempt.params.push(content);
        else this.#onParams(attempt);
        return;
      case RecordType.Stdin:
        must(attempt.hasParams && !attempt.hasStdinEnd, `FCGI_STDIN of request ${requestId} came at the wrong time`);
        if (content.length > 0) attempt.stdin.push(content);
        else {
          attempt.hasStdinEnd = true;
          attempt.onStdinEnd();
        }
        return;
      case RecordType.Data:
        must(attempt.hasStdinEnd && !attempt.hasDataEnd, `FCGI_DATA of request ${requestId} came at the wrong time`);
        attempt.hasDataEnd = content.length === 0;
        return;
      case RecordType.AbortRequest:
        attempt.isAborted = true;
        if (this.#active.has(attempt) && this.#backend.planOf(attempt).hearsAborts)
          this.#finish(attempt, [end(requestId)], "open");
        return;
      default:
        must(false, `A record of type ${type} came from a client`);
    }
  }

  #answerValues(): void {
    const value = this.#plan.values === "multiplexes" || this.#plan.values === "answers twice" ? "1" : "0";
    const result = record(RecordType.GetValuesResult, 0, `\x0f\x01FCGI_MPXS_CONNS${value}`);
    switch (this.#plan.values) {
      case "is silent":
        return;
      case "knows no values":
        this.#send([record(RecordType.UnknownType, 0, Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0))], []);
        return;
      case "answers twice":
        this.#send([result, record(RecordType.GetValuesResult, 0)], []);
        return;
      default:
        this.#send([result], []);
    }
  }

  #onParams(attempt: Attempt): void {
    attempt.hasParams = true;
    const params = pairsOf(concatenated(...attempt.params));
    attempt.nonce = params.get("NONCE") ?? params.get("HTTP_X_NONCE") ?? "";
    attempt.method = params.get("REQUEST_METHOD") ?? "";
    void this.#answer(attempt, this.#backend.planOf(attempt));
  }

  async #answer(attempt: Attempt, plan: AnswerPlan): Promise<void> {
    const { answer, delay } = plan;
    const isEarly = answer !== "whole" && answer !== "pieces";
    if (!isEarly && !attempt.hasStdinEnd) {
      await new Promise<void>((resolve) => {
        attempt.onStdinEnd = resolve;
      });
    }
    if (delay > 0) await pause(delay);
    if (!this.#active.has(attempt)) return;
    const { requestId } = attempt;
    const close = (how: "end" | "reset"): void => {
      this.#active.delete(attempt);
      this.wire[how]();
    };
    switch (answer) {
      case "never comes":
        return;
      case "closes before it":
        return close("end");
      case "refuses to multiplex":
        return this.#finish(attempt, [end(requestId, 1)], "refused");
      case "is overloaded":
        return this.#finish(attempt, [end(requestId, 2)], "refused");
      case "does not know the role":
        return this.#finish(attempt, [end(requestId, 3)], "refused");
      case "has no output":
        attempt.httpBody = null;
        return this.#finish(attempt, [end(requestId)], "whole");
      case "is behind a restart":
        return this.#backend.restart();
      case "comes behind junk":
      case "is junk":
        this.#backend.isLying = true;
        this.wire.send(marked("junk", 40));
        if (answer === "is junk") return;
        break;
      case "comes with a stray id":
        this.#send([record(RecordType.Stdout, requestId + 500, "stray")], plan.cuts);
        break;
      case "comes with management records":
        this.#send(
          [record(RecordType.UnknownType, 0, Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0)), record(77, 0, "any")],
          plan.cuts,
        );
    }
    if (plan.stderr) this.#send([record(RecordType.Stderr, requestId, "a message\n")], plan.cuts);
    const body = marked(`<${attempt.nonce}.${this.#backend.attempts.indexOf(attempt)}>`, plan.pieces * plan.size);
    await this.#sendAnswer(attempt, plan, body, close);
  }

  async #sendAnswer(
    attempt: Attempt,
    plan: AnswerPlan,
    body: Uint8Array,
    close: (how: "end" | "reset") => void,
  ): Promise<void> {
    const { answer, pieces, size, delay, cuts } = plan;
    const { requestId } = attempt;
    const header = new TextEncoder().encode(headerOf(plan, body));
    attempt.httpBody = answer === "has no header" ? null : textOf([body]);
    if (answer === "has too long a length") attempt.httpBody = null;
    attempt.endsByLength = answer === "has too short a length";
    if (attempt.endsByLength) attempt.httpBody = textOf([body.subarray(0, body.length >> 1)]);
    if (answer === "is changed") this.#backend.isLying = true;
    const parts = [
      header,
      ...Array.from({ length: pieces }, (_, index) => body.subarray(index * size, (index + 1) * size)),
    ];
    const mid = Math.ceil(parts.length / 2);
    for (const [index, part] of parts.entries()) {
      if (!this.#active.has(attempt)) return;
      if (index === mid) {
        if (answer === "closes midway") return close("end");
        if (answer === "resets midway") return close("reset");
        if (answer === "stops midway") return;
        if (answer === "is cut in a record") {
          const cut = record(RecordType.Stdout, requestId, part.subarray(0, 1000));
          attempt.sent.push(cut.contentData);
          this.wire.send(encodeRecords([cut]).subarray(0, 8 + (cut.contentData.length >> 1)));
          return close("end");
        }
      }
      const records = stdout(requestId, part);
      attempt.sent.push(part);
      if (answer === "is changed") this.wire.send(mutateBytes(encodeRecords(records), plan.changes));
      else this.#send(records, cuts);
      if (answer !== "whole" && delay > 0) await pause(Math.min(delay, 100));
    }
    if (answer === "closes midway" || answer === "is cut in a record") return close("end");
    if (answer === "resets midway") return close("reset");
    if (answer === "stops midway" || !this.#active.has(attempt)) return;
    const last =
      answer === "without the end of stdout"
        ? [end(requestId)]
        : [record(RecordType.Stdout, requestId), end(requestId)];
    if (answer === "ends twice") last.push(end(requestId));
    if (answer === "goes on behind its end")
      last.push(record(RecordType.Stdout, requestId, "behind the end"), end(requestId));
    this.#finish(attempt, last, "whole");
  }

  #finish(attempt: Attempt, records: FastCgiRecord[], outcome: Attempt["outcome"]): void {
    attempt.outcome = outcome;
    this.#active.delete(attempt);
    this.#send(records, []);
    if (!this.#backend.keepsConnections) this.wire.end();
  }

  #send(records: FastCgiRecord[], cuts: readonly number[]): void {
    for (const piece of cutAt(encodeRecords(records), cuts)) this.wire.send(piece);
  }
}

function stdout(requestId: number, bytes: Uint8Array): FastCgiRecord[] {
  const records: FastCgiRecord[] = [];
  for (let at = 0; at < bytes.length; at += 65_535) {
    records.push(record(RecordType.Stdout, requestId, bytes.subarray(at, at + 65_535)));
  }
  return records;
}

function headerOf({ answer }: AnswerPlan, { length }: Uint8Array): string {
  const lines = ["Status: 200 OK", "Content-Type: text/plain"];
  if (answer === "has no header") return "no header at all";
  if (answer === "has too long a length") lines.push(`Content-Length: ${length + 1}`);
  if (answer === "has too short a length") lines.push(`Content-Length: ${length >> 1}`);
  const hint = answer === "has an early hint" ? "Status: 103 Early Hints\r\nLink: </a>\r\n\r\n" : "";
  return `${hint}${lines.join("\r\n")}\r\n\r\n`;
}

const HEALED: AnswerPlan = {
  answer: "whole",
  pieces: 1,
  size: 100,
  delay: 0,
  stderr: false,
  cuts: [],
  changes: [],
  hearsAborts: true,
};

/** An application, all connections to it, and how one connects. */
export class Backend implements Connector {
  readonly attempts: Attempt[] = [];
  readonly connections: BackendConnection[] = [];
  /** Connections of its that the application keeps open between requests. */
  readonly keepsConnections: boolean;
  readonly mayMultiplex: boolean;
  /** Whether it has sent what makes everything on its connections untrue. */
  isLying = false;
  /** The first rule that the client has broken. */
  fault: unknown = null;
  #isHealed = false;
  #isDown = false;
  #connects = 0;
  readonly #connectPlans: readonly ConnectPlan[];
  readonly #answerPlans: readonly AnswerPlan[];
  readonly #plans = new Map<Attempt, AnswerPlan>();

  constructor(
    connects: readonly ConnectPlan[],
    answers: readonly AnswerPlan[],
    options: { keepsConnections: boolean; mayMultiplex: boolean },
  ) {
    this.#connectPlans = connects;
    this.#answerPlans = answers;
    this.keepsConnections = options.keepsConnections;
    this.mayMultiplex = options.mayMultiplex;
  }

  async connect({ signal }: { signal: AbortSignal }): Promise<FastCgiConnection> {
    const given = this.#connectPlans[this.#connects++ % this.#connectPlans.length]!;
    const plan: ConnectPlan = this.#isHealed ? { ...given, how: "opens" } : given;
    if (plan.how === "throws") throw new TypeError("This connector was called wrongly");
    if (plan.how === "is refused" || this.#isDown) throw new Error("Connection refused");
    if (plan.how === "hangs")
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    if (plan.how === "opens late") await pause(500);
    const connection = new BackendConnection(this, plan);
    this.connections.push(connection);
    if (plan.how === "ends at once") connection.wire.end();
    if (plan.how === "is reset at once") connection.wire.reset();
    return connection.wire.connection;
  }

  /** How a request is answered. */
  planOf(attempt: Attempt): AnswerPlan {
    let plan = this.#plans.get(attempt);
    if (plan === undefined) {
      plan = this.#isHealed ? HEALED : this.#answerPlans[this.attempts.indexOf(attempt) % this.#answerPlans.length]!;
      this.#plans.set(attempt, plan);
    }
    return plan;
  }

  /** Breaks all connections, and is away for a moment. */
  restart(): void {
    for (const { wire } of this.connections) wire.reset();
    this.#isDown = true;
    void pause(150).then(() => {
      this.#isDown = false;
    });
  }

  /** From now on it is a good application. */
  heal(): void {
    this.#isHealed = true;
  }
}
