// Traffic of all kinds between a server and a client in one process, over real sockets, and what came of each request.

import { Buffer } from "node:buffer";
import type { FastCgiHttpClient, FastCgiListener } from "../../adapters/node/index.ts";
import { encodeRecords, type FastCgiConnection, FastCgiError, fromStreams } from "../../src/toolkit.ts";
import type { Adapter } from "../adapters/battery/programs/adapter.ts";
import { waitUntil } from "../support/process.ts";
import { begin, request } from "../support/records.ts";

/** Requests that run at every moment. */
const PARALLEL = 8;
const PIECE = new Uint8Array(3_000).fill(97);

/** What a client may do. */
const KINDS = [
  "a page",
  "an upload that is sent back",
  "a long download",
  "a download that is cancelled",
  "a request that is aborted",
  "a handler that fails",
  "a response that fails",
  "an answer before the body",
  "junk",
  "half a request",
  "a peer that leaves",
] as const;
type Kind = (typeof KINDS)[number];

/** Answers by the path. */
async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  switch (url.pathname) {
    case "/page":
      return new Response(`page ${url.search}`);
    case "/echo":
      return new Response(request.body);
    case "/long":
    case "/fails": {
      let left = 40;
      return new Response(
        new ReadableStream<Uint8Array>({
          async pull(controller) {
            await new Promise((resolve) => setTimeout(resolve, 0));
            if (left-- > 0) controller.enqueue(PIECE.slice());
            else if (url.pathname === "/long") controller.close();
            else throw new Error("The response fails");
          },
        }),
      );
    }
    case "/slow":
      return new Promise((_, reject) => {
        request.signal.addEventListener("abort", () => reject(request.signal.reason));
      });
    case "/throws":
      throw new Error("The handler fails");
    default:
      return new Response("early", { status: 404 });
  }
}

/** Traffic that goes on until it is stopped. */
export class Traffic {
  /** How often each kind of request came out in each way. */
  readonly outcomes = new Map<string, number>();
  /** What came out as it must not. */
  readonly faults: string[] = [];
  readonly #adapter: Adapter;
  readonly #path: string;
  readonly #client: FastCgiHttpClient;
  #server!: FastCgiListener;
  #isOver = false;
  /** The kinds of the requests that run, by their numbers. */
  readonly #underWay = new Map<number, Kind>();
  #count = 0;

  constructor(adapter: Adapter, path: string) {
    this.#adapter = adapter;
    this.#path = path;
    const connector = new adapter.FastCgiUnixConnector(path);
    this.#client = new adapter.FastCgiHttpClient(connector, { keepAlive: true, maxIdle: 4, idleTimeout: 200 });
  }

  async listen(): Promise<void> {
    this.#server = await this.#adapter.serve({ path: this.#path, fetch: answer, onError() {}, onStderr() {} });
  }

  start(): void {
    this.#isOver = false;
    for (let client = 0; client < PARALLEL; client++) void this.#goOn();
  }

  /**
   * Waits for all requests, and until no connection is left.
   *
   * @throws {Error} If that takes a minute: something hangs.
   */
  async pause(): Promise<void> {
    this.#isOver = true;
    await waitUntil(() => this.#underWay.size === 0, {
      message: () => `Requests hang: ${[...this.#underWay.values()].join(", ")}`,
    });
    await waitUntil(() => this.#client.status.connections === 0, {
      message: () => `${this.#client.status.connections} idle connections of the client stay open`,
    });
  }

  async close(): Promise<void> {
    await this.pause();
    await this.#client.close();
    await this.#server.close();
  }

  async #goOn(): Promise<void> {
    while (!this.#isOver) {
      const number = this.#count++;
      const kind = KINDS[number % KINDS.length]!;
      this.#underWay.set(number, kind);
      let outcome: string;
      try {
        outcome = await this.#play(kind, number);
      } catch (error) {
        const isExpected = kind === "a response that fails" && error instanceof FastCgiError;
        outcome = error instanceof FastCgiError ? error.code : String(error);
        if (!isExpected) this.faults.push(`${kind}: ${error instanceof Error ? error.stack : error}`);
      }
      const key = `${kind}: ${outcome}`;
      this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
      this.#underWay.delete(number);
    }
  }

  async #play(kind: Kind, number: number): Promise<string> {
    switch (kind) {
      case "a page":
        return this.#expect(`/page?${number}`, `page ?${number}`);
      case "an upload that is sent back": {
        const body = `${number} `.repeat(number % 5_000);
        const response = await this.#client.fetch("http://localhost/echo", { method: "POST", body });
        return this.#same(kind, await response.text(), body);
      }
      case "a long download": {
        const response = await this.#client.fetch("http://localhost/long");
        return this.#same(kind, `${(await response.arrayBuffer()).byteLength}`, `${40 * PIECE.length}`);
      }
      case "a download that is cancelled": {
        const response = await this.#client.fetch("http://localhost/long");
        const reader = response.body!.getReader();
        await reader.read();
        await reader.cancel();
        return "cancelled";
      }
      case "a request that is aborted": {
        const abort = new AbortController();
        const fetched = this.#client.fetch("http://localhost/slow", { signal: abort.signal });
        setTimeout(() => abort.abort(), number % 20);
        return fetched.then(
          () => this.#fault(kind, "was answered"),
          () => "aborted",
        );
      }
      case "a handler that fails":
        return this.#same(kind, `${await this.#statusOf("/throws")}`, "500");
      case "a response that fails": {
        const response = await this.#client.fetch("http://localhost/fails");
        await response.text();
        return this.#fault(kind, "looks whole");
      }
      case "an answer before the body":
        return this.#same(kind, `${await this.#statusOf("/other", "b".repeat(100_000))}`, "404");
      case "junk":
        return this.#raw(kind, Buffer.from("GET / HTTP/1.1\r\n\r\n"), true);
      case "half a request":
        return this.#raw(kind, encodeRecords([begin(1)]), false);
      case "a peer that leaves":
        return this.#raw(kind, encodeRecords(request(1, { uri: "/long", keepConn: false })), false);
    }
  }

  async #expect(target: string, text: string): Promise<string> {
    const response = await this.#client.fetch(`http://localhost${target}`);
    return this.#same("a page", await response.text(), text);
  }

  async #statusOf(target: string, body?: string): Promise<number> {
    const init = body === undefined ? {} : { method: "POST", body };
    const response = await this.#client.fetch(`http://localhost${target}`, init);
    await response.text();
    return response.status;
  }

  /** Sends some bytes on a connection of its own, and closes it: when the server does, or in the middle. */
  async #raw(kind: Kind, bytes: Uint8Array, waits: boolean): Promise<string> {
    const connector = new this.#adapter.FastCgiUnixConnector(this.#path);
    const connection: FastCgiConnection = await connector.connect({ signal: new AbortController().signal });
    const channel = fromStreams(connection);
    const ended = new Promise<void>((resolve) => {
      channel.start({ onData: () => !waits && resolve(), onEnd: resolve, onError: () => resolve() });
    });
    await channel.write([bytes]);
    if (waits || kind === "a peer that leaves") await ended;
    channel.close();
    return "closed";
  }

  #same(kind: Kind, actual: string, expected: string): string {
    return actual === expected
      ? "right"
      : this.#fault(kind, `got ${actual.slice(0, 100)}, not ${expected.slice(0, 100)}`);
  }

  #fault(kind: Kind, what: string): string {
    this.faults.push(`${kind} ${what}`);
    return what;
  }
}
