import {
  encodeBeginRequestBody,
  encodeNameValuePairs,
  encodeRecords,
  type FastCgiRecord,
  type NameValuePair,
  RecordDecoder,
  RecordType,
  Role,
} from "../../src/toolkit.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A record; text is written as UTF-8. */
export function record(type: number, requestId: number, content: Uint8Array | string = ""): FastCgiRecord {
  return { type, requestId, contentData: typeof content === "string" ? encoder.encode(content) : content };
}

/** FCGI_BEGIN_REQUEST. */
export function begin(requestId: number, { role = Role.Responder as number, keepConn = true } = {}): FastCgiRecord {
  return record(RecordType.BeginRequest, requestId, encodeBeginRequestBody({ role, keepConn }));
}

/** One FCGI_PARAMS record with all pairs, and the empty one that ends the stream. */
export function params(requestId: number, pairs: Iterable<NameValuePair> | Record<string, string>): FastCgiRecord[] {
  const list = Symbol.iterator in pairs ? pairs : Object.entries(pairs);
  return [record(RecordType.Params, requestId, encodeNameValuePairs(list)), record(RecordType.Params, requestId)];
}

/** FCGI_STDIN with `content`, and its end. */
export function stdin(requestId: number, content: Uint8Array | string = ""): FastCgiRecord[] {
  const end = record(RecordType.Stdin, requestId);
  return content.length === 0 ? [end] : [record(RecordType.Stdin, requestId, content), end];
}

/** A whole GET or POST, by whether it has a body. */
export function request(
  requestId: number,
  { uri = "/", body = "", keepConn = true, extra = {} as Record<string, string> } = {},
): FastCgiRecord[] {
  return [
    begin(requestId, { keepConn }),
    ...params(requestId, {
      REQUEST_METHOD: body === "" ? "GET" : "POST",
      REQUEST_URI: uri,
      HTTP_HOST: "example.com",
      CONTENT_LENGTH: body === "" ? "" : String(encoder.encode(body).length),
      ...extra,
    }),
    ...stdin(requestId, body),
  ];
}

/** The bytes of some records. */
export function bytesOf(...records: (FastCgiRecord | FastCgiRecord[])[]): Uint8Array {
  return encodeRecords(records.flat());
}

/** The bytes of so many records, or groups of them. */
export function many(count: number, make: (index: number) => FastCgiRecord | FastCgiRecord[]): Uint8Array {
  return bytesOf(...Array.from({ length: count }, (_, index) => make(index)));
}

/** All records in `bytes`. */
export function recordsIn(bytes: Uint8Array): FastCgiRecord[] {
  const records: FastCgiRecord[] = [];
  new RecordDecoder().transform(bytes, { enqueue: (piece) => records.push(piece) });
  return records;
}

/** The content of one stream of one request, as text. */
export function textOf(records: readonly FastCgiRecord[], type: number, requestId: number): string {
  return records
    .filter((piece) => piece.type === type && piece.requestId === requestId)
    .map((piece) => decoder.decode(piece.contentData))
    .join("");
}
