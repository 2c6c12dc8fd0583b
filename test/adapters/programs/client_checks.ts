// What the client half does on every runtime. Web standards only: a Worker runs it too.

import type { ConnectionAddress, FastCgiHttpClientOptions, FastCgiHttpConnector } from "../../../src/index.ts";
import * as core from "../../../src/index.ts";

/** The connectors of an adapter; a Worker has no Unix sockets. */
export interface Connectors {
  FastCgiTcpConnector: { phpFpm(target: { port: number }, script: string): FastCgiHttpConnector };
  FastCgiUnixConnector?: { phpFpm(path: string, script: string): FastCgiHttpConnector };
}

/** What to do, as JSON. */
export interface Check {
  readonly target: { readonly port: number } | { readonly path: string };
  /** The connection itself is used, without FastCGI: sends this before it reads to the end, or behind that. */
  readonly raw?: { readonly text: string; readonly order: "send first" | "read first" };
  readonly script?: string;
  readonly url?: string;
  /** Bytes of the pattern that are sent; none without it. */
  readonly upload?: number;
  /** Gives up behind the first piece of the response. */
  readonly abort?: boolean;
  readonly options?: FastCgiHttpClientOptions;
}

/** How it went, as JSON. */
export interface Outcome {
  readonly status?: number;
  /** The body, where it is short. */
  readonly text?: string;
  readonly bytes?: number;
  /** Whether the body is the pattern. */
  readonly isPattern?: boolean;
  /** Of a raw connection. */
  readonly remoteAddress?: ConnectionAddress | undefined;
  readonly error?: string;
}

const PERIOD = 251;
const PIECE_BYTES = 65_536;
// Byte i is (i * 31 + 7) % 251, as in support/pattern.ts.
const pattern = Uint8Array.from({ length: PERIOD + PIECE_BYTES }, (_, i) => (i * 31 + 7) % PERIOD);

/** One request. */
export async function check({ FastCgiTcpConnector, FastCgiUnixConnector }: Connectors, what: Check): Promise<Outcome> {
  const { target, script = "/index.php", url = "http://localhost/", upload, abort = false, options, raw } = what;
  const controller = new AbortController();
  try {
    const connector =
      "port" in target ? FastCgiTcpConnector.phpFpm(target, script) : FastCgiUnixConnector!.phpFpm(target.path, script);
    if (raw !== undefined) return await exchange(connector, raw);
    const client = new core.FastCgiHttpClient(connector, options);
    const init = upload === undefined ? {} : { method: "POST", body: patternStream(upload), duplex: "half" };
    const response = await client.fetch(url, { ...init, signal: controller.signal } as RequestInit);
    return { status: response.status, ...(await read(response.body!, () => abort && controller.abort())) };
  } catch (error) {
    return { error: error instanceof core.FastCgiError ? `${error.code}: ${error.message}` : String(error) };
  }
}

/** Half-closes behind what it sends. */
async function exchange(
  connector: FastCgiHttpConnector,
  { text: words, order }: NonNullable<Check["raw"]>,
): Promise<Outcome> {
  const connection = await connector.connect({ signal: new AbortController().signal });
  const send = async (): Promise<void> => {
    const writer = connection.writable.getWriter();
    await writer.write(new TextEncoder().encode(words));
    await writer.close();
  };
  try {
    if (order === "send first") await send();
    // Held while others are read: no two pieces may share their bytes.
    const pieces: Uint8Array[] = [];
    const reader = connection.readable.getReader();
    for (let result = await reader.read(); !result.done; result = await reader.read()) pieces.push(result.value);
    if (order === "read first") await send();
    const text = pieces.map((piece) => new TextDecoder().decode(piece)).join("");
    return { text, remoteAddress: connection.remoteAddress };
  } finally {
    await connection.close();
  }
}

async function read(body: ReadableStream<Uint8Array>, onPiece: () => void): Promise<Outcome> {
  let [bytes, text, isPattern] = [0, "", true];
  const reader = body.getReader();
  for (let result = await reader.read(); !result.done; result = await reader.read()) {
    const piece = result.value;
    if (bytes + piece.length <= 1024) text += new TextDecoder().decode(piece);
    for (let at = 0; isPattern && at < piece.length; at++) isPattern = piece[at] === pattern[(bytes + at) % PERIOD];
    bytes += piece.length;
    onPiece();
  }
  return bytes <= 1024 ? { text } : { bytes, isPattern };
}

function patternStream(length: number): ReadableStream<Uint8Array> {
  let start = 0;
  return new ReadableStream(
    {
      pull(controller) {
        if (start === length) return controller.close();
        const from = start % PERIOD;
        const piece = pattern.slice(from, from + Math.min(PIECE_BYTES, length - start));
        start += piece.length;
        controller.enqueue(piece);
      },
    },
    { highWaterMark: 0 },
  );
}
