// Both directions on Deno: Deno.serve → client → FastCGI → server → fetch handler.

import { FastCgiError, FastCgiHttpClient, FastCgiUnixConnector, serve } from "fetchcgi/deno";

const folder = await Deno.makeTempDir({ prefix: "fetchcgi-example-" });
const path = `${folder}/app.sock`;

// The application: an ordinary fetch handler. nginx, Apache or Caddy could be in front of it just as well.
const application = await serve({
  path,
  fetch(request, { params }) {
    const { pathname } = new URL(request.url);
    if (pathname === "/upload") return new Response(request.body);
    return new Response(`Hello ${params.get("REMOTE_ADDR")}, from Deno at ${pathname}\n`);
  },
});

// The web server: passes every request on.
const client = new FastCgiHttpClient(new FastCgiUnixConnector(path), { keepAlive: true });
const front = Deno.serve(
  {
    hostname: "127.0.0.1",
    port: Number(Deno.env.get("PORT") || 3000),
    onListen: ({ port }) => console.log(`deno: http://127.0.0.1:${port}/  (Ctrl+C stops it)`),
  },
  (request, { remoteAddr }) =>
    client.fetch(request, { remoteAddress: remoteAddr.hostname }).catch((error) => {
      // A client that has left is no error. If it leaves during an upload, reading the body fails before the signal aborts.
      const hasLeft = request.signal.aborted || error instanceof Deno.errors.BadResource;
      if (!hasLeft) console.error(error);
      // 502, 503, 504 and so on.
      return new Response("Cannot answer\n", { status: error instanceof FastCgiError ? error.gatewayStatus : 500 });
    }),
);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  const stop = async () => {
    // A second one does not wait.
    Deno.removeSignalListener(signal, stop);
    await front.shutdown();
    await client.close({ timeout: 2000 });
    await application.close({ timeout: 2000 });
    await Deno.remove(folder, { recursive: true });
    Deno.exit();
  };
  Deno.addSignalListener(signal, stop);
}
