// Watches FastCGI connections: every byte passes on unchanged, and a copy goes through the library's own RecordDecoder.
// A connector can wrap another one, so a client only has to connect through this one.

import { type Connector, type FastCgiConnection, Role } from "fetchcgi/node";
import {
  type ConnectOptions,
  decodeBeginRequestBody,
  decodeEndRequestBody,
  decodeNameValuePairs,
  type FastCgiRecord,
  ProtocolStatus,
  RecordDecoder,
  RecordType,
  toStreams,
} from "fetchcgi/toolkit";

/**
 * The variable that tells the exchanges apart. The front sets it. A client can't, because its headers become `HTTP_*`.
 */
export const EXCHANGE_ID = "EXCHANGE_ID";

/** The most exchanges that are remembered. */
const MAX_EXCHANGES = 100;
/** The most records of an exchange that are remembered at either end of it; a large upload has thousands in between. */
const MAX_RECORDS = 12;
/** The most bytes of a record's content that are remembered. */
const MAX_PREVIEW = 120;

/** One record that passed. */
export interface SeenRecord {
  readonly from: "front" | "application";
  /** Milliseconds since the exchange began. */
  readonly time: number;
  /** Its name in the specification, such as `FCGI_STDIN`. */
  readonly type: string;
  readonly requestId: number;
  readonly contentLength: number;
  readonly paddingLength: number;
  /** What the record says, or the start of its content. */
  readonly preview: string;
}

/** A request and its response, as records. */
export class Exchange {
  id = "";
  readonly first: SeenRecord[] = [];
  readonly last: SeenRecord[] = [];
  /** The number of records between `first` and `last` that are not kept. */
  omitted = 0;
  /** `complete` after FCGI_END_REQUEST, `cut` if the connection was closed before it. */
  state: "running" | "complete" | "cut" = "running";
  readonly #start = performance.now();

  add({ type, requestId, contentData, paddingLength = 0 }: FastCgiRecord, from: SeenRecord["from"]): void {
    const record = {
      from,
      time: performance.now() - this.#start,
      type: constantName(RecordType, type),
      requestId,
      contentLength: contentData.length,
      paddingLength,
      preview: preview(type, contentData),
    };
    if (this.first.length < MAX_RECORDS) this.first.push(record);
    else this.last.push(record);
    if (this.last.length <= MAX_RECORDS) return;
    this.last.shift();
    this.omitted++;
  }
}

/** A connector that remembers the records of what is sent over its connections. */
export class RecordTap implements Connector {
  readonly #connector: Connector;
  readonly #exchanges = new Map<string, Exchange>();

  constructor(connector: Connector) {
    this.#connector = connector;
  }

  /** The last exchanges, by their EXCHANGE_ID. */
  get exchanges(): ReadonlyMap<string, Exchange> {
    return this.#exchanges;
  }

  async connect(options: ConnectOptions): Promise<FastCgiConnection> {
    const connection = toStreams(await this.#connector.connect(options));
    const tape = new ConnectionTape((exchange) => this.#remember(exchange));
    const sent = copyRecords((record) => tape.sent(record));
    const received = copyRecords((record) => tape.received(record));
    // If the connection breaks, the pipe makes the client's writes fail.
    sent.readable.pipeTo(connection.writable).catch(() => {});
    return {
      ...connection,
      readable: connection.readable.pipeThrough(received),
      writable: sent.writable,
      close() {
        tape.closed();
        return connection.close();
      },
    };
  }

  #remember(exchange: Exchange): void {
    this.#exchanges.set(exchange.id, exchange);
    // A Map keeps the order of insertion, so the first is the oldest.
    for (const id of this.#exchanges.keys()) {
      if (this.#exchanges.size <= MAX_EXCHANGES) break;
      this.#exchanges.delete(id);
    }
  }
}

/** Passes bytes on, and calls back with each record in them. */
function copyRecords(onRecord: (record: FastCgiRecord) => void): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new RecordDecoder();
  return new TransformStream({
    transform(bytes, controller) {
      decoder.transform(bytes, { enqueue: onRecord });
      controller.enqueue(bytes);
    },
  });
}

/** The exchanges of one connection: one after the other, because the client does not multiplex. */
class ConnectionTape {
  readonly #onExchange: (exchange: Exchange) => void;
  #exchange: Exchange | undefined;
  #params: Uint8Array[] = [];

  constructor(onExchange: (exchange: Exchange) => void) {
    this.#onExchange = onExchange;
  }

  sent(record: FastCgiRecord): void {
    if (record.type === RecordType.BeginRequest) {
      this.#exchange = new Exchange();
      this.#params = [];
    }
    this.#exchange?.add(record, "front");
    if (record.type === RecordType.Params) this.#readParams(record.contentData);
  }

  received(record: FastCgiRecord): void {
    this.#exchange?.add(record, "application");
    if (record.type === RecordType.EndRequest) this.#end("complete");
  }

  closed(): void {
    this.#end("cut");
  }

  #end(state: Exchange["state"]): void {
    if (this.#exchange !== undefined) this.#exchange.state = state;
    this.#exchange = undefined;
  }

  /** FCGI_PARAMS is a stream like the others: an empty record ends it, and only then it can be read (FastCGI 5.2). */
  #readParams(contentData: Uint8Array): void {
    if (contentData.length > 0) {
      this.#params.push(contentData);
      return;
    }
    const id = new Map(decodeNameValuePairs(Buffer.concat(this.#params))).get(EXCHANGE_ID);
    if (this.#exchange === undefined || id === undefined) return;
    this.#exchange.id = id;
    this.#onExchange(this.#exchange);
  }
}

function preview(type: number, contentData: Uint8Array): string {
  switch (type) {
    case RecordType.BeginRequest: {
      const { role, keepConn } = decodeBeginRequestBody(contentData);
      return constantName(Role, role) + (keepConn ? ", FCGI_KEEP_CONN" : "");
    }
    case RecordType.EndRequest: {
      const { appStatus, protocolStatus } = decodeEndRequestBody(contentData);
      return `${constantName(ProtocolStatus, protocolStatus)}, appStatus ${appStatus}`;
    }
    default:
      if (contentData.length === 0) return "end of the stream";
      return printable(new TextDecoder().decode(contentData.subarray(0, MAX_PREVIEW)));
  }
}

/** The specification's name for a value of one of the library's constant objects: 1 of RecordType is `FCGI_BEGIN_REQUEST`. */
function constantName(constants: Readonly<Record<string, number>>, value: number): string {
  const name = Object.keys(constants).find((key) => constants[key] === value);
  return name === undefined ? String(value) : `FCGI_${name.replace(/(?<=[a-z])[A-Z]/g, "_$&").toUpperCase()}`;
}

/** Text without control characters and what else can't be seen: a terminal obeys some of them. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\ufffd]/gu, "·");
}
