import type { AddressInfo } from "node:net";
import type { FastCgiContext } from "../../src/index.ts";
import { MemorySocket } from "./memory_socket.ts";

/** The socket of a request as its listener sees it: the connection of the web server's client. */
export class ListenerSocket extends MemorySocket {
  /** What a fetch handler gets as its second parameter. */
  readonly fastcgi: FastCgiContext;
  /** As on a TLS socket; frameworks read the scheme from it. */
  readonly encrypted: boolean;

  /** The error with which the application ended the request. */
  failure: unknown = undefined;

  constructor(context: FastCgiContext, encrypted: boolean) {
    super();
    this.fastcgi = context;
    this.encrypted = encrypted;
  }

  /** Ends the request because the application failed. */
  fail(error: unknown): void {
    this.failure = error;
    this.destroy();
  }

  override address(): AddressInfo | Record<string, never> {
    const { localAddress: address, localPort: port, localFamily: family } = this;
    return address === undefined || port === undefined || family === undefined ? {} : { address, family, port };
  }

  // Not accessors of the class: the types of Node.js say that these are properties.
  static {
    const getters: Record<string, (context: FastCgiContext) => unknown> = {
      remoteAddress: (context) => addressIn(context, "REMOTE_ADDR"),
      remotePort: (context) => portIn(context, "REMOTE_PORT"),
      remoteFamily: (context) => familyOf(addressIn(context, "REMOTE_ADDR")),
      localAddress: (context) => addressIn(context, "SERVER_ADDR"),
      localPort: (context) => portIn(context, "SERVER_PORT"),
      localFamily: (context) => familyOf(addressIn(context, "SERVER_ADDR")),
    };
    for (const [name, get] of Object.entries(getters)) {
      Object.defineProperty(ListenerSocket.prototype, name, {
        get(this: ListenerSocket) {
          return get(this.fastcgi);
        },
        configurable: true,
      });
    }
  }
}

/** An address; undefined where the web server has none, as for a client on a Unix socket (nginx: `unix:`). */
function addressIn({ params }: FastCgiContext, name: string): string | undefined {
  const address = params.get(name) ?? "";
  return /^[0-9A-Fa-f.:%]+$/.test(address) && /[.:]/.test(address) ? address : undefined;
}

function portIn({ params }: FastCgiContext, name: string): number | undefined {
  const port = params.get(name) ?? "";
  return /^[0-9]{1,5}$/.test(port) ? Number(port) : undefined;
}

function familyOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  return address.includes(":") ? "IPv6" : "IPv4";
}
