// The part of Deno that is used here. Its own types would come into every program that uses this package, and contradict those
// of other runtimes. `npm run typecheck` compares the two.

/** An end of a connection, or where a socket listens; as `Deno.Addr`. */
export type DenoAddress =
  | { readonly transport: "tcp" | "udp"; readonly hostname: string; readonly port: number }
  | { readonly transport: "unix" | "unixpacket"; readonly path: string }
  | { readonly transport: "vsock" };

/** A connection, as `Deno.Conn`. */
export interface DenoConn {
  readonly remoteAddr: DenoAddress;
  readonly localAddr: DenoAddress;
  /** Returns how many bytes were read; null at the end of file. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Returns how many bytes were written, which may be less than all. */
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
  /** Only of TCP. */
  setNoDelay?(noDelay?: boolean): void;
}

/** A socket that listens, as `Deno.Listener`. */
export interface DenoListener {
  readonly addr: DenoAddress;
  accept(): Promise<DenoConn>;
  close(): void;
}

/** The global `Deno`. */
export interface DenoRuntime {
  readonly env: { get(name: string): string | undefined };
  readonly errors: { readonly NotConnected: new () => Error };
  /** Makes an empty file for this user only, in the system's folder for such files; returns its path. */
  makeTempFile(options: { prefix: string }): Promise<string>;
  listen(options: { hostname: string; port: number; tcpBacklog?: number }): DenoListener;
  listen(options: { transport: "unix"; path: string }): DenoListener;
  connect(options: { hostname: string; port: number; signal: AbortSignal }): Promise<DenoConn>;
  connect(options: { transport: "unix"; path: string }): Promise<DenoConn>;
}

/** Read where it is used, so that the module can be imported everywhere. */
export function deno(): DenoRuntime {
  const { Deno } = globalThis as { Deno?: DenoRuntime };
  if (Deno === undefined) throw new Error("Cannot use the sockets of Deno: this is another runtime");
  return Deno;
}
