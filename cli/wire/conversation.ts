// One connection, decoded: what crossed it → records → exchanges. It holds a bounded part of them, and never fails: what can't be
// decoded is said once, and then only counted.

import { decodeNameValuePairs, type FastCgiRecord, RecordDecoder, RecordType } from "../../src/toolkit.ts";
import { HeaderBytes } from "../check/header_bytes.ts";
import { constantName } from "../check/report/records.ts";
import { safeLine } from "../frame/style.ts";
import { Exchange, recordReport, type WireOptions } from "./exchange.ts";
import type { ConnectionReport, ExchangeReport, Oddity, Outcome, RecordEvent } from "./report.ts";
import type { Party, Sides, TraceEvent } from "./trace.ts";

export interface ConversationEvents {
  /** A number for a request that begins. */
  next(): number;
  onConnection(report: ConnectionReport): void;
  onRecord(report: RecordEvent): void;
  onExchange(report: ExchangeReport): void;
}

/** The most requests of a connection that are followed at once; FastCGI allows 65,535. */
const MAX_ACTIVE = 1024;

/** Record types that a web server sends for a request. */
const OF_WEB_SERVER: readonly number[] = [
  RecordType.BeginRequest,
  RecordType.AbortRequest,
  RecordType.Params,
  RecordType.Stdin,
  RecordType.Data,
];
/** Record types that an application sends for a request. */
const OF_APPLICATION: readonly number[] = [RecordType.EndRequest, RecordType.Stdout, RecordType.Stderr];

