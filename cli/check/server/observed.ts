// What a web server sends: every connection and every request on it, record by record. This file only collects;
// observer.ts answers.

import { Role } from "../../../adapters/node/index.ts";
import {
  decodeBeginRequestBody,
  decodeNameValuePairs,
  type FastCgiRecord,
  type NameValuePair,
  RecordDecoder,
  RecordType,
} from "../../../src/toolkit.ts";
import { HeaderBytes } from "../header_bytes.ts";
import { constantName } from "../report/records.ts";

/** A record without its content. */
export type SeenRecord = Pick<FastCgiRecord, "type" | "requestId"> & { contentLength: number; paddingLength: number };

/** The streams of a request, in their order (FastCGI 6.1). */
const ORDER: readonly number[] = [RecordType.Params, RecordType.Stdin, RecordType.Data];

/** The most records of a request that are kept; a large upload has thousands. */
const MAX_RECORDS = 1000;

/** The most bytes of PARAMS that are kept: `maxParamsBytes` of the server. */
const MAX_PARAMS_BYTES = 1024 * 1024;

/** One request of a web server. */
export class ObservedRequest {
  readonly requestId: number;
  /** The body of BEGIN_REQUEST. */
  readonly begin: Uint8Array;
  /** The number of requests that ran on the connection when this one began, including this one. */
  readonly together: number;
  readonly records: SeenRecord[] = [];
  /** The first that was sent in another order than that of FastCGI 6.1; null if nothing was. */
  misplaced: string | null = null;
  /** Whether a pair was cut between two records. */
  hasCutPair = false;
  /** The variables, once they are complete. */
  pairs: readonly NameValuePair[] | null = null;
  /** Why the variables can't be read. */
  unreadable: string | null = null;
  readonly bytes: Record<"stdin" | "data", number> = { stdin: 0, data: 0 };
  /** How the request was aborted; null if it was not. */
  aborted: "ABORT_REQUEST" | "closed" | null = null;
  /** Whether FCGI_END_REQUEST was sent. */
  isAnswered = false;
  readonly #ended = new Set<number>();
  readonly #params: Uint8Array[] = [];
  readonly #maxParamsBytes: number;
  #paramsBytes = 0;

  constructor(together: number, requestId: number, begin: Uint8Array, maxParamsBytes: number = MAX_PARAMS_BYTES) {
    this.together = together;
    this.requestId = requestId;
    this.begin = begin;
    this.#maxParamsBytes = maxParamsBytes;
  }

  get role(): number {
    return this.begin.length < 8 ? 0 : decodeBeginRequestBody(this.begin).role;
  }

  get keepConn(): boolean {
    return this.begin.length >= 8 && decodeBeginRequestBody(this.begin).keepConn;
  }

  /** The value of a variable; the last one if there are several. */
  param(name: string): string | undefined {
    return this.pairs?.findLast(([key]) => key === name)?.[1];
  }

  /** Whether a stream has ended. */
  hasEnded(type: RecordType): boolean {
    return this.#ended.has(type);
  }

  take(record: FastCgiRecord): void {
    const { type, requestId, contentData, paddingLength = 0 } = record;
    const seen = { type, requestId, contentLength: contentData.length, paddingLength };
    if (this.records.length < MAX_RECORDS) this.records.push(seen);
    if (type === RecordType.AbortRequest) this.aborted = "ABORT_REQUEST";
    if (ORDER.includes(type)) this.#takeStream(type, contentData);
  }

