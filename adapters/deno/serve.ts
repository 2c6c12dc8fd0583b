import type { ConnectionAddress } from "../../src/toolkit.ts";
import { isShortage, ShortageReport } from "../system/descriptors.ts";
import type { ListenerEvents, ListeningSocket, ListenPlace, ServerRuntime } from "../system/listen.ts";
import { type FastCgiListener, type ServeOptions, serveOn } from "../system/serve.ts";
import { openUnix } from "./connect.ts";
import { withCode } from "./errors.ts";
import { type DenoConn, type DenoListener, deno } from "./runtime.ts";
import { DenoChannel } from "./socket.ts";

/** Milliseconds before the next attempt after no connection could be accepted. Connections wait in that time. */
const ACCEPT_DELAY = 100;

type TcpPlace = Extract<ListenPlace, { readonly hostname: string }>;

const RUNTIME: ServerRuntime = { bind, openUnix, environment: (name) => deno().env.get(name) };

/**
 * Serves a fetch handler over FastCGI.
 *
 * ```ts
 * import { serve } from "fetchcgi/deno";
 *
 * const server = await serve({ path: "/run/app.sock", fetch: () => new Response("Hello") });
 * ```
 *
 * `onError` and `onStderr` print to the console unless they are given: a line for each fault and each message. There is no
 * `fd`, because Deno can't take over an inherited socket.
 *
 * Needs `--allow-net` for a port; `--allow-read` and `--allow-write` for the folder of a path; and `--allow-env=FCGI_WEB_SERVER_ADDRS`, unless
 * `webServerAddresses` is given.
 *
 * @throws {TypeError | RangeError} If an option has a value it can't have.
 * @throws {Error} If it can't listen.
 */
export function serve(options: ServeOptions): Promise<FastCgiListener> {
  return serveOn(RUNTIME, options);
}

async function bind(place: ListenPlace, events: ListenerEvents): Promise<ListeningSocket> {
  if ("fd" in place) throw new TypeError("Deno can't take over a socket that was inherited; give path or port");
  const server = openListener(place);
  const { addr } = server;
  const address: ConnectionAddress | undefined =
    addr.transport === "tcp" ? { hostname: addr.hostname, port: addr.port } : undefined;
  let isOpen = true;
  const accepting = acceptAll(server, events, () => isOpen);
  return {
    address,
    async close() {
      if (!isOpen) return;
      isOpen = false;
      server.close();
      // Only when the last accept has ended is the socket closed. Until then, clients are let in and reset.
      await accepting;
    },
  };
}

function openListener(place: Exclude<ListenPlace, { readonly fd: number }>): DenoListener {
  try {
    return "path" in place ? deno().listen({ transport: "unix", path: place.path }) : deno().listen(tcpOptions(place));
  } catch (error) {
    throw withCode(error);
  }
}

/** Deno has an option for the backlog of a port only. */
function tcpOptions({ hostname, port, backlog }: TcpPlace): TcpPlace & { tcpBacklog?: number } {
  return { hostname, port, ...(backlog !== undefined && { tcpBacklog: backlog }) };
}

async function acceptAll(
  server: DenoListener,
  { onConnection, onError }: ListenerEvents,
  isOpen: () => boolean,
): Promise<void> {
  const report = new ShortageReport(onError);
  while (isOpen()) {
    let conn: DenoConn;
    try {
      conn = await server.accept();
    } catch (error) {
      if (!isOpen()) return;
      if (isShortage(error)) report.notice(error);
      else onError(error);
      await new Promise((resolve) => setTimeout(resolve, ACCEPT_DELAY));
      continue;
    }
    try {
      onConnection(new DenoChannel(conn));
    } catch (error) {
      // The connection is gone already.
      conn.close();
      onError(error);
    }
  }
}
