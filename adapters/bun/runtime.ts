// The part of Bun that is used here. Its own types would come into every program that uses this package, and contradict those
// of other runtimes. `npm run typecheck` compares the two.

/** A socket, as `Bun.Socket`. */
export interface BunSocket<Data> {
  data: Data;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  /** Returns how many bytes the kernel took; a negative number when the socket is closed. */
  write(bytes: Uint8Array): number;
  pause(): void;
  resume(): void;
  setNoDelay(noDelay: boolean): boolean;
  /** Half-closes. */
  shutdown(): void;
  /** Closes both ways, at once. */
  close(): void;
  /** As `close`, but resets a TCP connection. */
  terminate(): void;
}

/** Callbacks of sockets, as `Bun.SocketHandler`. */
export interface BunSocketHandler<Data> {
  open(socket: BunSocket<Data>): void;
  data(socket: BunSocket<Data>, chunk: Uint8Array): void;
  /** There is room again after a `write` that took less than it was given. */
  drain(socket: BunSocket<Data>): void;
  /** The peer has half-closed. */
  end(socket: BunSocket<Data>): void;
  close(socket: BunSocket<Data>, error?: Error): void;
  /** A handler has thrown. */
  error(socket: BunSocket<Data>, error: Error): void;
}

/** A socket that listens, as `Bun.SocketListener`. */
export interface BunListener {
  /** Only of TCP. */
  readonly port?: number;
  /** Accepts no more, and removes the socket file. */
  stop(): void;
}

/**
 * A TCP address to listen on or connect to. Bun listens on an inherited descriptor too, though its types don't say so.
 */
export interface BunTcpPlace {
  readonly hostname: string;
  readonly port: number;
}

/** A Unix socket to listen on or connect to. */
export interface BunUnixPlace {
  readonly unix: string;
}

/** Options of `Bun.listen` and `Bun.connect`. */
export interface BunSocketOptions<Data> {
  readonly allowHalfOpen: boolean;
  readonly data: Data;
  readonly socket: BunSocketHandler<Data>;
}

/** The global `Bun`. */
export interface BunRuntime {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly dns: { lookup(hostname: string): Promise<unknown> };
  listen<Data>(options: BunSocketOptions<Data> & BunTcpPlace): BunListener;
  listen<Data>(options: BunSocketOptions<Data> & BunUnixPlace): BunListener;
  connect<Data>(options: BunSocketOptions<Data> & BunTcpPlace): Promise<unknown>;
  connect<Data>(options: BunSocketOptions<Data> & BunUnixPlace): Promise<unknown>;
}

/** Read where it is used, so that the module can be imported everywhere. */
export function bun(): BunRuntime {
  const { Bun } = globalThis as { Bun?: BunRuntime };
  if (Bun === undefined) throw new Error("Cannot use the sockets of Bun: this is another runtime");
  return Bun;
}
