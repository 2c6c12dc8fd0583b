import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type FastCgiListener, type FastCgiRequest, type ServeOptions, serve } from "../../adapters/node/index.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { httpOpen, nextPiece } from "../support/http.ts";
import { fastCgiLocation, type Nginx, startNginx } from "../support/nginx.ts";
import { deferred } from "../support/open_stream.ts";
import { patternBytes } from "../support/pattern.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

// Responses that our server has begun and does not end, behind nginx on connections that it does not keep: there it takes the end of a
// connection for the end of the response. Its client has to see a broken transfer.

failOnUnhandledRejections();

const setups = [
  { transport: "tcp", buffering: true },
  { transport: "tcp", buffering: false },
  { transport: "unix", buffering: true },
  { transport: "unix", buffering: false },
] as const;

describe.each(setups)("nginx ($transport, buffering: $buffering)", ({ transport, buffering }) => {
  let folder: TemporaryDirectory;
  let sockets = 0;

  beforeAll(async () => {
    folder = await createTemporaryDirectory("broken-off");
  });

  afterAll(() => folder.remove());

  /** An application with these options behind an nginx of its own, and what it told onError. */
  async function start(options: Omit<ServeOptions, "path" | "port" | "onError">) {
    const errors: { error: unknown; request: FastCgiRequest | undefined }[] = [];
    const told = deferred();
    const onError: ServeOptions["onError"] = (error, request) => {
      errors.push({ error, request });
      told.resolve();
    };
    const path = join(folder.path, `${++sockets}.sock`);
    const application: FastCgiListener = await serve({
      ...options,
      onError,
      ...(transport === "tcp" ? { port: 0 } : { path }),
    });
    const target =
      transport === "tcp" ? { host: "127.0.0.1", port: (application.address as { port: number }).port } : { path };
    const nginx: Nginx = await startNginx({
      locations: [fastCgiLocation(target, { buffering, requestBuffering: false })],
    });
    onTestFinished(async () => {
      await nginx.stop();
      await application.close({ timeout: 1 });
    });
    return { application, url: nginx.url, errors, told: told.promise };
  }

  /** Pieces without end, and what waits for their reader to stop asking. */
  function endless() {
    let time = 0;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        // Other connections have their turn.
        await new Promise((resolve) => setImmediate(resolve));
        time = performance.now();
        controller.enqueue(patternBytes(65_536));
      },
    });
    const stalled = async (): Promise<void> => {
      while (performance.now() - time < 500) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    return { body, stalled };
  }

  /** Reads a response to its end: "whole", or the error. */
  async function endOf(response: IncomingMessage): Promise<string> {
    response.resume();
    return once(response, "end").then(
      () => "whole",
      (error: Error) => error.message,
    );
  }

  it("the client sees a broken transfer when the server closes with a timeout", async () => {
    const { application, url, errors } = await start({ fetch: () => new Response(endless().body) });
    const response = await httpOpen(url);
    await once(response, "readable");
    const end = endOf(response);
    await application.close({ timeout: 100 });
    expect(await end).toBe("aborted");
    expect(errors).toEqual([]);
  });

  it("the client sees a broken transfer when its upload stalls, and the response is made of that", async () => {
    const { url, errors } = await start({ fetch: (request) => new Response(request.body), readTimeout: 500 });
    async function* half(): AsyncGenerator<Uint8Array> {
      yield patternBytes(1000);
      await new Promise(() => {});
    }
    const options = { method: "POST", headers: { "content-length": 2000 }, body: half() };
    // With buffering nginx keeps the header back until more comes.
    const end = await httpOpen(url, options).then(endOf, (error: Error) => error.message);
    expect(end).toMatch(/^(?:aborted|socket hang up)$/);
    expect(errors).toMatchObject([{ error: { code: "timeout", limit: "readTimeout" }, request: { role: 1 } }]);
  });

  // With buffering nginx keeps what its client does not take, and our response never stalls.
  if (!buffering) {
    it("the client sees a broken transfer when it reads on after writeTimeout", async () => {
      const { body, stalled } = endless();
      const { url, errors, told } = await start({ fetch: () => new Response(body), writeTimeout: 1500 });
      const response = await httpOpen(`${url}/large`);
      await once(response, "readable");
      await told;
      expect(errors).toMatchObject([{ error: { code: "timeout", limit: "writeTimeout" } }]);
      expect(errors[0]!.request!.params.get("REQUEST_URI")).toBe("/large");
      await stalled();
      expect(await endOf(response)).toBe("aborted");
    });

    it("the client sees a broken transfer when it reads on after the server was closed with a timeout", async () => {
      const { body, stalled } = endless();
      const { application, url } = await start({ fetch: () => new Response(body) });
      const response = await httpOpen(url);
      await once(response, "readable");
      await stalled();
      await application.close({ timeout: 100 });
      expect(await endOf(response)).toBe("aborted");
    });
  }

  describe("on a clock of its own", () => {
    useFakeTime();

    it("the client gets all of a response when it pauses for longer than any timeout", async () => {
      const length = 20_000_000;
      const { url, errors } = await start({
        fetch: () => new Response(patternBytes(length)),
        readTimeout: 300,
        paramsTimeout: 300,
        idleTimeout: 300,
        lingerTimeout: 300,
      });
      const response = await httpOpen(url);
      await once(response, "readable");
      await pass(1000);
      let received = 0;
      for await (const piece of response) received += (piece as Buffer).length;
      expect(received).toBe(length);
      expect(errors).toEqual([]);
    });
  });

  it("nothing is reported when a client leaves in the middle of a response or an upload", async () => {
    const aborted: string[] = [];
    const started = [deferred(), deferred(), deferred()];
    const all = deferred();
    let uploads = 0;
    const { url, errors } = await start({
      async fetch(request) {
        request.signal.addEventListener("abort", () => {
          aborted.push(request.method);
          if (aborted.length === 6) all.resolve();
        });
        if (request.method === "GET") return new Response(endless().body);
        started[uploads++]!.resolve();
        return Response.json(await request.text());
      },
    });
    async function* half(): AsyncGenerator<Uint8Array> {
      yield patternBytes(1000);
      await new Promise(() => {});
    }
    for (const { promise } of started) {
      const download = await httpOpen(url);
      await nextPiece(download);
      download.destroy();
      const client = new AbortController();
      const options = { method: "POST", headers: { "content-length": 2000 }, body: half(), signal: client.signal };
      const upload = httpOpen(url, options).catch((error: Error) => error.name);
      await promise;
      client.abort();
      expect(await upload).toBe("AbortError");
    }
    await all.promise;
    expect(errors).toEqual([]);
  });
});
