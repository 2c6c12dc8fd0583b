// A client of FastCGI applications: requests → records → bytes, and bytes → records → responses.

import {
  type FastCgiClientResponse,
  type FastCgiOutgoingRequest,
  RecordDecoderStream,
  RecordEncoderStream,
  RequestEncoderStream,
  ResponseDecoderStream,
} from "fetchcgi/toolkit";
import type { Duplex } from "./duplex.ts";

/**
 * Sends requests on one connection. Send one at a time, unless the application says that requests may share a
 * connection.
 */
export class StreamsClient {
  readonly #requests = new RequestEncoderStream();
  readonly #writer = this.#requests.writable.getWriter();
  /** Requests without a response so far. */
  readonly #waiting = new Map<number, PromiseWithResolvers>();
  readonly #closed: Promise<unknown>;
  #lastId = 0;

  constructor({ readable, writable }: Duplex) {
    const sending = this.#requests.readable.pipeThrough(new RecordEncoderStream()).pipeTo(writable);
    const receiving = readable
      .pipeThrough(new RecordDecoderStream({ splitStreams: true }))
      .pipeThrough(new ResponseDecoderStream())
      .pipeTo(new WritableStream({ write: (response) => this.#take(response) }));
    const fail = (reason: unknown): void => {
      for (const { reject } of this.#waiting.values()) reject(reason);
      this.#waiting.clear();
    };
    receiving.then(() => fail(new Error("The application closed the connection")), fail);
    sending.catch(fail);
    this.#closed = Promise.allSettled([sending, receiving]);
  }

  /** Sends a request. Resolves with its response as soon as its first record comes. */
  async ask(request: Omit<FastCgiOutgoingRequest, "requestId">): Promise<FastCgiClientResponse> {
    const requestId = this.#nextId();
    const waiting = withResolvers();
    this.#waiting.set(requestId, waiting);
    const sent = this.#writer.write({ keepConn: true, ...request, requestId });
    sent.catch(waiting.reject);
    return waiting.promise;
  }

  /** Sends the rest of all requests, and waits until the application has closed the connection. */
  async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#closed;
  }

  #take(response: FastCgiClientResponse): void {
    this.#waiting.get(response.requestId)?.resolve(response);
    this.#waiting.delete(response.requestId);
  }

  #nextId(): number {
    // An id is used again only after 65,534 others, so that its earlier response has ended.
    this.#lastId = (this.#lastId % 65_535) + 1;
    return this.#lastId;
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<FastCgiClientResponse>;
  resolve(response: FastCgiClientResponse): void;
  reject(reason: unknown): void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve!: PromiseWithResolvers["resolve"];
  let reject!: PromiseWithResolvers["reject"];
  const promise = new Promise<FastCgiClientResponse>((...settle) => ([resolve, reject] = settle));
  return { promise, resolve, reject };
}
