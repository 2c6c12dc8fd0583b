// A request and its response, put together from their records.

import {
  byteStringToUtf8,
  decodeEndRequestBody,
  type FastCgiRecord,
  ProtocolStatus,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { type CgiAnswer, readCgiAnswer, statusOf } from "../cgi_answer.ts";
import { constantName, describeDetails } from "../check/report/records.ts";
import { ObservedRequest } from "../check/server/observed.ts";
import { safeLine } from "../frame/style.ts";
import { KeptStream, type StreamReport, shownContent } from "./content.ts";
import { answerOddities, requestOddities } from "./oddities.ts";
import type { ExchangeReport, Oddity, Outcome, RecordReport } from "./report.ts";
import { maskHeader, maskHeaderText, maskReason, maskText, maskValue } from "./secrets.ts";
import type { Party, Sides } from "./trace.ts";

/** What is kept and shown. */
export interface WireOptions {
  /** The most bytes of each body that are kept. */
  readonly body: number;
  /** Whether secrets are shown. */
  readonly secrets: boolean;
}

/** The most bytes of a response's header. No web server takes as much. */
const MAX_HEADER_BYTES = 64 * 1024;
/** The most bytes of the PARAMS of a request that shares its connection with many, which together must not take much memory. */
const MAX_SHARED_PARAMS_BYTES = 64 * 1024;
const MANY = 16;
const MAX_STDERR_BYTES = 16 * 1024;
/** The most records of an exchange that are kept at either end of it; a large upload has thousands in between. */
const MAX_RECORDS = 50;

/** One side's bytes alone have no times. */
const UNTIMED: ExchangeReport["times"] = { params: null, stdin: null, firstByte: null, end: null };

export class Exchange {
  readonly number: number;
  readonly connection: number;
  readonly requestId: number;
  /** When it began: milliseconds since the beginning of the trace. */
  readonly began: number;
  /** The most requests at once. */
  together: number;
  /** What the web server has sent; null if the trace does not have it. */
  readonly #request: ObservedRequest | null;
  readonly #options: WireOptions;
  readonly #sides: Sides;
  readonly #stdin: KeptStream;
  readonly #data: KeptStream;
  readonly #stdout: KeptStream;
  readonly #stderr = new KeptStream(MAX_STDERR_BYTES);
  readonly #first: RecordReport[] = [];
  readonly #last: RecordReport[] = [];
  readonly #oddities: Oddity[] = [];
  #leftOut = 0;
  /** Bytes of the first record of STDOUT. */
  #firstOutput = 0;
  #times: { -readonly [Name in keyof ExchangeReport["times"]]: number | null } = {
    params: null,
    stdin: null,
    firstByte: null,
    end: null,
  };
  #end: { readonly appStatus: number; readonly protocolStatus: number } | null = null;

  constructor(
    place: Pick<Exchange, "number" | "connection" | "requestId" | "began" | "together">,
    begin: Uint8Array | null,
    sides: Sides,
    options: WireOptions,
  ) {
    this.number = place.number;
    this.connection = place.connection;
    this.requestId = place.requestId;
    this.began = place.began;
    this.together = place.together;
    const maxParamsBytes = place.together > MANY ? MAX_SHARED_PARAMS_BYTES : undefined;
    this.#request = begin === null ? null : new ObservedRequest(place.together, place.requestId, begin, maxParamsBytes);
    this.#sides = sides;
    this.#options = options;
    this.#stdin = new KeptStream(options.body);
    this.#data = new KeptStream(options.body);
    this.#stdout = new KeptStream(MAX_HEADER_BYTES + options.body);
  }

  /** Whether END_REQUEST came. */
  get isEnded(): boolean {
    return this.#end !== null;
  }

  /** The method and the URI, for a line about it. */
  get title(): string {
    const { method, uri } = this.#target();
    return `${method ?? "?"} ${uri ?? "?"}`;
  }

  /** Takes a record, and returns what is told of it. */
  take(record: FastCgiRecord, from: Party, time: number): RecordReport {
    const report = this.#note(record, from, time);
    const { type, contentData } = record;
    const at = report.time;
    if (from === "web server") {
      this.#request?.take(record);
      if (type === RecordType.Stdin) this.#stdin.take(contentData);
      if (type === RecordType.Data) this.#data.take(contentData);
      if (contentData.length === 0 && type === RecordType.Params) this.#times.params ??= at;
      if (contentData.length === 0 && type === RecordType.Stdin) this.#times.stdin ??= at;
    } else if (type === RecordType.Stdout) {
      if (this.#stdout.isEnded) this.#isOdd("FCGI-3.3-17", "A stream is over behind its end", "STDOUT came behind it");
      if (this.#stdout.bytes === 0) this.#firstOutput = contentData.length;
      this.#stdout.take(contentData);
      if (contentData.length > 0) this.#times.firstByte ??= at;
      if (this.#request !== null && !this.#request.hasEnded(RecordType.Params))
        this.#isOdd("FCGI-6.1-7", "Output begins when PARAMS is complete", "STDOUT came before its end");
    } else if (type === RecordType.Stderr) {
      this.#stderr.take(contentData);
    } else if (type === RecordType.EndRequest) {
      this.#times.end = at;
      if (contentData.length !== 8)
        this.#isOdd("FCGI-5.5-2", "The body of END_REQUEST has eight bytes", `it has ${contentData.length}`);
      this.#end = contentData.length < 8 ? { appStatus: 0, protocolStatus: 0 } : decodeEndRequestBody(contentData);
    }
    return report;
  }

  /** Adds what is odd about it; each rule once. */
  addOddity(oddity: Oddity): void {
    if (!this.#oddities.some(({ rule, title }) => rule === oddity.rule && title === oddity.title))
      this.#oddities.push(oddity);
  }

  /**
   * All that is known about it.
   *
   * @param ending How it came to its end, if not by END_REQUEST.
   */
  report(ending: { readonly outcome: Outcome; readonly reason: string; readonly time: number } | null): ExchangeReport {
    const request = this.#request;
    const { secrets } = this.#options;
    if (ending !== null) this.#times.end ??= rounded(ending.time - this.began);
    const answer = this.#readAnswer();
    for (const oddity of this.#ruled(answer, ending === null)) this.addOddity(oddity);
    const status = answer?.lines == null ? Number.NaN : statusOf(answer);
    const protocolStatus = this.#end === null ? null : constantName(ProtocolStatus, this.#end.protocolStatus);
    const isRefused = this.#isRefused;
    const isAborted = request?.aborted === "ABORT_REQUEST";
    return {
      event: "exchange",
      number: this.number,
      connection: this.connection,
      requestId: this.requestId,
      role: request === null ? null : constantName(Role, request.role),
      keepConn: request === null ? null : request.keepConn,
      together: this.together,
      ...this.#target(),
      status: Number.isNaN(status) ? null : status,
      outcome: isAborted ? "aborted" : (ending?.outcome ?? (isRefused ? "refused" : "complete")),
      reason: isAborted ? "ABORT_REQUEST" : isRefused ? protocolStatus : (ending?.reason ?? null),
      appStatus: this.#end?.appStatus ?? null,
      protocolStatus,
      began: rounded(this.began),
      times: this.#sides === "both" ? this.#times : UNTIMED,
      params: request?.pairs?.map(([name, value]) => [byteStringToUtf8(name), this.#value(name, value)]) ?? null,
      stdin: this.#stdin.report(secrets),
      data: this.#data.report(secrets),
      header: headerOf(answer, secrets),
      body: this.#body(answer),
      stderr: this.#stderr.report(secrets),
      records: [...this.#first, ...this.#last],
      recordsLeftOut: this.#leftOut,
      oddities: secrets
        ? this.#oddities
        : this.#oddities.map((oddity) => ({ ...oddity, reason: maskReason(oddity.reason) })),
    };
  }

  /** Whether END_REQUEST says that the request was refused. */
  get #isRefused(): boolean {
    return this.#end !== null && this.#end.protocolStatus !== ProtocolStatus.RequestComplete;
  }

  #ruled(answer: CgiAnswer | null, isWhole: boolean): Oddity[] {
    const request = this.#request;
    const sent = request === null ? [] : requestOddities(request, { isAnswered: this.#sides !== "web server" });
    if (answer === null || !isWhole || this.#sides === "web server" || request?.aborted != null) return sent;
    const facts = {
      answer,
      bodyBytes: this.#stdout.bytes - answer.headerLength,
      firstOutput: this.#firstOutput,
      method: request?.param("REQUEST_METHOD"),
      isRefused: this.#isRefused,
      isAuthorizer: request?.role === Role.Authorizer,
    };
    return [...sent, ...answerOddities(facts)];
  }

  #isOdd(rule: string, title: string, reason: string): void {
    this.addOddity({ rule, title, reason, isAdvice: false });
  }

  #note(record: FastCgiRecord, from: Party, time: number): RecordReport {
    const report = recordReport(record, from, time - this.began);
    if (this.#first.length < MAX_RECORDS) this.#first.push(report);
    else this.#last.push(report);
    if (this.#last.length > MAX_RECORDS) {
      this.#last.shift();
      this.#leftOut++;
    }
    return report;
  }

  #target(): Pick<ExchangeReport, "method" | "uri"> {
    const request = this.#request;
    const value = (name: string): string | null => {
      const found = request?.param(name);
      return found === undefined ? null : this.#value(name, found);
    };
    return { method: value("REQUEST_METHOD"), uri: value("REQUEST_URI") ?? value("SCRIPT_NAME") };
  }

  #value(name: string, value: string): string {
    return byteStringToUtf8(this.#options.secrets ? value : maskValue(name, value));
  }

  /** The header, and the beginning of the body. Null if there is nothing on STDOUT, and the application was not seen to end it. */
  #readAnswer(): CgiAnswer | null {
    return this.#stdout.bytes === 0 && this.#end === null ? null : readCgiAnswer(this.#stdout.beginning);
  }

  #body(answer: CgiAnswer | null): StreamReport {
    const { bytes, records, isEnded } = this.#stdout;
    const start = answer?.headerLength ?? 0;
    const beginning = this.#stdout.beginning.subarray(start, start + this.#options.body);
    // Without its end, a header is told from a body by nothing.
    const mask = answer?.lines == null ? maskHeaderText : maskText;
    return { bytes: bytes - start, records, isEnded, ...shownContent(beginning, this.#options.secrets, mask) };
  }
}

/** The lines of a header; null if there is none. */
function headerOf(answer: CgiAnswer | null, secrets: boolean): string[] | null {
  if (answer?.lines == null) return null;
  return (secrets ? [...answer.lines] : maskHeader(answer.lines)).map(byteStringToUtf8);
}

/** What is told of a record. */
export function recordReport(record: FastCgiRecord, from: Party, time: number): RecordReport {
  const { type, requestId, contentData, paddingLength = 0 } = record;
  return {
    time: rounded(time),
    from,
    type: constantName(RecordType, type),
    requestId,
    contentLength: contentData.length,
    paddingLength,
    about: safeLine(describeDetails(type, contentData)),
  };
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
