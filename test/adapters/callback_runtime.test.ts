// A runtime that only has callbacks: the adapter that a contributor would write for it, and what it does.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  FastCgiHttpService,
  FastCgiServer,
  fromStreams,
  toStreams,
} from "../../src/toolkit.ts";
import { CallbackSocket } from "../support/callback_runtime.ts";
import { connectionCases } from "../support/connection_cases.ts";
import { deferred } from "../support/open_stream.ts";
import { patternBytes } from "../support/pattern.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { CallbackChannel, connectorTo, serveOn } from "./programs/callback_adapter.ts";

failOnUnhandledRejections();

const PORT = 9000;

async function pair(): Promise<[CallbackChannel, CallbackChannel]> {
  const [one, other] = CallbackSocket.pair(PORT);
  return [new CallbackChannel(one), new CallbackChannel(other)];
}

connectionCases("callbacks", pair);
connectionCases("streams made of callbacks", async () => {
  const [one, other] = await pair();
  return [fromStreams(toStreams(one)), toStreams(other)];
});

describe("an adapter for callbacks", () => {
  function serve(handler: (request: Request) => Response | Promise<Response>) {
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    const server = new FastCgiServer(new FastCgiHttpService(handler).handler, { onError });
    return { errors, server, listening: serveOn(PORT, server) };
  }

  const clientOf = (options: FastCgiHttpClientOptions = {}) => new FastCgiHttpClient(connectorTo(PORT), options);

  it("has 60 lines at most", () => {
    const text = readFileSync(new URL("programs/callback_adapter.ts", import.meta.url), "utf8");
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(60);
  });

  it.each([false, true])("serves and fetches, with large bodies both ways (keepAlive: %s)", async (keepAlive) => {
    const { errors, listening } = serve((request) => new Response(request.body));
    await using _ = listening;
    const client = clientOf({ keepAlive });
    const bytes = patternBytes(1_000_000);
    for (const body of [null, bytes, bytes]) {
      const response = await client.fetch("http://localhost/", { method: "POST", body });
      const received = new Uint8Array(await response.arrayBuffer());
      expect(Buffer.compare(received, body ?? new Uint8Array(0))).toBe(0);
    }
    await client.close();
    expect(errors).toEqual([]);
  });

  it("aborts request.signal when the client leaves", async () => {
    const signal = deferred<AbortSignal>();
    const { listening } = serve((request) => {
      signal.resolve(request.signal);
      return new Response(new ReadableStream({ pull: (stream) => stream.enqueue(patternBytes(10_000)) }));
    });
    await using _ = listening;
    const response = await clientOf().fetch("http://localhost/");
    await response.body!.cancel();
    const { aborted } = await signal.promise;
    if (!aborted) await once(await signal.promise, "abort");
  });

  it("fails a response when the connection breaks in the middle", async () => {
    const [ours, theirs] = CallbackSocket.pair(PORT);
    const { server, listening } = serve(
      () => new Response(new ReadableStream({ start: (s) => s.enqueue(patternBytes(10)) })),
    );
    await using _ = listening;
    const served = server.serve(new CallbackChannel(theirs));
    const client = new FastCgiHttpClient({ connect: async () => new CallbackChannel(ours) });
    const response = await client.fetch("http://localhost/");
    ours.break(new Error("broken"));
    await expect(response.arrayBuffer()).rejects.toMatchObject({ code: "connectionClosed" });
    await served;
  });

  it("says that nothing listens when it can't connect", async () => {
    const fetched = clientOf({ maxConnectRetries: 0 }).fetch("http://localhost/");
    await expect(fetched).rejects.toMatchObject({ code: "connectFailed", message: expect.stringContaining("Nothing") });
  });

  it("writes the address of an IPv4 peer as one", async () => {
    const [channel] = await pair();
    expect(channel.remoteAddress).toEqual({ hostname: "127.0.0.1", port: PORT });
  });
});