export class Conversation {
  readonly #connection: number;
  readonly #opened: number;
  readonly #sides: Sides;
  readonly #options: WireOptions;
  readonly #events: ConversationEvents;
  readonly #active = new Map<number, Exchange>();
  /** Ids of requests that run and are not followed, because there are too many. */
  readonly #unfollowed = new Set<number>();
  readonly #streams: Readonly<Record<Party, Direction>> = {
    "web server": new Direction(),
    application: new Direction(),
  };
  /** Who closed or broke the connection first, and how. */
  #leaver: { readonly party: Party; readonly reason: string } | null = null;
  /** Ids that had a request before: what comes late for them is no news. */
  readonly #used = new Set<number>();
  readonly #said = new Set<string>();
  #isBrokenOff = false;
  #asked = false;

  constructor(
    opened: { readonly connection: number; readonly time: number },
    sides: Sides,
    options: WireOptions,
    events: ConversationEvents,
  ) {
    this.#connection = opened.connection;
    this.#opened = opened.time;
    this.#sides = sides;
    this.#options = options;
    this.#events = events;
  }

  /** Requests that are not over. */
  get active(): Iterable<Exchange> {
    return this.#active.values();
  }

  /** Whether the connection can be closed without harm to a request: all that has begun is over, and nothing is half sent. */
  get isIdle(): boolean {
    const running = this.#active.size + this.#unfollowed.size;
    return running === 0 && Object.values(this.#streams).every((stream) => stream.isBetweenRecords);
  }

  /** Whether the application has answered all requests, and has sent nothing in part. */
  get isAnswered(): boolean {
    const running = this.#active.size + this.#unfollowed.size;
    return running === 0 && !this.#isBrokenOff && this.#streams.application.isBetweenRecords;
  }

  take(event: TraceEvent): void {
    const { time } = event;
    switch (event.what) {
      case "opened":
        this.#tell("opened", event.about ?? "", time);
        break;
      case "bytes":
        this.#takeBytes(event.bytes, event.from, time);
        break;
      case "lost":
        this.#streams[event.from].die();
        this.#tell("lost", `${event.length} bytes of the ${event.from} are not in the trace`, time);
        this.#finishAll("unknown", "bytes are missing in the trace", time);
        break;
      case "end":
        this.#leave(event.from, `the ${event.from} closed the connection`);
        if (event.from === "application") this.#finishAll("broken off", this.#leaver!.reason, time);
        break;
      case "broken":
        this.#leave(event.from, `the ${event.from} broke the connection: ${event.reason}`);
        this.#finishAll(this.#leaver!.party === "web server" ? "aborted" : "broken off", this.#leaver!.reason, time);
        break;
      case "refused":
        this.#leave("application", event.reason);
        this.#tell("refused", event.reason, time);
        break;
      case "closed":
        this.close(time);
        break;
    }
  }

  /** Nothing more comes. */
  close(time: number): void {
    for (const party of ["web server", "application"] as const) {
      const rest = this.#streams[party].rest;
      if (rest !== null && this.#leaver === null)
        this.#tell("lost", `the ${party} ended inside a record: ${rest}`, time);
    }
    const { party, reason } = this.#leaver ?? { party: null, reason: "the trace ends" };
    if (this.#sides !== "both") this.#finishAll("unknown", `the trace has only what the ${this.#sides} sent`, time);
    else this.#finishAll(party === null ? "unknown" : party === "web server" ? "aborted" : "broken off", reason, time);
    this.#tell("closed", this.#leaver?.reason ?? "", time);
  }

  #leave(party: Party, reason: string): void {
    this.#leaver ??= { party, reason: safeLine(reason) };
  }

  #takeBytes(bytes: Uint8Array, from: Party, time: number): void {
    const stream = this.#streams[from];
    const { error, hasReserved, isBrokenOff } = stream.take(bytes, (record) => this.#takeRecord(record, from, time));
    if (hasReserved)
      this.#isOdd("FCGI-3.3-8", "The reserved byte of headers is zero", `one of the ${from} is not`, time);
    if (error === null) return;
    if (isBrokenOff && from === "application" && this.#active.size > 0) {
      this.#leave("application", "the application broke off, with a record header of zeros");
      this.#finishAll("broken off", this.#leaver!.reason, time);
      return;
    }
    this.#isOdd(
      "FCGI-3.3-2",
      "Everything is a record of version 1",
      `the ${from} sends something else: ${error}`,
      time,
    );
    this.#finishAll("unknown", `the ${from} sends no FastCGI`, time);
  }

  #takeRecord(record: FastCgiRecord, from: Party, time: number): void {
    const { type, requestId } = record;
    if (requestId === 0) {
      this.#takeManagement(record, from, time);
      return;
    }
    const known = from === "web server" ? OF_WEB_SERVER : OF_APPLICATION;
    if (!known.includes(type)) {
      const reason = `${constantName(RecordType, type)} ${requestId} of the ${from}`;
      const isManagement = type >= RecordType.GetValues;
      this.#isOdd(
        isManagement ? "FCGI-3.3-15" : "FCGI-5.1-1",
        isManagement ? "Management records have request id 0" : "Each side sends its own records",
        reason,
        time,
      );
      this.#tellRecord(record, from, time, null);
      return;
    }
    if (type === RecordType.BeginRequest) this.#begin(record, time);
    const exchange = this.#active.get(requestId) ?? this.#unasked(record, from, time);
    if (exchange === null) {
      this.#tellRecord(record, from, time, null);
      return;
    }
    this.#events.onRecord({
      event: "record",
      connection: this.#connection,
      exchange: exchange.number,
      ...exchange.take(record, from, time),
    });
    if (exchange.isEnded) this.#finish(exchange, null);
  }

  #begin({ requestId, contentData }: FastCgiRecord, time: number): void {
    const earlier = this.#active.get(requestId);
    if (earlier !== undefined) {
      // Without the answers, this is how a web server uses an id again.
      if (this.#sides === "both")
        this.#isOdd("FCGI-3.3-10", "An id becomes active with BEGIN_REQUEST", `${requestId} was active before`, time);
      this.#finish(earlier, { outcome: "unknown", reason: "another request began with its id", time });
    }
    this.#unfollowed.delete(requestId);
    if (this.#active.size >= MAX_ACTIVE) {
      this.#isOdd(
        "FIELD-11",
        "Everything that a peer can grow is bounded",
        `more than ${MAX_ACTIVE} requests at once`,
        time,
      );
      this.#unfollowed.add(requestId);
      return;
    }
    this.#open(requestId, contentData.slice(), time);
  }

  #open(requestId: number, begin: Uint8Array | null, began: number): Exchange {
    const together = this.#active.size + 1;
    const place = { number: this.#events.next(), connection: this.#connection, requestId, began, together };
    const exchange = new Exchange(place, begin, this.#sides, this.#options);
    this.#active.set(requestId, exchange);
    this.#used.add(requestId);
    for (const other of this.#active.values()) other.together = Math.max(other.together, together);
    return exchange;
  }

  /** A record for an id without a request. Only a trace without the requests makes an exchange of it. */
  #unasked({ type, requestId }: FastCgiRecord, from: Party, time: number): Exchange | null {
    if (this.#unfollowed.has(requestId)) {
      if (type === RecordType.EndRequest && from === "application") this.#unfollowed.delete(requestId);
      return null;
    }
    if (this.#sides === "application" && from === "application") return this.#open(requestId, null, time);
    const name = `${constantName(RecordType, type)} ${requestId}`;
    if (from === "application") {
      this.#isOdd("FIELD-5", "Nothing comes for ids that have no request, or behind END_REQUEST", name, time);
    } else if (!this.#used.has(requestId)) {
      // After an early answer the rest of STDIN may come, or an abort that was on its way.
      this.#isOdd("FCGI-5.1-1", "Requests begin with BEGIN_REQUEST", name, time);
    }
    return null;
  }

  #takeManagement(record: FastCgiRecord, from: Party, time: number): void {
    const { type, contentData } = record;
    const report = this.#tellRecord(record, from, time, null);
    const name = constantName(RecordType, type);
    this.#tell("management", `${from === "web server" ? "→" : "←"} ${name} ${report.about}`, time);
    if (OF_WEB_SERVER.includes(type) || OF_APPLICATION.includes(type)) {
      this.#isOdd("FCGI-3.3-16", "Application records have a request id that is not 0", `${name} of the ${from}`, time);
    } else if (from === "application") {
      if (type === RecordType.GetValuesResult && !this.#asked && this.#sides === "both")
        this.#isOdd("FIELD-5", "Nothing comes unasked", name, time);
    } else if (type === RecordType.GetValues) {
      this.#asked = true;
      const full = pairsOf(contentData)?.find(([, value]) => value !== "");
      if (full !== undefined)
        this.#isOdd("FCGI-4.1-1", "GET_VALUES asks with empty values", `${full[0]} comes with a value`, time);
    }
    if (type === RecordType.GetValues || type === RecordType.GetValuesResult) {
      if (pairsOf(contentData) === null)
        this.#isOdd("FCGI-3.4-1", "Pairs are lengths, a name and a value", `${name} of the ${from} has others`, time);
    }
  }

  #tellRecord(record: FastCgiRecord, from: Party, time: number, exchange: number | null): RecordEvent {
    const report = recordReport(record, from, time - this.#opened);
    const event: RecordEvent = { event: "record", connection: this.#connection, exchange, ...report };
    this.#events.onRecord(event);
    return event;
  }

  #finish(exchange: Exchange, ending: { outcome: Outcome; reason: string; time: number } | null): void {
    this.#active.delete(exchange.requestId);
    this.#events.onExchange(exchange.report(ending));
  }

  #finishAll(outcome: Outcome, reason: string, time: number): void {
    if (this.#active.size > 0) this.#isBrokenOff = true;
    const isShared = this.#active.size > 1;
    for (const exchange of [...this.#active.values()]) {
      if (outcome === "aborted" && isShared)
        exchange.addOddity({
          rule: "FCGI-3.5-1",
          title: "A shared connection is closed only when no request is active on it",
          reason,
          isAdvice: false,
        });
      if (outcome === "broken off")
        exchange.addOddity({
          rule: "FCGI-5.5-1",
          title: "Every request ends with END_REQUEST",
          reason: `there is none: ${reason}`,
          isAdvice: false,
        });
      this.#finish(exchange, { outcome, reason, time });
    }
  }

  /** Says what is odd about the connection; each thing once. */
  #isOdd(rule: string, title: string, reason: string, time: number): void {
    const key = `${rule} ${title}`;
    if (this.#said.has(key)) return;
    this.#said.add(key);
    const oddity: Oddity = { rule, title, reason: safeLine(reason), isAdvice: rule.startsWith("FIELD-") };
    this.#tell("odd", `${title}: ${oddity.reason}`, time, oddity);
  }

  #tell(what: ConnectionReport["what"], text: string, time: number, oddity?: Oddity): void {
    this.#events.onConnection({
      event: "connection",
      connection: this.#connection,
      time: Math.round(time * 1000) / 1000,
      what,
      text: safeLine(text),
      ...(oddity !== undefined && { oddity }),
    });
  }
}

