// The frameworks that are tried. Each has its app in the folder of its name in `apps`.

import type { Answer } from "../support/http_answer.ts";
import type { Difference, Exchange, Framework } from "./framework.ts";
import { later, listenerSite, ORIGIN, site, sized, upload } from "./site.ts";

const FETCH = "serve({ path, fetch: app.fetch })";

/** The rows that a framework leaves to other parts of a program. */
function without(...rows: readonly Exchange["row"][]): readonly Exchange[] {
  return site.filter(({ row }) => !rows.includes(row));
}

/** @param natively What the framework's own server answers. */
function leavesErrors(natively: Partial<Answer>, removedHeaders: readonly string[] = []): Difference {
  return {
    reason: "The framework leaves an error that is thrown to its server, and each server has a page of its own for it.",
    natively,
    removedHeaders,
    addedHeaders: ["content-type: text/plain;charset=utf-8"],
    overFastCgi: { body: "Internal Server Error\n" },
  };
}

const UNBUFFERED: Difference = {
  reason: "nginx acts upon `X-Accel-Buffering: no` and does not pass it on.",
  removedHeaders: ["x-accel-buffering: no"],
};

const UNTYPED: Difference = {
  reason: "The response has no type, and CGI wants one with every body (RFC 3875 6.3.1).",
  addedHeaders: ["content-type: application/octet-stream"],
};

const UNTYPED_TEXT: Difference = { ...UNTYPED, addedHeaders: ["content-type: text/plain;charset=utf-8"] };

const JOINED: Difference = {
  reason: "The header has a line twice. Fetch joins the lines of a name, which means the same (RFC 9110 5.3).",
  removedHeaders: ["x-nextjs-prerender: 1"],
  addedHeaders: ["x-nextjs-prerender: 1, 1"],
};

/** @param reason The reason phrase that better-auth gives its Response. */
function ownReason(reason: string): Difference {
  return { reason: "node:http writes a reason phrase of its own in place of the Response's.", overFastCgi: { reason } };
}

/** @param type What the app sets. */
function ownType(type: string): Difference {
  return {
    reason: "@elysiajs/node sends text as `text/plain`, whatever type the app sets.",
    removedHeaders: ["content-type: text/plain"],
    addedHeaders: [`content-type: ${type}`],
  };
}

const NO_WAIT_UNTIL: Difference = {
  reason: "The framework's own server offers no `waitUntil`.",
  natively: { body: "none" },
  overFastCgi: { body: "later" },
};

const NO_ADDRESS: Difference = {
  reason: "The framework's own server tells the app nothing of the client.",
  natively: { body: "unknown" },
  overFastCgi: { body: "127.0.0.2" },
};

const JSON_TYPE = "application/json";

/** The body of a new user, or of a user who comes back. */
function login(lines: string, password = "a long password"): Pick<Exchange, "lines" | "body"> {
  return sized(JSON_TYPE, JSON.stringify({ name: "Ada", email: "ada@shop.example", password }), lines);
}

