import {
  type Connector,
  decodeBeginRequestBody,
  decodeNameValuePairs,
  encodeEndRequestBody,
  type FastCgiRecord,
  type NameValuePair,
  ProtocolStatus,
  RecordDecoder,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { joined } from "./bytes.ts";
import { connectionPair, type MemoryConnection } from "./memory_connection.ts";
import { bytesOf, record } from "./records.ts";

/** A request as an application reads it off the wire. */
export interface ReceivedRequest {
  requestId: number;
  role: number;
  keepConn: boolean;
  params: Map<string, string>;
  paramPairs: NameValuePair[];
  stdin: Uint8Array;
  data: Uint8Array;
  /** The records in order: type, request id and content length. */
  records: [type: number, requestId: number, contentLength: number][];
}

/** The application's end of a connection, for tests that say what it does record by record. */
export class ScriptedApplication {
  readonly connection: MemoryConnection;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #decoder = new RecordDecoder();
  readonly #records: FastCgiRecord[] = [];

  constructor(connection: MemoryConnection) {
    this.connection = connection;
    this.#reader = connection.readable.getReader();
    this.#writer = connection.writable.getWriter();
    this.#writer.closed.catch(() => {});
  }

  /** The next record, or null when the client has closed. */
  async next(): Promise<FastCgiRecord | null> {
    while (this.#records.length === 0) {
      const bytes = await this.#reader.read().then(
        ({ value }) => value,
        () => undefined,
      );
      if (bytes === undefined) return null;
      this.#decoder.transform(bytes, { enqueue: (piece) => void this.#records.push(piece) });
    }
    return this.#records.shift()!;
  }

  /** Reads one request to the end of what its role has, or null when the client closes before. */
  async request(): Promise<ReceivedRequest | null> {
    const begin = await this.next();
    if (begin === null) return null;
    if (begin.type !== RecordType.BeginRequest) throw new Error(`Expected BEGIN_REQUEST, got type ${begin.type}`);
    const { role, keepConn } = decodeBeginRequestBody(begin.contentData);
    const { requestId } = begin;
    const records: ReceivedRequest["records"] = [[begin.type, requestId, begin.contentData.length]];
    const read = async (type: number): Promise<Uint8Array | null> => {
      const pieces: Uint8Array[] = [];
      for (;;) {
        const piece = await this.next();
        if (piece === null) return null;
        if (piece.type !== type) throw new Error(`Expected a record of type ${type}, got type ${piece.type}`);
        records.push([piece.type, piece.requestId, piece.contentData.length]);
        if (piece.contentData.length === 0) return joined(...pieces);
        pieces.push(piece.contentData);
      }
    };
    const none = new Uint8Array(0);
    const params = await read(RecordType.Params);
    const stdin = role === Role.Authorizer ? none : await read(RecordType.Stdin);
    const data = role === Role.Filter && stdin !== null ? await read(RecordType.Data) : none;
    if (params === null || stdin === null || data === null) return null;
    const paramPairs = decodeNameValuePairs(params);
    return { requestId, role, keepConn, params: new Map(paramPairs), paramPairs, stdin, data, records };
  }

  /** Sends records in one write. Resolves when the client has taken them, or is gone. */
  send(...records: (FastCgiRecord | FastCgiRecord[])[]): Promise<void> {
    return this.sendBytes(bytesOf(...records));
  }

  async sendBytes(bytes: Uint8Array): Promise<void> {
    await this.#writer.write(bytes).catch(() => {});
  }

  /** Ends the application's output, as a half-close does. */
  async end(): Promise<void> {
    await this.#writer.close().catch(() => {});
  }

  /** Closes the connection both ways. */
  close(): void {
    this.connection.close();
  }

  /** Resolves when the client has closed the connection. */
  async closedByClient(): Promise<void> {
    while ((await this.next()) !== null);
  }
}

/** FCGI_END_REQUEST. */
export function end(requestId: number, protocolStatus: number = ProtocolStatus.RequestComplete, appStatus = 0) {
  return record(
    RecordType.EndRequest,
    requestId,
    encodeEndRequestBody({ appStatus, protocolStatus: protocolStatus as 0 }),
  );
}

/** FCGI_STDOUT with `content` in records as large as they may be, without the end of the stream. */
export function stdout(requestId: number, content: Uint8Array | string): FastCgiRecord[] {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const records: FastCgiRecord[] = [];
  for (let start = 0; start < bytes.length; start += 0xffff) {
    records.push(record(RecordType.Stdout, requestId, bytes.subarray(start, start + 0xffff)));
  }
  return records;
}

/** A whole answer: FCGI_STDOUT, its end, FCGI_END_REQUEST. */
export function answer(requestId: number, content: Uint8Array | string, appStatus = 0): FastCgiRecord[] {
  return [
    ...stdout(requestId, content),
    record(RecordType.Stdout, requestId),
    end(requestId, ProtocolStatus.RequestComplete, appStatus),
  ];
}

/** What one connection of a scripted application does. What it throws fails the test run as an unhandled rejection. */
export type Script = (application: ScriptedApplication, connection: number) => void | Promise<void>;

/** A connector whose connections are made in memory and run `script`. */
export class ScriptedConnector implements Connector {
  /** The client's ends, in the order in which they were opened. */
  readonly connections: MemoryConnection[] = [];
  readonly #script: Script;

  constructor(script: Script) {
    this.#script = script;
  }

  async connect(): Promise<MemoryConnection> {
    const [client, application] = connectionPair();
    this.connections.push(client);
    void this.#script(new ScriptedApplication(application), this.connections.length);
    return client;
  }
}

/** A script that answers every request of a connection with what `content` makes of it. */
export function answering(content: (request: ReceivedRequest) => Uint8Array | string): Script {
  return async (application) => {
    for (let request = await application.request(); request !== null; request = await application.request()) {
      await application.send(answer(request.requestId, content(request)));
    }
  };
}
