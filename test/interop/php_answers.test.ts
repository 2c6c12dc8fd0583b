// php-fpm behind a gateway for HTTP clients: scripts that send more than they announce, answer first and work on, or say things twice.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { serve as serveHono } from "@hono/node-server";
import { serve as serveSrvx } from "srvx";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { FastCgiHttpClient, type FastCgiHttpClientOptions } from "../../adapters/node/index.ts";
import { httpRequest } from "../support/http.ts";
import { connectorTo, counting } from "../support/php_client.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import { waitUntil } from "../support/process.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { Gate } from "./php/gate.ts";

failOnUnhandledRejections();

let php: PhpFpm;

beforeAll(async () => {
  php = await startPhpFpm();
});
afterAll(() => php?.stop());

function clientOf(script: string, options: FastCgiHttpClientOptions = {}) {
  const { count, connector } = counting(connectorTo(php.target, script));
  const client = new FastCgiHttpClient(connector, options);
  onTestFinished(() => client.close());
  return { client, count };
}

async function openGate(): Promise<Gate> {
  const gate = await Gate.create();
  onTestFinished(() => gate.remove());
  return gate;
}

/** The query of headers.php. */
function saying(headers: readonly string[], body = ""): string {
  return `http://example.test/?${new URLSearchParams([...headers.map((header) => ["header[]", header]), ["body", body]])}`;
}

/** Serves a fetch handler over HTTP, and says on which port. */
const GATEWAYS: Readonly<Record<string, (fetch: (request: Request) => Promise<Response>) => Promise<number>>> = {
  async srvx(fetch) {
    const server = serveSrvx({ port: 0, hostname: "127.0.0.1", silent: true, fetch });
    await server.ready();
    onTestFinished(() => server.close(true));
    return Number(new URL(server.url!).port);
  },
  async "@hono/node-server"(fetch) {
    const server = await new Promise<ReturnType<typeof serveHono>>((resolve) => {
      const started = serveHono({ fetch, port: 0, hostname: "127.0.0.1" }, () => resolve(started));
    });
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  },
  async "node:http"(fetch) {
    const server = createServer(async (incoming, outgoing) => {
      const controller = new AbortController();
      outgoing.on("close", () => controller.abort());
      const response = await fetch(new Request(`http://example.test${incoming.url}`, { signal: controller.signal }));
      outgoing.statusCode = response.status;
      for (const [name, value] of response.headers) outgoing.appendHeader(name, value);
      for await (const piece of response.body!) outgoing.write(piece);
      outgoing.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  },
};

describe.each([false, true])("php-fpm (keepAlive: %s)", (keepAlive) => {
  const options = { keepAlive, reuseForAll: true };

  it("fetch gives exactly the bytes that were announced when a script sends a newline more", async () => {
    const { client, count } = clientOf("headers.php", options);
    for (let round = 0; round < 5; round++) {
      const response = await client.fetch(saying(["Content-Length: 5"], "hello\n"));
      expect([response.headers.get("content-length"), await response.text()]).toEqual(["5", "hello"]);
    }
    await waitUntil(() => count.open === 0);
    expect(count.opened).toBe(5);
  });

  it("a script that answers first works on, when its answer was read and no other request waits for it", async () => {
    const { client, count } = clientOf("gate.php", options);
    const gate = await openGate();
    const controller = new AbortController();
    await gate.open(0);
    const { signal } = controller;
    const response = await client.fetch(`http://example.test/?${gate.query(3)}&length=8`, { signal });
    expect(await response.text()).toBe("chunk 0\n");
    expect(gate.isOver).toBe(false);
    // As the signal of a served request does, when its client has what it wanted.
    controller.abort();
    const next = await openGate();
    await next.open("all");
    const other = await client.fetch(`http://example.test/?${next.query(1)}`);
    expect(await other.text()).toBe("chunk 0\n");
    await gate.open("all");
    expect(await gate.ended()).toBe("complete");
    await waitUntil(() => client.status.active === 0);
    expect([count.opened, count.open]).toEqual([2, keepAlive ? 1 : 0]);
  });

  it("a script that was to answer and has not is stopped by the signal all the same", async () => {
    const { client } = clientOf("gate.php", options);
    const gate = await openGate();
    const controller = new AbortController();
    await gate.open(0);
    const { signal } = controller;
    const response = await client.fetch(`http://example.test/?${gate.query(200)}&length=9`, { signal });
    const reader = response.body!.getReader();
    await reader.read();
    controller.abort();
    await expect(reader.read()).rejects.toBe(signal.reason);
    await gate.open("all");
    expect(await gate.ended()).toBe("aborted");
  });

  it("body fails when a script sends less than it announces", async () => {
    const { client } = clientOf("headers.php", options);
    const response = await client.fetch(saying(["Content-Length: 6"], "hello"));
    await expect(response.text()).rejects.toMatchObject({ code: "lengthMismatch" });
  });
});

describe.each(Object.keys(GATEWAYS))("php-fpm behind %s", (kind) => {
  const gatewayOf = async (client: FastCgiHttpClient): Promise<number> =>
    GATEWAYS[kind]!((request) => client.fetch(request));

  it("the HTTP client has its whole response while the script that answered first works on", async () => {
    const { client } = clientOf("gate.php");
    const port = await gatewayOf(client);
    const gate = await openGate();
    await gate.open(0);
    const response = await httpRequest(`http://127.0.0.1:${port}/?${gate.query(3)}&length=8`);
    expect([response.headers["content-length"], response.text()]).toEqual(["8", "chunk 0\n"]);
    expect(gate.isOver).toBe(false);
    await gate.open("all");
    expect(await gate.ended()).toBe("complete");
  });

  it("the HTTP client gets one value of a field that a script sends twice, and the script's own type", async () => {
    const { client } = clientOf("headers.php");
    const port = await gatewayOf(client);
    const at = (url: string): string => url.replace("http://example.test", `http://127.0.0.1:${port}`);
    const valuesOf = async (headers: readonly string[], name: string): Promise<string[]> => {
      const { headerLines, text } = await httpRequest(at(saying(headers, "hello")));
      expect(text()).toBe("hello");
      return headerLines.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
    };
    expect(await valuesOf(["Content-Type: text/html; charset=x"], "content-type")).toEqual(["text/html; charset=x"]);
    expect(await valuesOf(["Content-Type: a/b", "Content-Type: c/d"], "content-type")).toEqual(["c/d"]);
    expect(await valuesOf(["Status: 302", "Location: /a", "Location: /b"], "location")).toEqual(["/a"]);
    expect(await valuesOf(["Content-Length: 5", "Content-Length: 5"], "content-length")).toEqual(["5"]);
    for (const value of ["", "-1", "x"]) {
      expect(await valuesOf([`Content-Length: ${value}`, "X-A: 1"], "content-length"), value).not.toContain(value);
    }
    expect(await valuesOf(["Set-Cookie: a=1", "Set-Cookie: b=2"], "set-cookie")).toEqual(["a=1", "b=2"]);
  });
});
