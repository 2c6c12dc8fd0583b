// A gateway of our client and the HTTP server of a runtime, srvx on Node. gateway.mjs FOLDER BACKEND ADDRESS
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ready, targetOf } from "./ready.mjs";

const [folder, backend, address] = process.argv.slice(2);
const { host: hostname, port } = targetOf(address);
const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
const { FastCgiHttpClient, FastCgiUnixConnector } = await import(pathToFileURL(join(folder, `${runtime}.js`)).href);

const client = new FastCgiHttpClient(new FastCgiUnixConnector(backend), {
  keepAlive: true,
  maxConnections: 64,
  maxIdle: 64,
});
const call = (request, remoteAddress) => client.fetch(request, { remoteAddress });

const servers = {
  async node() {
    const { serve } = await import("srvx");
    const fetch = (request) => call(request, request.ip);
    await serve({ hostname, port, silent: true, fetch }).ready();
  },
  bun() {
    Bun.serve({ hostname, port, fetch: (request, server) => call(request, server.requestIP(request)?.address) });
  },
  deno() {
    const fetch = (request, { remoteAddr }) => call(request, remoteAddr.hostname);
    Deno.serve({ hostname, port, onListen() {} }, fetch);
  },
};
await servers[runtime]();
ready();
