// Many requests on one connection, over sockets: to Go's net/http/fcgi, the one application of the field that multiplexes, and to
// an application of ours.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  type FastCgiConnection,
  FastCgiHttpClient,
  type FastCgiHttpConnector,
  FastCgiUnixConnector,
  serve,
} from "../../adapters/node/index.ts";
import type { RunningApplication } from "../support/applications/application.ts";
import { firstStartTimeout, go } from "../support/applications/list.ts";
import { patternChunks, patternSha256 } from "../support/pattern.ts";
import { waitUntil } from "../support/process.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const MiB = 1024 * 1024;

type Counts = { running: number; failed: number };

/** The application that both are: `/echo`, and `/counts` of requests that run and that broke off. */
async function startOurs(): Promise<Pick<RunningApplication, "connector" | "stop">> {
  const directory = await createTemporaryDirectory("multiplexing");
  const counts: Counts = { running: 0, failed: 0 };
  const path = join(directory.path, "app.sock");
  const server = await serve({
    path,
    maxConcurrentRequests: 200,
    onError: () => {},
    fetch(request) {
      if (new URL(request.url).pathname === "/counts") return Response.json(counts);
      counts.running++;
      request.signal.addEventListener("abort", () => {
        counts.failed++;
        counts.running--;
      });
      const over = new TransformStream<Uint8Array, Uint8Array>({ flush: () => void counts.running-- });
      return new Response(request.body!.pipeThrough(over));
    },
  });
  return {
    connector: new FastCgiUnixConnector(path),
    async stop() {
      await server.close();
      await directory.remove();
    },
  };
}

const applications = [
  { name: "Go", start: () => go.start({ listen: "unix" }) },
  { name: "Go over TCP", start: () => go.start({ listen: "tcp" }) },
  { name: "our own", start: startOurs },
];

describe.each(applications)("multiplexing to $name", ({ start }) => {
  let application: Pick<RunningApplication, "connector" | "stop">;

  beforeAll(async () => {
    application = await start();
  }, firstStartTimeout);
  afterAll(() => application?.stop());

  function clientOf(maxConcurrentRequests: number) {
    const { connector } = application;
    const count = { opened: 0 };
    const counted: FastCgiHttpConnector = {
      preset: connector.preset,
      async connect(options): Promise<FastCgiConnection> {
        count.opened++;
        return connector.connect(options);
      },
    };
    const client = new FastCgiHttpClient(counted, {
      multiplexing: true,
      maxConcurrentRequests,
      reuseForAll: true,
      // Bodies are to share the connection in both directions.
      requestBuffering: "measure",
    });
    onTestFinished(() => client.close());
    return { client, count };
  }

  async function countsOf(client: FastCgiHttpClient): Promise<Counts> {
    return (await (await client.fetch("http://example.test/counts")).json()) as Counts;
  }

  /** POSTs a body of its own in pieces, and says what came back. Aborts in the middle if it is to. */
  async function echo(
    client: FastCgiHttpClient,
    length: number,
    aborts: boolean,
  ): Promise<[number, string] | "aborted"> {
    const controller = new AbortController();
    const pieces = patternChunks(length, 30_011)[Symbol.iterator]();
    const body = new ReadableStream<Uint8Array>({
      pull(stream) {
        const { done, value } = pieces.next();
        if (done) stream.close();
        else stream.enqueue(value);
      },
    });
    const response = await client.fetch("http://example.test/echo", {
      method: "POST",
      headers: { "content-length": String(length), "content-type": "application/octet-stream" },
      body,
      duplex: "half",
      signal: controller.signal,
    } as RequestInit);
    const hash = createHash("sha256");
    let bytes = 0;
    try {
      for await (const piece of response.body!) {
        bytes += piece.length;
        hash.update(piece);
        if (aborts && bytes > length / 3) controller.abort();
      }
    } catch (error) {
      if (error === controller.signal.reason) return "aborted";
      throw error;
    }
    return [bytes, hash.digest("hex")];
  }

  it("fetch interleaves 100 requests of 1 MiB on one connection, and aborting 30 disturbs none", async () => {
    const { client, count } = clientOf(128);
    const before = await countsOf(client);
    const lengths = Array.from({ length: 100 }, (_, n) => MiB + n);
    const results = await Promise.all(lengths.map((length, n) => echo(client, length, n % 10 < 3)));
    expect(results).toEqual(lengths.map((length, n) => (n % 10 < 3 ? "aborted" : [length, patternSha256(length)])));
    await waitUntil(async () => (await countsOf(client)).running === 0);
    expect((await countsOf(client)).failed - before.failed).toBe(30);
    expect(count.opened).toBe(1);
  });

  it("fetch uses as many connections as it takes when each carries a few", async () => {
    const { client, count } = clientOf(8);
    const results = await Promise.all(Array.from({ length: 40 }, (_, n) => echo(client, 50_000 + n, false)));
    expect(results).toEqual(Array.from({ length: 40 }, (_, n) => [50_000 + n, patternSha256(50_000 + n)]));
    expect(count.opened).toBeLessThanOrEqual(5);
    expect(client.status).toMatchObject({ active: 0, waiting: 0 });
  });
});
