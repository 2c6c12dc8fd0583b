// HTTP/1.1 responses as the bytes they came in, one character per byte: clients decode, join and drop too much of them.

import { RawConnection } from "./raw_connection.ts";

/** A response as it came. */
export interface HttpMessage {
  /** 0 when there was none. */
  readonly status: number;
  readonly reason: string;
  /** Every header line in the order sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Without the marks of chunks. */
  readonly body: string;
  /** false when the connection ended before the response did. */
  readonly isWhole: boolean;
}

const LAST_CHUNK = "\r\n0\r\n\r\n";

/**
 * Sends a request on a connection of its own, byte by byte as it stands here, and reads until the server closes it, or the last
 * chunk of the response: an application that answers `Connection: keep-alive` keeps some servers from closing.
 */
export async function exchangeHttp(port: number, start: string, lines = "", body = ""): Promise<HttpMessage> {
  const connection = await RawConnection.open({ port });
  try {
    await connection.write(`${start} HTTP/1.1\r\n${lines}Connection: close\r\n\r\n${body}`);
    const isLast = (bytes: Buffer): boolean => bytes.subarray(-LAST_CHUNK.length).toString("latin1") === LAST_CHUNK;
    await connection.readUntil((bytes) => connection.closed || isLast(bytes));
    return parseResponse(connection.received.toString("latin1"));
  } finally {
    connection.close();
  }
}

/** Reads the last response of a connection that has ended. */
export function parseResponse(text: string): HttpMessage {
  const end = text.indexOf("\r\n\r\n");
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const [, status, reason = ""] = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(first) ?? [];
  const rest = text.slice(end + 4);
  if (status?.startsWith("1")) return parseResponse(rest);
  const headers = lines.map((line) => [line.split(":", 1)[0]!, line.slice(line.indexOf(":") + 1).trim()] as const);
  const header = (name: string): string | undefined => headers.find(([key]) => key.toLowerCase() === name)?.[1];
  const chunked = header("transfer-encoding")?.toLowerCase() === "chunked";
  const { body, isWhole } = chunked ? dechunked(rest) : { body: rest, isWhole: true };
  const length = header("content-length");
  return {
    status: Number(status ?? 0),
    reason,
    headers,
    body,
    isWhole:
      status !== undefined &&
      isWhole &&
      (chunked || length === undefined || body === "" || body.length === Number(length)),
  };
}

function dechunked(text: string): Pick<HttpMessage, "body" | "isWhole"> {
  let body = "";
  for (let at = 0; ; ) {
    const size = /^([0-9a-f]+)[^\r]*\r\n/i.exec(text.slice(at, at + 100));
    if (size === null) return { body, isWhole: false };
    const bytes = Number.parseInt(size[1]!, 16);
    at += size[0].length;
    if (bytes === 0) return { body, isWhole: true };
    body += text.slice(at, at + bytes);
    at += bytes + 2;
  }
}
