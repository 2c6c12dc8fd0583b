// The part of the module "cloudflare:sockets" that is used here, so that the types of the whole runtime are not needed.

declare module "cloudflare:sockets" {
  interface SocketInfo {
    /** `address:port`. */
    readonly remoteAddress?: string;
    /** `address:port`. */
    readonly localAddress?: string;
  }

  interface Socket {
    readonly readable: ReadableStream<Uint8Array>;
    readonly writable: WritableStream<Uint8Array>;
    /** Resolves when the connection is there. */
    readonly opened: Promise<SocketInfo>;
    /** Resolves when the connection is closed, and rejects when it breaks. */
    readonly closed: Promise<void>;
    close(): Promise<void>;
  }

  interface SocketOptions {
    readonly secureTransport?: "off" | "on" | "starttls";
    readonly allowHalfOpen?: boolean;
  }

  function connect(address: { readonly hostname: string; readonly port: number }, options?: SocketOptions): Socket;
}
