// What is told of the traffic: plain data, without the secrets, from which the terminal, `--json` and the page in the browser are made.

import type { StreamReport } from "./content.ts";
import type { Party } from "./trace.ts";

/** A record. */
export interface RecordReport {
  /** Milliseconds since the request began, or, without a request, since the connection was opened. */
  readonly time: number;
  readonly from: Party;
  /** Its name in the specification, such as `STDIN`, or its number. */
  readonly type: string;
  readonly requestId: number;
  readonly contentLength: number;
  readonly paddingLength: number;
  /** What it says, where that is no stream. */
  readonly about: string;
}

/** What is odd against a rule of specifications/conformance.md. */
export interface Oddity {
  /** The rule's id. */
  readonly rule: string;
  readonly title: string;
  readonly reason: string;
  /** Whether the rule is a recommendation. */
  readonly isAdvice: boolean;
}

/**
 * How a request came to its end. `refused`: END_REQUEST says so. `aborted`: by the web server. `broken off`: the application closed the
 * connection before END_REQUEST. `unknown`: the trace does not tell.
 */
export type Outcome = "complete" | "refused" | "aborted" | "broken off" | "unknown";

/** A request and its response. */
export interface ExchangeReport {
  readonly event: "exchange";
  /** From 1, in the order in which requests began. */
  readonly number: number;
  readonly connection: number;
  readonly requestId: number;
  readonly role: string | null;
  readonly keepConn: boolean | null;
  /** The most requests that ran at once on the connection while this one did. */
  readonly together: number;
  readonly method: string | null;
  readonly uri: string | null;
  readonly status: number | null;
  readonly outcome: Outcome;
  /** More about the outcome: how it was aborted or broken off. */
  readonly reason: string | null;
  readonly appStatus: number | null;
  readonly protocolStatus: string | null;
  /** Milliseconds from the beginning of the trace to BEGIN_REQUEST. */
  readonly began: number;
  /** Milliseconds since it began: the ends of PARAMS and STDIN, the first byte of STDOUT, and the end. */
  readonly times: {
    readonly params: number | null;
    readonly stdin: number | null;
    readonly firstByte: number | null;
    readonly end: number | null;
  };
  /** The variables; null if they were not complete, or no pairs. */
  readonly params: readonly (readonly [name: string, value: string])[] | null;
  readonly stdin: StreamReport;
  readonly data: StreamReport;
  /** The lines of the response's header; null if there is none. */
  readonly header: readonly string[] | null;
  /** STDOUT behind the header. */
  readonly body: StreamReport;
  readonly stderr: StreamReport;
  /** The first records, and the last ones. */
  readonly records: readonly RecordReport[];
  /** The number of records between them. */
  readonly recordsLeftOut: number;
  readonly oddities: readonly Oddity[];
}

/** What happened on a connection beside its requests. */
export interface ConnectionReport {
  readonly event: "connection";
  readonly connection: number;
  /** Milliseconds since the beginning of the trace. */
  readonly time: number;
  readonly what: "opened" | "closed" | "refused" | "odd" | "lost" | "management";
  readonly text: string;
  readonly oddity?: Oddity;
}

/** A record as it comes, with the number of its request. */
export type RecordEvent = RecordReport & {
  readonly event: "record";
  readonly connection: number;
  /** Null if it belongs to no request. */
  readonly exchange: number | null;
};

/** A request that has no end yet. */
export interface RunningRequest {
  readonly number: number;
  /** The method and the URI. */
  readonly title: string;
  /** How long it has run. */
  readonly milliseconds: number;
}

/** Things that could not be shown, because the reader was too slow. */
export interface SkippedReport {
  readonly event: "skipped";
  readonly lines: number;
}

/** What follows is of this part of a file. */
export interface PartReport {
  readonly event: "part";
  readonly name: string;
}

export type Report = ExchangeReport | ConnectionReport | RecordEvent | SkippedReport | PartReport;
