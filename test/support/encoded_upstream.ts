// An HTTP server that compresses what it answers, as most do.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";

/** What every answer is, once decoded. It is text that no coding begins with. */
export const PLAIN = "what the client is to read ".repeat(300);

/** One frame with a block that is not compressed (RFC 8878 3.1.1): Node.js 20 has no zstd. */
export function zstdFrame(content: string): Uint8Array {
  const bytes = Buffer.from(content);
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x60, 0, 0, 0, 0, 0]);
  frame.writeUInt16LE(bytes.length - 256, 5);
  frame.writeUIntLE((bytes.length << 3) | 1, 7, 3);
  return Buffer.concat([frame, bytes]);
}

const gzip = (content: string): Uint8Array => gzipSync(content);

/** Encoders by the value of Content-Encoding. */
export const ENCODERS: Readonly<Record<string, (content: string) => Uint8Array>> = {
  br: (content) => brotliCompressSync(content),
  deflate: (content) => deflateSync(content),
  gzip,
  GZIP: gzip,
  "x-gzip": gzip,
  "identity, gzip": gzip,
  zstd: zstdFrame,
  unknown: (content) => Buffer.from(content),
};

/** Listens until it is stopped. The path names the coding, and `?chunked` asks for an answer without a Content-Length. */
export async function encodedUpstream(): Promise<{ url(coding: string): string; stop(): void }> {
  const server = createServer((req, res) => {
    const url = new URL(req.url!, "http://localhost");
    const coding = decodeURIComponent(url.pathname.slice(1));
    const body = ENCODERS[coding]!(PLAIN);
    res.setHeader("Content-Type", "text/plain");
    res.setHeader("Content-Encoding", coding);
    if (!url.searchParams.has("chunked")) res.setHeader("Content-Length", body.length);
    if (req.method === "HEAD") res.end();
    else res.write(body, () => res.end());
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: (coding) => `http://127.0.0.1:${port}/${coding}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