  #takeStream(type: number, contentData: Uint8Array): void {
    const name = constantName(RecordType, type);
    if (this.#ended.has(type)) this.misplaced ??= `${name} behind its end`;
    const earlier = ORDER.slice(0, ORDER.indexOf(type)).find((other) => !this.#ended.has(other));
    if (earlier !== undefined) this.misplaced ??= `${name} before the end of ${constantName(RecordType, earlier)}`;
    if (contentData.length === 0) {
      this.#ended.add(type);
      if (type === RecordType.Params) this.#readParams();
    } else if (type === RecordType.Params) {
      this.#paramsBytes += contentData.length;
      if (this.#paramsBytes <= this.#maxParamsBytes) this.#params.push(contentData.slice());
    } else {
      this.bytes[type === RecordType.Stdin ? "stdin" : "data"] += contentData.length;
    }
  }

  #readParams(): void {
    if (this.#paramsBytes > this.#maxParamsBytes) {
      this.unreadable = `PARAMS has ${this.#paramsBytes} bytes, of which ${this.#maxParamsBytes} are read`;
      return;
    }
    try {
      this.pairs = decodeNameValuePairs(Buffer.concat(this.#params));
    } catch (error) {
      this.unreadable = (error as Error).message;
      return;
    }
    this.hasCutPair = this.#params.some((content) => !isWhole(content));
  }
}

/** Whether the content of a record is whole pairs. */
function isWhole(content: Uint8Array): boolean {
  try {
    decodeNameValuePairs(content);
    return true;
  } catch {
    return false;
  }
}

/** One connection of a web server. */
export class ObservedConnection {
  readonly requests: ObservedRequest[] = [];
  /** Requests that are not answered yet, by id. */
  readonly active: Map<number, ObservedRequest> = new Map();
  /** The names that the web server asked for with FCGI_GET_VALUES; null if it did not ask. */
  asked: readonly NameValuePair[] | null = null;
  /** What no web server should send. */
  readonly odd: string[] = [];
  /** Why the bytes can't be read as records. */
  unreadable: string | null = null;
  isClosed = false;
  readonly #decoder = new RecordDecoder();
  readonly #headers = new HeaderBytes();
  readonly #onOver: (request: ObservedRequest) => void;

  /** @param onOver Called with every request that is answered or aborted. */
  constructor(onOver: (request: ObservedRequest) => void) {
    this.#onOver = onOver;
  }

  /** Reserved bytes of the headers. */
  get reservedBytes(): readonly number[] {
    return this.#headers.reserved;
  }

  /** Takes bytes of the web server. */
  take(bytes: Uint8Array): void {
    if (this.unreadable !== null) return;
    this.#headers.push(bytes);
    try {
      this.#decoder.transform(bytes, { enqueue: (record) => this.#takeRecord(record) });
    } catch (error) {
      this.unreadable = (error as Error).message;
    }
  }

  /** Called when the web server has closed the connection, or its side of it. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const request of this.active.values()) {
      request.aborted ??= "closed";
      this.#onOver(request);
    }
    this.active.clear();
  }

  /** Called when FCGI_END_REQUEST was sent. */
  end(requestId: number): void {
    const request = this.active.get(requestId);
    if (request === undefined) return;
    this.active.delete(requestId);
    request.isAnswered = true;
    this.#onOver(request);
  }

  #takeRecord(record: FastCgiRecord): void {
    const { type, requestId } = record;
    if (requestId === 0) this.#takeManagement(record);
    else if (type === RecordType.BeginRequest) this.#begin(record);
    else if (type <= RecordType.Data && !FROM_APPLICATIONS.includes(type)) this.#takeForRequest(record);
    else this.odd.push(`${constantName(RecordType, type)} with id ${requestId}`);
  }

  #takeManagement({ type, contentData }: FastCgiRecord): void {
    if (type !== RecordType.GetValues) {
      this.odd.push(`${constantName(RecordType, type)} with id 0`);
      return;
    }
    try {
      this.asked = [...(this.asked ?? []), ...decodeNameValuePairs(contentData)];
    } catch (error) {
      this.odd.push((error as Error).message);
    }
  }

  #begin(record: FastCgiRecord): void {
    const { requestId, contentData } = record;
    if (this.active.has(requestId)) this.odd.push(`BEGIN_REQUEST ${requestId}, which is active`);
    const request = new ObservedRequest(this.active.size + 1, requestId, contentData.slice());
    request.take(record);
    this.active.set(requestId, request);
    this.requests.push(request);
  }

  #takeForRequest(record: FastCgiRecord): void {
    const request = this.active.get(record.requestId);
    // After an early answer the rest of STDIN may come, or an abort that was on its way.
    if (request !== undefined) request.take(record);
    else if (this.requests.length === 0) this.odd.push(`${constantName(RecordType, record.type)} before BEGIN_REQUEST`);
  }
}

const FROM_APPLICATIONS: readonly number[] = [RecordType.EndRequest, RecordType.Stdout, RecordType.Stderr];

/** Whether FastCGI defines a role. */
export function isRole(role: number): boolean {
  return Object.values(Role).some((known) => known === role);
}
