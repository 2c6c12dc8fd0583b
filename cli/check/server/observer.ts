// An application that answers every request with a report about it. The library's own server answers; this file watches
// its connections.

import type { FastCgiConnection, FastCgiRequest } from "../../../adapters/node/index.ts";
import {
  encodeByteString,
  type FastCgiHandler,
  type FastCgiResponse,
  FastCgiServer,
  RecordDecoder,
  RecordType,
  toStreams,
} from "../../../src/toolkit.ts";
import { ObservedConnection, type ObservedRequest } from "./observed.ts";

export interface ObserverOptions {
  /** The page that answers a request. */
  readonly page: (request: ObservedRequest) => string;
  /** Called with every request that is over. */
  readonly onRequest?: (request: ObservedRequest) => void;
}

/** A request with this in its query gets a page that goes on until it is aborted, for two minutes at most. */
export const ENDLESS = "endless";
const ENDLESS_PIECES = 1200;
const ENDLESS_INTERVAL = 100;

/** Observes the connections of a web server. */
export class Observer {
  readonly #options: ObserverOptions;
  readonly #servers = new Set<FastCgiServer>();
  /** All connections so far. A connection without a request is a probe of whether the application listens. */
  readonly connections: ObservedConnection[] = [];

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** Answers the requests of a connection. Resolves when it is closed. */
  async serve(connection: FastCgiConnection): Promise<void> {
    const observed = new ObservedConnection((request) => this.#options.onRequest?.(request));
    this.connections.push(observed);
    const server = new FastCgiServer(this.#handler(observed), { onError: () => {} });
    this.#servers.add(server);
    await server.serve(tapped(connection, observed));
    observed.close();
    this.#servers.delete(server);
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#servers].map((server) => server.close({ timeout: 1000 })));
  }

  #handler(connection: ObservedConnection): FastCgiHandler {
    return async (request): Promise<FastCgiResponse> => {
      const observed = connection.active.get(request.requestId);
      await drain(request);
      if (request.params.get("QUERY_STRING") === ENDLESS) return endless(request.signal);
      const page = observed === undefined ? "" : this.#options.page(observed);
      return { stdout: responseWith(request.params.get("REQUEST_METHOD") === "HEAD" ? "" : page) };
    };
  }
}

const HEADER = "Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n\r\n";

function responseWith(page: string): Uint8Array {
  return Buffer.concat([encodeByteString(HEADER), new TextEncoder().encode(page)]);
}

/** Reads the request to its end. Its length is not checked here: there are rules for that. */
async function drain({ stdin, data }: FastCgiRequest): Promise<void> {
  for (const stream of [stdin, data]) {
    try {
      for await (const _ of stream) {
        // The tap has counted it.
      }
    } catch {
      // Too long, too short, or aborted.
    }
  }
}

function endless(signal: AbortSignal): FastCgiResponse {
  let pieces = 0;
  const stdout = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (pieces > 0) await new Promise((resolve) => setTimeout(resolve, ENDLESS_INTERVAL));
      controller.enqueue(responseWith("").subarray(pieces === 0 ? 0 : HEADER.length));
      controller.enqueue(new Uint8Array(16_384).fill(46));
      if (++pieces >= ENDLESS_PIECES || signal.aborted) controller.close();
    },
  });
  return { stdout };
}

/** Wraps a connection so that `observed` gets everything that crosses it. */
function tapped(connection: FastCgiConnection, observed: ObservedConnection): FastCgiConnection {
  const received = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      observed.take(bytes);
      controller.enqueue(bytes);
    },
    flush: () => observed.close(),
  });
  const decoder = new RecordDecoder();
  const sent = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      controller.enqueue(bytes);
      const onRecord = ({ type, requestId }: { type: number; requestId: number }): void => {
        if (type === RecordType.EndRequest) observed.end(requestId);
      };
      decoder.transform(bytes, { enqueue: onRecord });
    },
  });
  const streams = toStreams(connection);
  sent.readable.pipeTo(streams.writable).catch(() => {});
  return { ...streams, readable: streams.readable.pipeThrough(received), writable: sent.writable };
}