export const frameworks: Readonly<Record<string, Framework>> = {
  hono: {
    title: "Hono",
    package: "hono",
    nativeServer: "@hono/node-server",
    served: FETCH,
    exchanges: [...site, ...later],
    differences: { "GET /later": NO_WAIT_UNTIL },
  },
  h3: {
    title: "H3",
    package: "h3",
    nativeServer: "its `serve` (srvx)",
    served: 'app.fetch(Object.assign(request, { ip: params.get("REMOTE_ADDR"), waitUntil }))',
    exchanges: [...site, ...later],
    differences: { "GET /stream": UNTYPED },
  },
  "itty-router": {
    title: "itty-router",
    package: "itty-router",
    nativeServer: "srvx",
    served: FETCH,
    exchanges: without("asset"),
    differences: { "GET /throws": leavesErrors({ body: "" }) },
  },
  "fetch-router": {
    title: "Remix's fetch-router",
    package: "@remix-run/fetch-router",
    nativeServer: "@remix-run/node-fetch-server",
    served: "app.fetch(request)",
    exchanges: without("asset"),
    differences: { "GET /throws": leavesErrors({ body: "Internal Server Error" }, ["content-type: text/plain"]) },
  },
  trpc: {
    title: "tRPC",
    package: "@trpc/server",
    nativeServer: "its standalone server",
    served: "fetchRequestHandler({ req, router, endpoint, createContext })",
    exchanges: [
      { row: "route", start: "GET /item?input=%22K%C3%A4se%22" },
      { row: "route", start: "GET /item,address?batch=1&input=%7B%220%22%3A1%7D" },
      { row: "body", start: "POST /add", ...sized(JSON_TYPE, '{"name":"K\xc3\xa4se"}') },
      { row: "form", start: "POST /form", ...upload },
      { row: "404", start: "GET /nowhere" },
      { row: "404", start: "GET /missing" },
      { row: "error", start: "GET /throws" },
      { row: "stream", start: "GET /lines", lines: "Accept: text/event-stream\r\n", release: "GET /release" },
      { row: "HEAD", start: "HEAD /item?input=1" },
      { row: "address", start: "GET /address" },
    ],
    differences: { "GET /lines": UNBUFFERED },
  },
  orpc: {
    title: "oRPC",
    package: "@orpc/server",
    nativeServer: "node:http, its `RPCHandler` for Node",
    served: "handler.handle(request, { context })",
    exchanges: [
      { row: "route", start: "GET /item?data=%7B%22json%22%3A%22K%C3%A4se%22%7D" },
      { row: "body", start: "POST /add", ...sized(JSON_TYPE, '{"json":{"name":"K\xc3\xa4se"}}') },
      { row: "404", start: "POST /nowhere", ...sized(JSON_TYPE, "{}") },
      { row: "404", start: "POST /missing", ...sized(JSON_TYPE, "{}") },
      { row: "error", start: "POST /throws", ...sized(JSON_TYPE, "{}") },
      { row: "stream", start: "POST /lines", ...sized(JSON_TYPE, "{}"), release: "POST /release" },
      { row: "address", start: "POST /address", ...sized(JSON_TYPE, "{}") },
    ],
  },
  "graphql-yoga": {
    title: "GraphQL Yoga",
    package: "graphql-yoga",
    nativeServer: "node:http",
    served: "yoga.fetch(request, { fastCgi: context, waitUntil: context.waitUntil })",
    exchanges: [
      { row: "page", start: "GET /graphql", lines: "Accept: text/html\r\n" },
      { row: "HEAD", start: "HEAD /health" },
      { row: "route", start: "GET /graphql?query=%7Bitem(id%3A%22K%C3%A4se%22)%7D" },
      { row: "body", start: "POST /graphql", ...sized(JSON_TYPE, '{"query":"mutation{add(name:\\"K\xc3\xa4se\\")}"}') },
      { row: "404", start: "GET /nowhere" },
      { row: "error", start: "GET /graphql?query=%7Bthrows%7D" },
      { row: "error", start: "GET /graphql?query=%7Bnope%7D" },
      {
        row: "stream",
        start: "GET /graphql?query=subscription%7Blines%7D",
        lines: "Accept: text/event-stream\r\n",
        release: "GET /graphql?query=%7Brelease%7D",
      },
      { row: "address", start: "GET /graphql?query=%7Baddress%7D" },
      { row: "URL", start: "GET /graphql?query=%7Burl%7D", isAskedSecurely: true },
    ],
  },
  express: {
    title: "Express",
    package: "express",
    nativeServer: "node:http, its `app.listen`",
    served: "serve({ path, listener: app })",
    isListener: true,
    exchanges: [...site, ...later, ...listenerSite],
    differences: { "GET /later": NO_WAIT_UNTIL },
  },
  koa: {
    title: "Koa",
    package: "koa",
    nativeServer: "node:http, its `app.listen`",
    served: "serve({ path, listener: app.callback() })",
    isListener: true,
    // koa-static knows no ranges.
    exchanges: [...site, ...later, ...listenerSite.filter(({ row }) => row !== "range")],
    differences: { "GET /later": NO_WAIT_UNTIL },
  },
  fastify: {
    title: "Fastify",
    package: "fastify",
    nativeServer: "node:http, its `app.listen`",
    served: "serve({ path, listener: app.server })",
    isListener: true,
    exchanges: [...site, ...later, ...listenerSite],
    differences: { "GET /later": NO_WAIT_UNTIL },
  },
  nestjs: {
    title: "NestJS",
    package: "@nestjs/core",
    nativeServer: "node:http, its `app.listen`",
    served: "serve({ path, listener: app.getHttpAdapter().getInstance() })",
    isListener: true,
    exchanges: [...site, ...later, ...listenerSite],
    differences: { "GET /later": NO_WAIT_UNTIL },
  },
  next: {
    title: "Next.js",
    package: "next",
    with: ["examples/next"],
    builds: [["next", "build"]],
    native: [".next/standalone/server.js"],
    nativeServer: "its standalone `server.js`",
    fastCgi: [".next/standalone/main.js"],
    served: "serve({ path, listener: app.getRequestHandler() })",
    isListener: true,
    exchanges: [
      ...site,
      ...later,
      // Next has no early hints.
      ...listenerSite.filter(({ row }) => row !== "early hints"),
      { row: "page", start: "GET /breads/rye" },
      { row: "404", start: "GET /breads/none" },
      { row: "stream", start: "GET /streamed", release: "GET /streamed?release" },
      // By what Next calls its proxy, before all routes.
      { row: "redirect", start: "GET /former" },
      { row: "asset", start: "GET /_next/image?url=%2Fstripes.png&w=32&q=75", lines: "Accept: image/webp\r\n" },
    ],
    differences: { "GET /": JOINED, "HEAD /": JOINED, "GET /former": UNTYPED_TEXT },
    // Both programs keep pictures in the same folder, so only the first one has to make it.
    changing: /(?<=^x-nextjs-cache: )(MISS|HIT)$/,
  },
  "better-auth": {
    title: "better-auth",
    package: "better-auth",
    nativeServer: "node:http, its `toNodeHandler`",
    served: "auth.handler(request)",
    exchanges: [
      { row: "body", start: "POST /api/auth/sign-up/email", ...login(ORIGIN) },
      { row: "cookies", start: "POST /api/auth/sign-in/email", ...login(ORIGIN) },
      { row: "error", start: "POST /api/auth/sign-in/email?wrong", ...login(ORIGIN, "guess") },
      { row: "error", start: "POST /api/auth/sign-in/email?elsewhere", ...login("Origin: http://evil.example\r\n") },
      { row: "route", start: "GET /api/auth/get-session" },
      { row: "404", start: "GET /api/auth/nowhere" },
    ],
    differences: {
      "POST /api/auth/sign-in/email?wrong": ownReason("UNAUTHORIZED"),
      "POST /api/auth/sign-in/email?elsewhere": ownReason("FORBIDDEN"),
    },
    // Ids, tokens with their signatures, and times.
    changing: /\b[A-Za-z0-9]{32}(\.[A-Za-z0-9%]+)?|\d{4}-\d\d-\d\dT[\d:.]+Z/g,
  },
  elysia: {
    title: "Elysia",
    package: "elysia",
    nativeServer: "@elysiajs/node",
    served: 'app.fetch(Object.assign(request, { ip: params.get("REMOTE_ADDR") }))',
    exchanges: without("asset"),
    differences: {
      "GET /": ownType("text/html;charset=utf-8"),
      "HEAD /": ownType("text/html;charset=utf-8"),
      "POST /echo": ownType("text/x-bread"),
    },
  },
  "elysia-bun": {
    title: "Elysia",
    package: "elysia",
    runtime: "bun",
    with: ["test/frameworks/apps/elysia/app.js"],
    nativeServer: "its `listen` (Bun.serve)",
    served: 'app.fetch(Object.assign(request, { ip: params.get("REMOTE_ADDR") }))',
    exchanges: without("asset"),
  },
  "react-router": {
    title: "React Router",
    package: "react-router",
    builds: [["react-router", "build"]],
    native: ["node_modules/@react-router/serve/bin.cjs", "build/server/index.js"],
    nativeServer: "react-router-serve",
    served: "handle(request, Object.assign(new RouterContextProvider(), { fastCgi: context }))",
    files: "build/client",
    exchanges: [...site, ...later],
    additions: {
      text: /^vary: Accept-Encoding$|(?<=^content-type: (application\/json|text\/(html|plain|x-bread)));charset=utf-8$/,
      reason:
        "react-router-serve compresses (`Vary: Accept-Encoding`), and its Express adds `charset=utf-8` to types; over FastCGI the web server compresses.",
    },
    differences: { "GET /address": NO_ADDRESS, "GET /later": NO_WAIT_UNTIL },
  },
  nitro: {
    title: "Nitro",
    package: "nitro",
    builds: [
      ["nitro", "build", "--preset", "node-server"],
      ["nitro", "build", "--preset", "standard"],
    ],
    native: ["native/server/index.mjs"],
    nativeServer: "its preset `node-server`",
    served: 'app.fetch(Object.assign(request, { ip: params.get("REMOTE_ADDR"), waitUntil }))',
    files: "dist/public",
    exchanges: [...site, ...later],
  },
  astro: {
    title: "Astro",
    package: "astro",
    with: ["examples/astro"],
    builds: [
      ["astro", "build", "native"],
      ["astro", "build"],
    ],
    native: ["native/server/entry.mjs"],
    nativeServer: "@astrojs/node",
    fastCgi: ["main.js"],
    served: "serve({ path, fetch })",
    files: "dist/client",
    exchanges: [...site, ...later],
    differences: { "GET /later": NO_WAIT_UNTIL },
  },
  sveltekit: {
    title: "SvelteKit",
    package: "@sveltejs/kit",
    with: ["examples/sveltekit"],
    builds: [["vite", "build"]],
    native: ["native/index.js"],
    nativeServer: "@sveltejs/adapter-node",
    nativeScheme: { variables: { PROTOCOL_HEADER: "x-forwarded-proto" }, lines: "X-Forwarded-Proto: http\r\n" },
    fastCgi: ["main.js"],
    served: "server.respond(request, { getClientAddress, platform: { fastCgi: context } })",
    files: "build/client",
    exchanges: [...site, ...later],
    differences: { "GET /later": NO_WAIT_UNTIL },
  },
  "tanstack-start": {
    title: "TanStack Start",
    package: "@tanstack/react-start",
    builds: [["vite", "build"]],
    native: ["node_modules/srvx/bin/srvx.mjs", "--prod", "--static", "../client", "dist/server/server.js"],
    nativeServer: "srvx",
    served: "app.fetch(request, { context: { fastCgi: context } })",
    // When the data of the page was loaded.
    changing: /\b1\d{12}\b/g,
    files: "dist/client",
    exchanges: [...site, ...later],
    differences: { "GET /address": NO_ADDRESS, "GET /later": NO_WAIT_UNTIL },
  },
  solidstart: {
    title: "SolidStart",
    package: "@solidjs/start",
    builds: [["vite", "build"]],
    native: ["node_modules/srvx/bin/srvx.mjs", "--prod", "--static", "../client", "dist/server/entry-server.js"],
    nativeServer: "srvx",
    served: 'app.fetch(Object.assign(request, { ip: params.get("REMOTE_ADDR"), waitUntil }))',
    files: "dist/client",
    exchanges: [...site, ...later],
  },
};
