import {
  decodeEndRequestBody,
  type FastCgiHandler,
  type FastCgiRecord,
  type FastCgiRequest,
  FastCgiServer,
  type FastCgiServerOptions,
  ProtocolStatus,
  RecordType,
  type StreamConnection,
} from "../../src/toolkit.ts";

import { joined } from "./bytes.ts";
import { connectionPair } from "./memory_connection.ts";
import { bytesOf, recordsIn, textOf } from "./records.ts";

/** What came back for one request. */
export interface Answer {
  readonly stdout: string;
  readonly stderr: string;
  readonly appStatus: number;
  readonly protocolStatus: number;
}

/** The web server's end of a connection in memory: sends records, and keeps those that come back. */
export class WebServerEnd {
  readonly #connection: StreamConnection;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #pull: () => void = () => {};
  #onChange: (() => void)[] = [];
  #reading = true;
  /** Writes of the application that are taken although it is not read. */
  #allowed = 0;
  /** The records that came back, by write of the application. */
  readonly writes: FastCgiRecord[][] = [];
  /** How the application's output stands: half-closed is `ended`. */
  output: "open" | "ended" | "broken" = "open";
  /** Whether the output ended with what is no record, so that it can't be taken for whole. */
  brokenOff = false;

  constructor(connection: StreamConnection) {
    this.#connection = connection;
    this.#writer = connection.writable.getWriter();
    this.#reader = connection.readable.getReader();
    this.#writer.closed.catch(() => {});
    void this.#read();
  }

  /** All records that came back. */
  get records(): FastCgiRecord[] {
    return this.writes.flat();
  }

  /** Sends records in one piece. Waits for the application to read it. */
  async send(...records: (FastCgiRecord | FastCgiRecord[])[]): Promise<void> {
    await this.sendBytes(bytesOf(...records));
  }

  async sendBytes(bytes: Uint8Array): Promise<void> {
    await this.#writer.write(bytes);
  }

  /** As {@linkcode WebServerEnd.send}, for what the application need not read any more. */
  push(...records: (FastCgiRecord | FastCgiRecord[])[]): void {
    this.send(...records).catch(() => {});
  }

  /** Takes nothing from the application for the time being: its writes wait. */
  stopReading(): void {
    this.#reading = false;
  }

  startReading(): void {
    this.#reading = true;
    this.#pull();
  }

  /** Takes one write of the application, and then nothing again. */
  readOnce(): void {
    this.#allowed++;
    this.#pull();
  }

  /** Half-closes the connection: the application reads an end of file. */
  async end(): Promise<void> {
    await this.#writer.close();
  }

  /** Breaks the connection, as a reset does. */
  break(): void {
    void this.#connection.close();
  }

  /** Resolves when `condition` holds. Rejects when it can't any more, because the connection is over. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.output !== "open") throw new Error(`The connection has ${this.output}: ${this.summary()}`);
      await this.#change();
    }
  }

  /** Resolves when the application has closed its side, or the whole connection. */
  async closed(): Promise<void> {
    while (this.output === "open") await this.#change();
  }

  /** The answer to a request, complete with its FCGI_END_REQUEST. */
  async answer(requestId: number): Promise<Answer> {
    await this.until(() => this.endsOf(requestId).length > 0);
    const [end] = this.endsOf(requestId);
    return { ...this.streamsOf(requestId), ...decodeEndRequestBody(end!.contentData) };
  }

  /** What came so far for a request. */
  streamsOf(requestId: number): Pick<Answer, "stdout" | "stderr"> {
    const { records } = this;
    return {
      stdout: textOf(records, RecordType.Stdout, requestId),
      stderr: textOf(records, RecordType.Stderr, requestId),
    };
  }

  /** The bytes of FCGI_STDOUT that came so far for a request. */
  stdoutOf(requestId: number): Uint8Array {
    return joined(...this.recordsOf(requestId, RecordType.Stdout).map(({ contentData }) => contentData));
  }

  recordsOf(requestId: number, type: number): FastCgiRecord[] {
    return this.records.filter((record) => record.requestId === requestId && record.type === type);
  }

  /** The FCGI_END_REQUEST records of a request: there should never be two. */
  endsOf(requestId: number): FastCgiRecord[] {
    return this.recordsOf(requestId, RecordType.EndRequest);
  }

  /** What came back in short: `"6:1:23"` is type 6, request 1, 23 bytes; writes are separated by `|`. */
  summary(): string {
    const short = ({ type, requestId, contentData }: FastCgiRecord): string =>
      `${type}:${requestId}:${contentData.length}`;
    return this.writes.map((records) => records.map(short).join(" ")).join(" | ");
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#onChange.push(resolve));
  }

  #changed(): void {
    const waiting = this.#onChange;
    this.#onChange = [];
    for (const resolve of waiting) resolve();
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        while (!this.#reading && this.#allowed === 0) {
          await new Promise<void>((resolve) => {
            this.#pull = resolve;
          });
        }
        this.#allowed = 0;
        const { done, value } = await this.#reader.read();
        if (done) break;
        if (this.brokenOff) throw new Error("The application wrote on behind its end");
        if (value.length === 8 && value.every((byte) => byte === 0)) {
          this.brokenOff = true;
          continue;
        }
        const records = recordsIn(value);
        // A write that is not of whole records would come out shorter.
        if (bytesOf(records).length !== value.length) throw new Error("The application wrote a part of a record");
        this.writes.push(records);
        this.#changed();
      }
      this.output = "ended";
    } catch {
      this.output = "broken";
    }
    this.#changed();
  }
}

/** A FastCGI application in memory, and what it told `onError`. */
export class MemoryApplication {
  readonly server: FastCgiServer;
  readonly errors: unknown[] = [];
  /** The requests that came with the errors. */
  readonly failedRequests: (FastCgiRequest | undefined)[] = [];

  constructor(handler: FastCgiHandler, options: FastCgiServerOptions = {}) {
    const onError = (error: unknown, request?: FastCgiRequest): void => {
      this.errors.push(error);
      this.failedRequests.push(request);
    };
    this.server = new FastCgiServer(handler, { onError, ...options });
  }

  /** The web server's end of a new connection, the application's, and the promise of `serve()`. */
  connect(): { web: WebServerEnd; application: ObservedConnection; served: Promise<void> } {
    const [web, end] = connectionPair();
    const application = new ObservedConnection(end);
    return { web: new WebServerEnd(web), application, served: this.server.serve(application) };
  }
}

/** A connection that notes what is done with it. */
export class ObservedConnection implements StreamConnection {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #connection: StreamConnection;
  /** `write`, `half-close` and `close`, in order. */
  readonly events: string[] = [];

  constructor(connection: StreamConnection) {
    this.#connection = connection;
    this.readable = connection.readable;
    const writer = connection.writable.getWriter();
    writer.closed.catch(() => {});
    this.writable = new WritableStream({
      write: (bytes) => {
        this.events.push("write");
        return writer.write(bytes);
      },
      close: () => {
        this.events.push("half-close");
        return writer.close();
      },
      abort: (reason) => writer.abort(reason),
    });
  }

  get isClosed(): boolean {
    return this.events.includes("close");
  }

  close(): void | Promise<void> {
    this.events.push("close");
    return this.#connection.close();
  }
}

/** The answer of a request that was carried out. */
export function complete(stdout: string, { stderr = "", appStatus = 0 } = {}): Answer {
  return { stdout, stderr, appStatus, protocolStatus: ProtocolStatus.RequestComplete };
}
