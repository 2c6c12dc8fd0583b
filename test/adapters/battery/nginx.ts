import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, onTestFinished } from "vitest";
import { abortMidResponse, httpOpen, httpRequest } from "../../support/http.ts";
import { fastCgiLocation, type Nginx, startNginx } from "../../support/nginx.ts";
import { deferred } from "../../support/open_stream.ts";
import { patternBytes, patternSha256 } from "../../support/pattern.ts";
import { waitUntil } from "../../support/process.ts";
import { type RuntimeServer, startRuntimeServer } from "../../support/runtimes.ts";
import type { ServingRuntime } from "./battery.ts";
import type { Column } from "./cells.ts";
import { kinds, targetAt } from "./link.ts";

const MIB = 1024 * 1024;

/** The application behind a real nginx that passes on what comes as it comes. */
export function nginxCases(column: Column, runtime: ServingRuntime, newPath: () => string): void {
  describe("behind nginx", () => {
    let server: RuntimeServer;
    let nginx: Nginx;
    beforeAll(async () => {
      const path = newPath();
      server = await startRuntimeServer(runtime, { path });
      nginx = await startNginx({
        locations: [fastCgiLocation({ path }, { buffering: false, requestBuffering: false })],
      });
    });
    afterAll(async () => {
      await nginx?.stop();
      await server?.stop();
    });

    column.test("behind nginx", "serve answers a GET when nginx asks", async () => {
      const response = await httpRequest(`${nginx.url}/path?x=1`);
      expect([response.status, response.text()]).toEqual([200, "answered /path"]);
    });

    column.test("behind nginx", "serve gets every byte of a POST when it has 10 MiB", async () => {
      const response = await httpRequest(`${nginx.url}/sha256`, { body: patternBytes(10 * MIB) });
      expect([response.status, response.text()]).toEqual([200, patternSha256(10 * MIB)]);
    });

    column.test("behind nginx", "serve streams the response when the body is still on its way", async () => {
      const exchange = await openExchange();
      expect(await exchange.next()).toBe("started\n");
      exchange.finish();
      expect(await exchange.next()).toBe("100 bytes\n");
      expect(await exchange.next()).toBeUndefined();
    });

    column.test("behind nginx", "serve aborts request.signal when nginx's client leaves", async () => {
      expect(await abortMidResponse(`${nginx.url}/wait`, 1)).toBeGreaterThan(0);
      expect(await server.line("aborted")).toBe("connectionClosed");
      expect((await httpRequest(`${nginx.url}/next`)).text()).toBe("answered /next");
    });

    column.test("behind nginx", "serve lets the request that runs finish when it is closed", async () => {
      const exchange = await openExchange();
      expect(await exchange.next()).toBe("started\n");
      server.askToClose();
      await waitUntil(async () => (await httpRequest(nginx.url)).status === 502);
      exchange.finish();
      expect(await exchange.next()).toBe("100 bytes\n");
      expect(await exchange.next()).toBeUndefined();
      expect(await server.exited).toBe(0);
    });

    for (const kind of kinds) {
      // TCP is reset where the runtime can do that. On a Unix socket the break-off waits for nginx.
      const name = `nginx's client sees a broken transfer when it reads on after writeTimeout (${kind})`;
      column.test("behind nginx", name, async () => {
        const place = kind === "TCP" ? { port: 0 } : { path: newPath() };
        const slow = await startRuntimeServer(runtime, { ...place, writeTimeout: 1000 });
        onTestFinished(() => slow.stop());
        const target = targetAt(await slow.line("address"));
        const at = "path" in target ? target : { host: "127.0.0.1", port: target.port };
        const unbuffered = await startNginx({ locations: [fastCgiLocation(at, { buffering: false })] });
        onTestFinished(() => unbuffered.stop());
        const response = await httpOpen(`${unbuffered.url}/download?bytes=${1024 * MIB}`);
        await once(response, "readable");
        expect(await slow.line("error")).toContain("Cannot write: the peer took nothing for 1000 ms");
        response.resume();
        await expect(once(response, "end")).rejects.toThrow("aborted");
      });
    }

    /** A request whose body ends when it is told to, and what comes back. */
    async function openExchange(): Promise<{ next(): Promise<string | undefined>; finish(): void }> {
      const { promise, resolve } = deferred();
      async function* body(): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(50);
        await promise;
        yield new Uint8Array(50);
      }
      const response = await httpOpen(`${nginx.url}/body`, { method: "POST", body: body() });
      const pieces = response[Symbol.asyncIterator]();
      return {
        next: async () => (await pieces.next()).value?.toString("utf8"),
        finish: resolve,
      };
    }
  });
}
