/// <reference path="./sockets.d.ts" />
import { connect } from "cloudflare:sockets";
import type { ConnectionAddress, FastCgiConnection, FastCgiHttpPreset } from "../../src/index.ts";
import { TcpConnector } from "../shared/connect.ts";
import { splitTcpTarget, type TcpAddress, type TcpTarget, tcpAddress } from "../shared/target.ts";

/**
 * Opens TCP connections to an application, from a Worker. There are no Unix sockets here, and no disk: a request body that is larger
 * than `maxBufferedRequestBytes` is sent as it comes if it has a Content-Length, so that php-fpm runs the script also where the client
 * leaves in the middle, and fails with `lengthRequired` if it has none.
 *
 * A socket belongs to the request of the Worker that opened it, and a request may wait for six connections at a time. So make the
 * client where the request is handled, leave `keepAlive` off (as it is by default), and give `maxConnections: 6` to a client that
 * sends many requests at once.
 *
 * ```ts
 * import { FastCgiHttpClient, FastCgiTcpConnector } from "fetchcgi/cloudflare";
 *
 * const connector = FastCgiTcpConnector.phpFpm("php.internal:9000", "/srv/app/public/index.php");
 *
 * export default {
 *   fetch: (request: Request) => new FastCgiHttpClient(connector, { maxConnections: 6 }).fetch(request),
 * };
 * ```
 */
export class FastCgiTcpConnector extends TcpConnector {
  /**
   * Connects to `target`; `preset` is what the application wants of every client.
   *
   * @throws {TypeError} If the target is not one.
   */
  constructor(target: TcpTarget | string, preset: FastCgiHttpPreset = {}) {
    super(target, preset, openTcp);
  }
}

async function openTcp(target: TcpAddress, signal: AbortSignal): Promise<FastCgiConnection> {
  // Half-open: an application may answer behind our end of file.
  const socket = connect(target, { secureTransport: "off", allowHalfOpen: true });
  const close = (): Promise<void> => socket.close();
  const onAbort = (): void => void close().catch(() => {});
  // What breaks is told by the streams.
  socket.closed.catch(() => {});
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const { remoteAddress, localAddress } = await socket.opened;
    const { readable, writable } = socket;
    return {
      readable,
      writable,
      close,
      remoteAddress: addressOf(remoteAddress),
      localAddress: addressOf(localAddress),
    };
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Of text like `192.0.2.1:9000`; anything else is none. */
function addressOf(text = ""): ConnectionAddress | undefined {
  const { hostname, port } = splitTcpTarget(text);
  return Number.isNaN(port) ? undefined : tcpAddress(hostname, port);
}
