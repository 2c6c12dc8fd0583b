// The kinds of files that can be shown, told apart by how they begin.

import { brotliDecompressSync } from "node:zlib";
import { decodeRecordHeader, FCGI_HEADER_LEN, RecordType } from "../../src/toolkit.ts";
import { UsageError } from "../frame/command.ts";
import { safeLine } from "../frame/style.ts";
import { isRecordingHeader, readRecordingLine } from "../wire/recording.ts";
import type { Report } from "../wire/report.ts";
import type { Party, Sides, TraceEvent } from "../wire/trace.ts";

/** A part of a file: what can be decoded, or reports that were made of such before. */
export type Part = { readonly name: string | null } & (
  | { readonly sides: Sides; readonly events: AsyncIterable<TraceEvent> | Iterable<TraceEvent> }
  | { readonly reports: AsyncIterable<Report> }
);

/** What a file says after which it can't be read on. */
export class BrokenFileError extends Error {
  override readonly name = "BrokenFileError";
}

/** The most connections that are open at once. No system has as many. */
const MAX_OPEN = 65_536;
/** The most bytes of a line, and of a file that can't be read piece by piece. */
const MAX_WHOLE_BYTES = 256 * 1024 * 1024;
const NEWLINE = 10;

/**
 * The parts of a file.
 *
 * @throws {UsageError} If it is of no known kind.
 * @throws {BrokenFileError} While a part is read, if it breaks in the middle.
 */
export async function* partsOf(name: string, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Part> {
  const iterator = pieces[Symbol.asyncIterator]();
  let start = new Uint8Array(0);
  while (start.length < FCGI_HEADER_LEN) {
    const { done, value } = await iterator.next();
    if (done) break;
    start = new Uint8Array(Buffer.concat([start, value]));
  }
  if (start.length === 0) throw new UsageError(`Cannot read ${name}: it is empty`);
  const all = joined(start, iterator);
  if (start[0] === 0x7b) yield* partsOfLines(name, all);
  else if (start[0] === 1) yield partOfBytes(start, all);
  else yield* partsOfVectors(name, await allOf(name, all));
}

async function* joined(start: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield start;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

/** A recording, or the lines of `--json`. */
async function* partsOfLines(name: string, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Part> {
  const lines = linesOf(pieces);
  const first = (await lines.next()).value;
  let header: unknown;
  try {
    header = JSON.parse(first ?? "");
  } catch {
    throw new UsageError(`Cannot read ${name}: its first line is no JSON`);
  }
  if (isRecordingHeader(header)) {
    yield { name: null, sides: "both", events: whole(parsed(lines, 2, readRecordingLine)) };
  } else if (isReport(header)) {
    const rest = parsed(lines, 2, (line) => {
      if (isReport(line)) return line;
      throw new Error('expected an object with "event"');
    });
    yield { name: null, reports: withFirst(header, rest) };
  } else {
    throw new UsageError(`Cannot read ${name}: its first line is that of no recording, and no event`);
  }
}

/** The events of a recording. A tap that ended by itself has closed all connections: if one is open, the end of the file is missing. */
async function* whole(events: AsyncIterable<TraceEvent>): AsyncGenerator<TraceEvent> {
  const open = new Set<number>();
  for await (const event of events) {
    if (event.what === "closed") open.delete(event.connection);
    else open.add(event.connection);
    if (open.size > MAX_OPEN) throw new BrokenFileError(`more than ${MAX_OPEN} connections are open at once`);
    yield event;
  }
  if (open.size > 0) throw new BrokenFileError(`${open.size} of the connections have no end`);
}

async function* withFirst(first: Report, rest: AsyncIterable<Report>): AsyncGenerator<Report> {
  yield first;
  yield* rest;
}

async function* parsed<Value>(
  lines: AsyncIterable<string>,
  from: number,
  read: (line: unknown) => Value,
): AsyncGenerator<Value> {
  let number = from;
  for await (const line of lines) {
    let value: Value;
    try {
      value = read(JSON.parse(line));
    } catch (error) {
      throw new BrokenFileError(`line ${number}: ${safeLine((error as Error).message)}`);
    }
    yield value;
    number++;
  }
}

const EVENTS: readonly unknown[] = ["exchange", "connection", "record", "skipped", "part"] satisfies Report["event"][];

function isReport(value: unknown): value is Report {
  return typeof value === "object" && value !== null && "event" in value && EVENTS.includes(value.event);
}

async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string, undefined> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  const line = (): string => {
    const text = Buffer.concat(waiting).toString();
    waiting = [];
    length = 0;
    return text;
  };
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      waiting.push(piece.subarray(start, end));
      start = end + 1;
      yield line();
    }
    waiting.push(piece.subarray(start));
    length += piece.length - start;
    if (length > MAX_WHOLE_BYTES) throw new BrokenFileError(`a line has more than ${MAX_WHOLE_BYTES} bytes`);
  }
  const last = line();
  if (last !== "") yield last;
  return undefined;
}

