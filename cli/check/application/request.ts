// Makes valid requests as records, which rules take apart and change.

import { basename, dirname } from "node:path";
import { Role, utf8ToByteString } from "../../../adapters/node/index.ts";
import {
  encodeBeginRequestBody,
  encodeNameValuePairs,
  type FastCgiRecord,
  type NameValuePair,
  RecordType,
} from "../../../src/toolkit.ts";
import { pageParams } from "../../page_params.ts";

/** What all requests to the application have in common. */
export interface RequestOptions {
  /** The file that php-fpm is to run. */
  readonly script?: string | undefined;
  /** A page that shows its variables. */
  readonly uri: string;
  /** A page that sends the body back. */
  readonly bodyUri: string;
  /** Variables that are added or replaced. */
  readonly params: readonly NameValuePair[];
}

/** One request. */
export interface RequestShape {
  readonly id?: number;
  readonly role?: number;
  readonly keepConn?: boolean;
  readonly method?: string;
  readonly body?: Uint8Array;
  /** CONTENT_LENGTH, if it is not the length of the body. */
  readonly contentLength?: string;
  readonly params?: readonly NameValuePair[];
}

const EMPTY = new Uint8Array(0);
/** The largest content of a record that every application accepts. */
const MAX_CONTENT = 32_768;

export function record(type: number, requestId: number, contentData: Uint8Array = EMPTY): FastCgiRecord {
  return { type, requestId, contentData };
}

export function begin({ id = 1, role = Role.Responder, keepConn = false }: RequestShape): FastCgiRecord {
  return record(RecordType.BeginRequest, id, encodeBeginRequestBody({ role, keepConn }));
}

/** Cuts a stream into records of at most `size` bytes, and ends it. */
export function stream(
  type: number,
  requestId: number,
  content: Uint8Array,
  size: number = MAX_CONTENT,
): FastCgiRecord[] {
  const records: FastCgiRecord[] = [];
  for (let start = 0; start < content.length; start += size) {
    records.push(record(type, requestId, content.subarray(start, start + size)));
  }
  return [...records, record(type, requestId)];
}

/** The variables of a request. */
export function pairsOf(options: RequestOptions, shape: RequestShape): NameValuePair[] {
  const { body, method = body === undefined ? "GET" : "POST", contentLength } = shape;
  const uri = body === undefined ? options.uri : options.bodyUri;
  const { script } = options;
  const pairs = new Map<string, string>([
    ...pageParams(uri, "fetchcgi-check"),
    ["SERVER_ADDR", "127.0.0.1"],
    ["REMOTE_PORT", "50000"],
    ["REQUEST_METHOD", method],
    ["CONTENT_LENGTH", contentLength ?? (body === undefined ? "" : String(body.length))],
    ["CONTENT_TYPE", body === undefined ? "" : "application/octet-stream"],
  ]);
  if (script !== undefined) {
    pairs.set("SCRIPT_NAME", `/${utf8ToByteString(basename(script))}`);
    pairs.set("SCRIPT_FILENAME", utf8ToByteString(script));
    pairs.set("DOCUMENT_ROOT", utf8ToByteString(dirname(script)));
  }
  for (const [name, value] of [...options.params, ...(shape.params ?? [])]) pairs.set(name, value);
  return [...pairs];
}

/** FCGI_PARAMS in one record, and the empty record that ends it. */
export function paramsRecords(options: RequestOptions, shape: RequestShape): FastCgiRecord[] {
  return stream(RecordType.Params, shape.id ?? 1, encodeNameValuePairs(pairsOf(options, shape)));
}

/** All records of a request. */
export function requestRecords(options: RequestOptions, shape: RequestShape): FastCgiRecord[] {
  const { id = 1, body = EMPTY } = shape;
  return [begin(shape), ...paramsRecords(options, shape), ...stream(RecordType.Stdin, id, body)];
}
