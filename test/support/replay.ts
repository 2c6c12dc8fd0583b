// Runs recorded bytes through the decoders, cut in any way, synchronously and without a server or client. What comes out is
// compared with what came out of another cut: piece by piece, because that is cheap enough for half a million cuts.

import type { ByteQueue } from "../../src/codec/byte_queue.ts";
import type { IncomingRequest } from "../../src/codec/incoming_request.ts";
import type { IncomingResponse } from "../../src/codec/incoming_response.ts";
import {
  type FastCgiClientResponse,
  FastCgiError,
  type FastCgiRecord,
  type FastCgiRequest,
  RecordDecoder,
  RecordType,
  RequestDecoder,
  ResponseDecoder,
} from "../../src/toolkit.ts";
import { bytewise, chunksOf } from "./bytes.ts";

/** Bytes from one cut to the next: every point, unless scripts/runtime_tests.mjs says otherwise. */
export const CUT_STEP: number = Number(process.env.CUT_STEP ?? 1);

/** What came out of a byte stream, and how it ended. */
export interface ReplayedStream {
  readonly pieces: readonly Uint8Array[];
  /** The error's code, or null after a clean end. */
  readonly failure: string | null;
}

/** What came out of the decoders for the bytes of one connection. */
export interface Replay<Message> {
  readonly records: readonly FastCgiRecord[];
  /** In the order in which they came out. */
  readonly messages: readonly Message[];
  /** What went back to the web server, or the answers to management records. */
  readonly management: readonly FastCgiRecord[];
  readonly reports: readonly FastCgiError[];
  /** The code of what a decoder threw, or null. */
  readonly failure: string | null;
}

export interface ReplayedRequest {
  readonly request: IncomingRequest;
  readonly stdin: ReplayedStream;
  readonly data: ReplayedStream;
}

export interface ReplayedResponse {
  readonly response: IncomingResponse;
  readonly stdout: ReplayedStream;
}

const NOTHING: ReplayedStream = { pieces: [], failure: null };

/** Takes all that a queue that is done holds. What came is taken at once, so that the queue may be cancelled afterwards. */
function takeAll(queue: ByteQueue): ReplayedStream {
  if (queue.isEmpty) return NOTHING;
  const pieces = queue.takeQueued();
  let failure: string | null = null;
  try {
    void queue.read();
  } catch (error) {
    failure = (error as FastCgiError).code;
  }
  return { pieces, failure };
}

/** Feeds chunks to a RecordDecoder and its records to `onRecord`; returns the code of what is thrown. */
function feed(
  chunks: Iterable<Uint8Array>,
  records: FastCgiRecord[],
  onRecord: (record: FastCgiRecord) => void,
): string | null {
  const decoder = new RecordDecoder();
  const controller = {
    enqueue(record: FastCgiRecord): void {
      records.push(record);
      onRecord(record);
    },
  };
  try {
    for (const chunk of chunks) decoder.transform(chunk, controller);
    decoder.flush();
    return null;
  } catch (error) {
    if (error instanceof FastCgiError) return error.code;
    throw error;
  }
}

/**
 * What a web server sent. A request is ended, as by a server that has answered it, when all of its input has come or it was
 * aborted, and its id begins again or the connection ends.
 */
export async function replayRequests(chunks: Iterable<Uint8Array>): Promise<Replay<ReplayedRequest>> {
  const records: FastCgiRecord[] = [];
  const management: FastCgiRecord[] = [];
  const reports: FastCgiError[] = [];
  const requests: IncomingRequest[] = [];
  const decoder = new RequestDecoder(
    { reply: (replies) => management.push(...replies), report: (error) => reports.push(error) },
    { maxQueuedBytes: Number.POSITIVE_INFINITY },
  );
  const controller = { enqueue: (request: FastCgiRequest): void => void requests.push(request as IncomingRequest) };
  const streams = new Map<IncomingRequest, ReturnType<typeof takeAll>[]>();
  const finish = (request: IncomingRequest): void => {
    if (streams.has(request) || !request.stdinQueue.isDone || !request.dataQueue.isDone) return;
    streams.set(request, [takeAll(request.stdinQueue), takeAll(request.dataQueue)]);
    decoder.end(request.requestId);
  };
  const failure = feed(chunks, records, (record) => {
    if (record.type === RecordType.BeginRequest) {
      for (const request of requests) if (request.requestId === record.requestId) finish(request);
    }
    decoder.transform(record, controller);
  });
  requests.forEach(finish);
  if (decoder.activeRequests > 0) decoder.flush();
  requests.forEach(finish);
  const messages: ReplayedRequest[] = [];
  for (const request of requests) {
    const taken = streams.get(request)!;
    const [stdin, data] = taken.some((stream) => stream !== NOTHING) ? await Promise.all(taken) : [NOTHING, NOTHING];
    messages.push({ request, stdin: stdin!, data: data! });
  }
  return { records, messages, management, reports, failure };
}