function pairsOf(contentData: Uint8Array): readonly (readonly [string, string])[] | null {
  try {
    return decodeNameValuePairs(contentData);
  } catch {
    return null;
  }
}

/** The bytes of one party, as records. */
class Direction {
  readonly #decoder = new RecordDecoder();
  readonly #headers = new HeaderBytes();
  #isDead = false;

  get isBetweenRecords(): boolean {
    return this.#isDead ? false : this.#decoder.isBetweenRecords;
  }

  /** What is wrong with the end of the bytes, if they end here; null if nothing is. */
  get rest(): string | null {
    if (this.#isDead) return null;
    try {
      this.#decoder.flush();
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  die(): void {
    this.#isDead = true;
  }

  take(
    bytes: Uint8Array,
    onRecord: (record: FastCgiRecord) => void,
  ): { readonly error: string | null; readonly hasReserved: boolean; readonly isBrokenOff: boolean } {
    if (this.#isDead) return { error: null, hasReserved: false, isBrokenOff: false };
    let error: string | null = null;
    this.#headers.push(bytes);
    const hasReserved = this.#headers.reserved.splice(0).some((byte) => byte !== 0);
    try {
      this.#decoder.transform(bytes, { enqueue: onRecord });
    } catch (thrown) {
      this.#isDead = true;
      error = (thrown as Error).message;
    }
    // This library breaks a response off like this, because nginx takes the end of the connection for that of the response.
    return { error, hasReserved: hasReserved && error === null, isBrokenOff: this.#headers.otherVersion === 0 };
  }
}
