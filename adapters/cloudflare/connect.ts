// Only its runtime has the module, and a declaration of it here would be one for the whole program of a user, which JSR refuses.
// @ts-expect-error: its type is WorkerBinding["connect"]
import { connect } from "cloudflare:sockets";
import { optionsOf, unexpected } from "../../src/base/unexpected.ts";
import {
  type ConnectionAddress,
  type FastCgiConnection,
  type FastCgiHttpPreset,
  type FastCgiScript,
  type FastCgiScriptResolver,
  type StreamConnection,
  type TcpAddress,
  tcpAddress,
} from "../../src/toolkit.ts";
import { phpFpmPreset, TcpConnector } from "../shared/connect.ts";
import { splitTcpTarget, type TcpTarget } from "../shared/target.ts";

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
  readonly #binding: WorkerBinding;
  readonly #secureTransport: "off" | "on";

  /**
   * Connects to `target`. `preset` has options for every client of the application.
   *
   * @throws {TypeError} If the target is not one, or an option has a value it can't have.
   */
  constructor(target: TcpTarget | string, preset: FastCgiHttpPreset = {}, options: WorkerSocketOptions = {}) {
    const { binding = SOCKETS, secureTransport = "off" } = optionsOf(options);
    if (typeof binding?.connect !== "function") {
      throw unexpected("Cannot use binding: expected an object with a method connect", binding);
    }
    if (secureTransport !== "off" && secureTransport !== "on") {
      throw unexpected('Cannot use secureTransport: expected "off" or "on"', secureTransport);
    }
    super(target, preset);
    this.#binding = binding;
    this.#secureTransport = secureTransport;
  }

  /**
   * php-fpm on TCP. `script` is the path of the file that answers every request, or a value of the client's option
   * `script`. Leave it out if each request has its own, as those of `phpSite` do.
   */
  static override phpFpm<Self>(
    this: new (
      target: TcpTarget | string,
      preset: FastCgiHttpPreset,
      options?: WorkerSocketOptions,
    ) => Self,
    target: TcpTarget | string,
    script?: string | FastCgiScript | FastCgiScriptResolver,
    options?: WorkerSocketOptions,
  ): Self {
    return new this(target, phpFpmPreset(script), options);
  }

  /** @internal */
  protected override open(address: TcpAddress, signal: AbortSignal): Promise<FastCgiConnection> {
    return openTcp(this.#binding, address, this.#secureTransport, signal);
  }
}

/** Options of a Worker's connection. */
export interface WorkerSocketOptions {
  /**
   * A binding of the Worker with a method `connect`, such as a binding to a private network. It gets the target as
   * `{ hostname, port }`, and returns a socket like those of `cloudflare:sockets`.
   *
   * @default {`cloudflare:sockets`}
   */
  binding?: WorkerBinding | undefined;
  /**
   * `"on"` speaks TLS, for an application behind a proxy that ends TLS. FastCGI itself is not encrypted: every network on the way can
   * read it.
   *
   * @default {"off"}
   */
  secureTransport?: "off" | "on" | undefined;
}

/** Connects to a target, as `connect` of `cloudflare:sockets` does. */
export interface WorkerBinding {
  /** Begins to connect, and returns the socket at once. */
  connect(
    address: { hostname: string; port: number },
    options: { secureTransport: "off" | "on"; allowHalfOpen: boolean },
  ): WorkerSocket;
}

/** The part of a Worker's socket that is used here. */
export interface WorkerSocket {
  /** What the application sends. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What is sent to the application. */
  readonly writable: WritableStream<Uint8Array>;
  /** Resolves when the connection is there. Addresses are `address:port`. */
  readonly opened: Promise<{ readonly remoteAddress?: string; readonly localAddress?: string }>;
  /** Resolves when the connection is closed, and rejects when it breaks. */
  readonly closed: Promise<unknown>;
  /** Closes the connection, in both directions. */
  close(): Promise<unknown>;
}

const SOCKETS: WorkerBinding = { connect };

async function openTcp(
  binding: WorkerBinding,
  { hostname, port }: TcpAddress,
  secureTransport: "off" | "on",
  signal: AbortSignal,
): Promise<StreamConnection> {
  // Half-open, because an application may answer after this side's end of file.
  const socket = binding.connect({ hostname, port }, { secureTransport, allowHalfOpen: true });
  const close = async (): Promise<void> => void (await socket.close());
  const onAbort = (): void => void close().catch(() => {});
  // The streams fail when the connection breaks; this promise need not be handled as well.
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

/** The address in text like `192.0.2.1:9000`; undefined for any other text. */
function addressOf(text = ""): ConnectionAddress | undefined {
  const { hostname, port } = splitTcpTarget(text);
  return Number.isNaN(port) ? undefined : tcpAddress(hostname, port);
}
