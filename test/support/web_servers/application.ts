// The application that the battery runs behind each web server: in the test's process, or started by the web server.

import { createHash } from "node:crypto";
import type { FastCgiContext, FastCgiFetchHandler, ServeOptions } from "../../../adapters/node/index.ts";
import { bodyOf } from "../body_of.ts";
import { patternBytes, patternChunks } from "../pattern.ts";
import type { Stage } from "./control.ts";
import { honoSite } from "./hono_site.ts";

/** How the application saw a request: the answer of `/echo`. */
export interface Echo {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Small enough that every web server lets more through than they allow. */
export const limits = Object.freeze({ maxParamsBytes: 12_000, maxStdinBytes: 11 * 1024 * 1024 });

/** What `serve` gets. */
export function batteryApplication(stage: Stage): Pick<ServeOptions, "fetch" | "onError" | "onStderr"> & typeof limits {
  return {
    ...limits,
    fetch: handler(stage),
    onError: () => {},
    onStderr: () => {},
  };
}

type Route = (
  request: Request,
  argument: string,
  context: FastCgiContext,
  stage: Stage,
) => Promise<Response> | Response;

function handler(stage: Stage): FastCgiFetchHandler {
  return (request, context) => {
    const { pathname } = new URL(request.url);
    if (/^\/app(\/|$)/.test(pathname)) return honoSite.fetch(request, context);
    const [, name = "", argument = ""] = pathname.split("/");
    const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
    return route?.(request, argument, context, stage) ?? new Response("not found\n", { status: 404 });
  };
}

const routes: Readonly<Record<string, Route>> = {
  async echo(request, _, context) {
    const seen: Echo = {
      method: request.method,
      url: request.url,
      headers: Object.fromEntries(request.headers),
      params: Object.fromEntries(context.params),
      body: await request.text(),
    };
    return Response.json(seen);
  },

  async digest(request) {
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const piece of request.body ?? []) {
      bytes += piece.length;
      hash.update(piece);
    }
    return new Response(`${bytes} ${hash.digest("hex")}`);
  },

  status(_, argument) {
    const code = Number(argument);
    const hasBody = code !== 204 && code !== 304;
    return new Response(hasBody ? `status ${code}\n` : null, { status: code, statusText: `Status ${code}` });
  },

  redirect(_, argument) {
    const headers = { location: "http://example.test/elsewhere?x=1" };
    return new Response(null, { status: Number(argument), headers });
  },

  busy: () => new Response("later, please\n", { status: 503, headers: { "retry-after": "7" } }),

  early: () => new Response("no, thank you\n", { status: 403 }),

  throw(): Response {
    throw new Error("a secret");
  },

  cookies() {
    const headers = new Headers();
    headers.append("set-cookie", "first=1; Path=/");
    headers.append("set-cookie", "second=a, b; HttpOnly");
    headers.append("set-cookie", "third=3; Expires=Tue, 01 Jan 2030 00:00:00 GMT");
    return new Response("cookies\n", { headers });
  },

  bytes: () => new Response("bytes\n", { headers: { "x-latin": "caf\xe9 \x80\xff" } }),

  /** A header field of so many bytes. */
  header: (_, argument) => new Response("a header\n", { headers: { "x-long": "v".repeat(Number(argument)) } }),

  /** So many header fields. */
  headers(_, argument) {
    const fields = Array.from({ length: Number(argument) }, (_, i) => [`x-field-${i}`, `value ${i}`] as const);
    return new Response("headers\n", { headers: Object.fromEntries(fields) });
  },

  big(request, argument) {
    const bytes = Number(argument);
    const headers: HeadersInit = request.url.includes("?length") ? { "content-length": argument } : {};
    return new Response(bodyOf(patternChunks(bytes)), { headers });
  },

  /** Tells of each piece of the body. */
  async pieces(request, key, _, stage) {
    let count = 0;
    for await (const _ of request.body ?? []) stage.tell(`${key}:${count++}`);
    return new Response(`${count} pieces`);
  },

  /** Sends each chunk when the test allows it. */
  chunks(_, key, _context, stage) {
    async function* chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
      for (let i = 0; i < 3; i++) {
        await stage.gate(`${key}:${i}`);
        yield new TextEncoder().encode(`chunk ${i}\n`);
      }
    }
    return new Response(bodyOf(chunks()), { headers: streamed });
  },

  /** Goes on for long. */
  endless: (request, key, _, stage) => endless(request, key, stage),

  /** Says nothing until the test allows it, and then goes on for long. */
  async silent(request, key, _, stage) {
    const aborted = toldOfAbort(request, key, stage);
    stage.tell(`${key}:started`);
    await Promise.race([stage.gate(key), aborted]);
    return endless(request, key, stage);
  },

  /** Tells how reading the body ends. */
  async upload(request, key, _, stage) {
    stage.tell(`${key}:started`);
    try {
      for await (const _ of request.body ?? []) stage.tell(`${key}:reading`);
      stage.tell(`${key}:ended`, "whole");
      return new Response("whole\n");
    } catch (error) {
      stage.tell(`${key}:ended`, "failed");
      throw error;
    }
  },

  /** Fails after so many bytes of its body. */
  breaks(_, argument) {
    async function* pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
      for (const piece of patternChunks(Number(argument))) {
        await turn();
        yield piece;
      }
      await turn();
      throw new Error("broken half way");
    }
    return new Response(bodyOf(pieces()), { headers: streamed });
  },

  /** Ends before its Content-Length. */
  short: () => new Response(bodyOf(patternChunks(100_000)), { headers: { ...streamed, "content-length": "200000" } }),

  /** Its digest, when the test allows it. */
  async held(request, key, _, stage) {
    const body = new Uint8Array(await request.arrayBuffer());
    stage.tell(`${key}:read`);
    await stage.gate(key);
    return new Response(body);
  },
};

/** nginx collects a response unless it is told not to. The others do not know the field. */
const streamed = { "x-accel-buffering": "no" };

function toldOfAbort(request: Request, key: string, stage: Stage): Promise<void> {
  return new Promise((resolve) => {
    request.signal.addEventListener("abort", () => {
      stage.tell(`${key}:aborted`, (request.signal.reason as { code?: string }).code);
      resolve();
    });
  });
}

function endless(request: Request, key: string, stage: Stage): Response {
  void toldOfAbort(request, key, stage);
  let sent = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      await turn();
      controller.enqueue(patternBytes(16_384, sent));
      sent += 16_384;
      // A web server that collects responses would fill the disk.
      if (sent < 16 * 1024 * 1024) return;
      stage.tell(`${key}:over`);
      controller.close();
    },
    cancel: () => stage.tell(`${key}:cancelled`),
  });
  return new Response(body, { headers: streamed });
}

/** The header, or the piece before, is on its way behind this. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