/** What an application sent, with nothing expected. */
export async function replayResponses(chunks: Iterable<Uint8Array>): Promise<Replay<ReplayedResponse>> {
  const records: FastCgiRecord[] = [];
  const management: FastCgiRecord[] = [];
  const reports: FastCgiError[] = [];
  const responses: IncomingResponse[] = [];
  const noLimit = Number.POSITIVE_INFINITY;
  const decoder = new ResponseDecoder(
    { management: (record) => management.push(record), report: (error) => reports.push(error) },
    { maxQueuedBytes: noLimit, maxStderrBytes: noLimit },
  );
  const controller = {
    enqueue: (response: FastCgiClientResponse): void => void responses.push(response as IncomingResponse),
  };
  const failure = feed(chunks, records, (record) => void decoder.transform(record, controller));
  decoder.flush();
  const messages: ReplayedResponse[] = [];
  for (const response of responses) {
    messages.push({ response, stdout: takeAll(response.stdoutQueue) });
  }
  return { records, messages, management, reports, failure };
}

/** The first difference between two replays of the same requests, or null. */
export function requestsDiffer(a: Replay<ReplayedRequest>, b: Replay<ReplayedRequest>): string | null {
  return (
    replaysDiffer(a, b) ??
    firstDifference("request", a.messages, b.messages, (one, other) => {
      const { request: left } = one;
      const { request: right } = other;
      if (left.requestId !== right.requestId || left.role !== right.role || left.keepConn !== right.keepConn)
        return "head";
      if (left.abortReason?.code !== right.abortReason?.code) return "abort";
      return (
        firstDifference("param", left.paramPairs, pairsOf(right), (pair, twin) =>
          pair[0] === twin[0] && pair[1] === twin[1] ? null : pair[0],
        ) ??
        streamsDiffer("stdin", one.stdin, other.stdin) ??
        streamsDiffer("data", one.data, other.data)
      );
    })
  );
}

const decodedPairs = new WeakMap<IncomingRequest, IncomingRequest["paramPairs"]>();

/** What the other replays are compared with is decoded once. */
function pairsOf(request: IncomingRequest): IncomingRequest["paramPairs"] {
  let pairs = decodedPairs.get(request);
  if (pairs === undefined) {
    pairs = request.paramPairs;
    decodedPairs.set(request, pairs);
  }
  return pairs;
}

/** The first difference between two replays of the same responses, or null. */
export function responsesDiffer(a: Replay<ReplayedResponse>, b: Replay<ReplayedResponse>): string | null {
  return (
    replaysDiffer(a, b) ??
    firstDifference("response", a.messages, b.messages, (one, other) => {
      if (one.response.requestId !== other.response.requestId) return "id";
      if (one.response.stderrText !== other.response.stderrText) return "stderr";
      return streamsDiffer("stdout", one.stdout, other.stdout);
    })
  );
}

function replaysDiffer(a: Replay<unknown>, b: Replay<unknown>): string | null {
  if (a.failure !== b.failure) return `failure: ${a.failure}, ${b.failure}`;
  if (a.reports.length !== b.reports.length) return "reports";
  return (
    firstDifference("record", a.records, b.records, recordDiffers) ??
    firstDifference("management record", a.management, b.management, recordDiffers)
  );
}

function recordDiffers(a: FastCgiRecord, b: FastCgiRecord): string | null {
  const same = a.type === b.type && a.requestId === b.requestId && a.paddingLength === b.paddingLength;
  return same && sameBytes(a.contentData, b.contentData) ? null : `type ${a.type}`;
}

function streamsDiffer(name: string, a: ReplayedStream, b: ReplayedStream): string | null {
  if (a.failure !== b.failure) return `${name}: ${a.failure}, ${b.failure}`;
  return firstDifference(name, a.pieces, b.pieces, (one, other) => (sameBytes(one, other) ? null : "bytes"));
}

function firstDifference<Item>(
  what: string,
  a: readonly Item[],
  b: readonly Item[],
  differ: (a: Item, b: Item) => string | null,
): string | null {
  if (a.length !== b.length) return `${what}: ${a.length}, ${b.length}`;
  for (let index = 0; index < a.length; index++) {
    const difference = differ(a[index]!, b[index]!);
    if (difference !== null) return `${what} ${index}: ${difference}`;
  }
  return null;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && (a.length === 0 || Buffer.compare(a, b) === 0);
}

/** A content is long when cutting all of it into small pieces would only take time. */
const LONG_CONTENT = 1024;

/** Bytes at either end of a long content that are cut like everything else. */
const MARGIN = 64;

/**
 * Pieces of `size` bytes, a lone byte always in the same chunk: code that keeps it is found out. Of larger sizes one piece
 * spans the middle of a long content. That moves no other cut: all are at multiples of `size`.
 */
export function* piecesOf(bytes: Uint8Array, size: number, records: readonly FastCgiRecord[]): Generator<Uint8Array> {
  if (size === 1) return yield* bytewise(bytes);
  let start = 0;
  let content = 0;
  for (const { contentData, paddingLength = 0 } of records) {
    content += 8;
    const end = content + contentData.length;
    if (contentData.length > LONG_CONTENT && size < MARGIN) {
      for (; start < content + MARGIN; start += size) yield bytes.subarray(start, start + size);
      const middle = bytes.subarray(start, end - MARGIN - ((end - MARGIN) % size));
      yield middle;
      start += middle.length;
    }
    content = end + paddingLength;
  }
  yield* chunksOf(bytes.subarray(start), size);
}

/** Cases by the folder of their recording. */
export function byServer<Case extends { readonly server: string }>(cases: readonly Case[]): [string, Case[]][] {
  const servers = new Map<string, Case[]>();
  for (const each of cases) servers.set(each.server, [...(servers.get(each.server) ?? []), each]);
  return [...servers];
}