/** What one side has sent on one connection, as `nc` or a program writes it into a file. The first record tells the side. */
function partOfBytes(start: Uint8Array, pieces: AsyncIterable<Uint8Array>): Part {
  const { type } = decodeRecordHeader(start.length < FCGI_HEADER_LEN ? new Uint8Array(FCGI_HEADER_LEN) : start, 0);
  const from: Party = FROM_APPLICATION.includes(type) ? "application" : "web server";
  return { name: null, sides: from, events: eventsOfBytes(from, pieces) };
}

const FROM_APPLICATION: readonly number[] = [
  RecordType.Stdout,
  RecordType.Stderr,
  RecordType.EndRequest,
  RecordType.GetValuesResult,
  RecordType.UnknownType,
];

async function* eventsOfBytes(from: Party, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<TraceEvent> {
  for await (const bytes of pieces) yield { time: 0, connection: 1, what: "bytes", from, bytes };
}

/** The recordings of test/vectors: brotli over a line of JSON, and the bytes that the JSON points into. */
async function* partsOfVectors(name: string, bytes: Uint8Array): AsyncGenerator<Part> {
  let content: Buffer;
  let file: { server?: string; cases?: readonly VectorCase[] };
  try {
    content = brotliDecompressSync(bytes, { maxOutputLength: MAX_WHOLE_BYTES });
    file = JSON.parse(content.toString("utf8", 0, content.indexOf(NEWLINE)));
    if (!Array.isArray(file.cases)) throw new Error("no cases");
  } catch {
    throw new UsageError(
      `Cannot read ${name}: it is no recording of \`fetchcgi tap\`, and its first byte is none of a FastCGI record`,
    );
  }
  const start = content.indexOf(NEWLINE) + 1;
  const slice = ([offset, length]: readonly [number, number]): Uint8Array =>
    content.subarray(start + offset, start + offset + length);
  for (const one of file.cases!) {
    const answered = one.requestBytes !== undefined;
    const events = answered ? answeredCase(one, slice) : askedCase(one, slice);
    yield { name: `${file.server} ${one.name}`, sides: answered ? "both" : "web server", events };
  }
}

/** What is used of a recorded connection; test/support/vectors.ts has all of it. */
interface VectorCase {
  readonly name: string;
  /** What the recorded program sent. */
  readonly bytes: readonly [offset: number, length: number];
  /** What was sent to it, if it was an application. */
  readonly requestBytes?: readonly [offset: number, length: number];
  /** Whether the application closed the connection. */
  readonly peerClosed?: boolean;
  readonly readChunks?: readonly (number | readonly [ms: number, size: number])[] | null;
}

/** A connection of a web server. */
function* askedCase({ bytes }: VectorCase, slice: Slice): Generator<TraceEvent> {
  yield { time: 0, connection: 1, what: "bytes", from: "web server", bytes: slice(bytes) };
}

/** A connection to an application: when its answer came is known, not when the request was sent. */
function* answeredCase(
  { requestBytes, bytes, readChunks, peerClosed }: VectorCase,
  slice: Slice,
): Generator<TraceEvent> {
  yield { time: 0, connection: 1, what: "bytes", from: "web server", bytes: slice(requestBytes!) };
  let [offset, time] = [0, 0];
  for (const chunk of readChunks ?? []) {
    if (typeof chunk === "number") break;
    const [ms, size] = chunk;
    time = ms;
    yield {
      time,
      connection: 1,
      what: "bytes",
      from: "application",
      bytes: slice(bytes).subarray(offset, offset + size),
    };
    offset += size;
  }
  const rest = slice(bytes).subarray(offset);
  if (rest.length > 0) yield { time, connection: 1, what: "bytes", from: "application", bytes: rest };
  if (peerClosed === true) yield { time, connection: 1, what: "end", from: "application" };
}

type Slice = (packed: readonly [number, number]) => Uint8Array;

async function allOf(name: string, pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const kept: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    kept.push(piece);
    length += piece.length;
    if (length > MAX_WHOLE_BYTES) throw new UsageError(`Cannot read ${name}: it is of no known kind`);
  }
  return Buffer.concat(kept);
}
