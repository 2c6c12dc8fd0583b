// The sans-IO stages on small inputs, many thousands a second. What a stage makes of some bytes must not depend on where they were cut;
// what was encoded must come back; and no bytes make a stage throw anything but a FastCgiError.

import fc from "fast-check";
import type { IncomingRequest } from "../../src/codec/incoming_request.ts";
import type { IncomingResponse } from "../../src/codec/incoming_response.ts";
import { encodePieces } from "../../src/codec/record_encoder.ts";
import { composeStages, type Stage } from "../../src/codec/stage.ts";
import { parseCgiHeader } from "../../src/http/call/cgi_header.ts";
import {
  decodeNameValuePairs,
  encodeNameValuePairs,
  encodeRecords,
  FastCgiError,
  type FastCgiRecord,
  type NameValuePair,
  RecordDecoder,
} from "../../src/toolkit.ts";
import { DrivenRequestDecoder, DrivenResponseDecoder } from "../support/decoders.ts";
import { concatenated, cutAt, indexOf, textOf } from "./mutations.ts";
import type { Target } from "./target.ts";
import { must, RecordReader } from "./wire.ts";

const KINDS = ["records", "requests", "responses", "pairs", "header block"] as const;

/** A change of one byte. */
interface Flip {
  readonly at: number;
  readonly bits: number;
}

/** What a stage is given, as numbers: the generator is most of the cost of an input that is as small as this. */
interface StageInput {
  readonly kind: (typeof KINDS)[number];
  /** Each chooses a record, a pair or a line. */
  readonly parts: readonly number[];
  readonly flips: readonly Flip[];
  readonly cuts: readonly number[];
}

const place = fc.nat(9_999).map((part) => part / 10_000);

const inputs: fc.Arbitrary<StageInput> = fc.record({
  kind: fc.constantFrom(...KINDS),
  parts: fc.array(fc.nat(0x7fff_ffff), { maxLength: 10 }),
  flips: fc.oneof(
    fc.constant([]),
    fc.array(fc.record({ at: place, bits: fc.integer({ min: 1, max: 255 }) }), { maxLength: 2 }),
  ),
  cuts: fc.array(place, { maxLength: 3 }),
});

/** Chooses several things by one number. */
class Choices {
  #rest: number;

  constructor(part: number) {
    this.#rest = part;
  }

  below(limit: number): number {
    const choice = this.#rest % limit;
    this.#rest = Math.floor(this.#rest / limit);
    return choice;
  }
}

/** Small lengths, and those on both sides of the point where a length takes four bytes. */
const LENGTHS = [0, 0, 1, 2, 7, 8, 9, 30, 127, 128, 129, 300];

function contentOf(choices: Choices, length: number): Uint8Array {
  const first = choices.below(256);
  return Uint8Array.from({ length }, (_, index) => first + index * 7);
}

/** Any record. */
function anyRecord(part: number): FastCgiRecord {
  const choices = new Choices(part);
  const type = [1, 2, 4, 5, 6, 7, 8, 9, 10, 3, 11, 0, 99, 255][choices.below(14)]!;
  const requestId = [1, 2, 0, 255, 256, 65_535][choices.below(6)]!;
  const paddingLength = [undefined, 0, 1, 255][choices.below(4)];
  const length = LENGTHS[choices.below(LENGTHS.length)]!;
  return {
    type,
    requestId,
    contentData: contentOf(choices, length),
    ...(paddingLength !== undefined && { paddingLength }),
  };
}

const NAMES = [
  "REQUEST_METHOD",
  "CONTENT_LENGTH",
  "HTTP_COOKIE",
  "REQUEST_URI",
  "X",
  "",
  "FCGI_MPXS_CONNS",
  "__proto__",
];
const VALUES = ["GET", "3", "0", "-1", "", "a=b", "/", "\xff\0"];

function pairOf(choices: Choices): NameValuePair {
  const name = NAMES[choices.below(NAMES.length)]!;
  const value = VALUES[choices.below(VALUES.length)]!;
  return [name, choices.below(8) === 0 ? value.repeat(70) : value];
}

/** A record that a web server could send next. */
function requestRecord(part: number): FastCgiRecord {
  const choices = new Choices(part);
  const step = choices.below(10);
  const requestId = [1, 1, 1, 2, 3, 0][choices.below(6)]!;
  const empty = new Uint8Array(0);
  switch (step) {
    case 0:
    case 1: {
      const body = Uint8Array.of(0, [1, 1, 2, 3, 9][choices.below(5)]!, choices.below(2), 0, 0, 0, 0, 0);
      return { type: 1, requestId, contentData: body };
    }
    case 2:
    case 3: {
      const pairs = encodeNameValuePairs([pairOf(choices), pairOf(choices)]);
      // Of some, the rest may come with the next record, or never.
      return { type: 4, requestId, contentData: choices.below(8) === 0 ? pairs.subarray(1) : pairs };
    }
    case 4:
      return { type: 4, requestId, contentData: empty };
    case 5:
      return { type: 5, requestId, contentData: contentOf(choices, LENGTHS[choices.below(LENGTHS.length)]!) };
    case 6:
      return { type: 5, requestId, contentData: empty };
    case 7:
      return { type: 8, requestId, contentData: contentOf(choices, choices.below(4)) };
    case 8:
      return { type: 2, requestId, contentData: empty };
    default:
      return choices.below(2) === 0
        ? { type: 9, requestId: 0, contentData: encodeNameValuePairs([["FCGI_MPXS_CONNS", ""]]) }
        : anyRecord(part >> 4);
  }
}

/** A record that an application could send next. */
function responseRecord(part: number): FastCgiRecord {
  const choices = new Choices(part);
  const step = choices.below(8);
  const requestId = [1, 1, 1, 2, 0][choices.below(5)]!;
  switch (step) {
    case 0:
    case 1:
    case 2:
      return { type: 6, requestId, contentData: contentOf(choices, LENGTHS[choices.below(LENGTHS.length)]!) };
    case 3:
      return { type: 6, requestId, contentData: new Uint8Array(0) };
    case 4:
      return { type: 7, requestId, contentData: contentOf(choices, choices.below(40)) };
    case 5:
    case 6:
      return { type: 3, requestId, contentData: Uint8Array.of(0, 0, 0, choices.below(3), choices.below(5), 1, 2, 3) };
    default:
      return anyRecord(part >> 4);
  }
}

const LINES = [
  "Status: 200 OK",
  "Status: 304",
  "Status: 99 Odd",
  "Status: 600",
  "status:404",
  "Location: /here?x=1",
  "Location: http://example.com/",
  "Location: //other/",
  "Content-Type: text/plain",
  "Content-Length: 5",
  "Content-Length: 5, 5",
  "Content-Length: -1",
  "Set-Cookie: a=\xff",
  "X-Folded: a",
  "\tfolded",
  "HTTP/1.1 200 OK",
  "Variable-USER: me",
  "No colon",
  ": no name",
  "Bad name: x",
  "X: a\rb",
  "X: a\0b",
  "Transfer-Encoding: chunked",
  "X-Accel-Redirect: /file",
];
const ENDS = ["\n", "\r\n"];

function lineOf(part: number): Uint8Array {
  const choices = new Choices(part);
  const line = `${LINES[choices.below(LINES.length)]!}${ENDS[choices.below(2)]}`;
  return Uint8Array.from(line, (character) => character.charCodeAt(0));
}

function flipped(bytes: Uint8Array, flips: readonly Flip[]): Uint8Array {
  if (bytes.length > 0) for (const { at, bits } of flips) bytes[indexOf(at, bytes.length)]! ^= bits;
  return bytes;
}

/** What `action` throws: the code of a FastCgiError, or null. Anything else goes on. */
function codeOf(action: () => void): string | null {
  try {
    action();
    return null;
  } catch (error) {
    if (!(error instanceof FastCgiError)) throw error;
    return error.code;
  }
}

/** Feeds pieces to a stage. One that has thrown goes on throwing the same. */
function feed<Output>(
  stage: Stage<Uint8Array, Output>,
  pieces: readonly Uint8Array[],
  enqueue: (output: Output) => void,
): string | null {
  const controller = { enqueue };
  const code = codeOf(() => {
    for (const piece of pieces) void stage.transform(piece, controller);
  });
  if (code === null) return null;
  const again = codeOf(() => void stage.transform(Uint8Array.of(1), controller));
  must(again === code, `A stage that failed with ${code} goes on with ${again}`);
  return code;
}

/** What a RecordDecoder makes of bytes. Streams may be split further, so their content is joined. */
function recordsText(pieces: readonly Uint8Array[], splitStreams: boolean): string {
  const records: string[] = [];
  let open = "";
  const stage = new RecordDecoder({ splitStreams });
  const failure = feed(stage, pieces, ({ type, requestId, contentData }) => {
    const isStream = splitStreams && requestId !== 0 && type >= 5 && type <= 8;
    const key = `${type} ${requestId}`;
    const text = textOf([contentData]);
    if (isStream && open === key && text !== "") records[records.length - 1] += text;
    else records.push(`${key} ${text}`);
    open = isStream && text !== "" ? key : "";
  });
  return `${records.join("\n")}\n${failure ?? codeOf(() => stage.flush())}`;
}

function checkRecords({ parts, flips, cuts }: StageInput): void {
  const records = parts.map(anyRecord);
  const bytes = encodeRecords(records);
  must(textOf(encodePieces(records)) === textOf([bytes]), "encodePieces gives other bytes than encodeRecords");
  if (flips.length === 0) {
    const read = new RecordReader().read(bytes);
    const isSame = (other: { type: number; requestId: number; content: Uint8Array }, index: number): boolean => {
      const { type, requestId, contentData } = records[index]!;
      return other.type === type && other.requestId === requestId && textOf([other.content]) === textOf([contentData]);
    };
    must(read.length === records.length && read.every(isSame), "Another reader reads other records");
  }
  flipped(bytes, flips);
  const pieces = cutAt(bytes, cuts);
  const whole = recordsText([bytes], false);
  must(recordsText(pieces, false) === whole, "RecordDecoder reads other records when the bytes are cut");
  must(recordsText(pieces, true) === recordsText([bytes], true), "RecordDecoder splits streams into other streams");
  const expected = new RecordReader()
    .read(bytes)
    .map(({ type, requestId, content }) => `${type} ${requestId} ${textOf([content])}`);
  must(whole.startsWith(expected.join("\n")), "RecordDecoder reads other records than another reader");
}

/**
 * What a reader gets of a stream. The piece that passes a limit or a length is dropped, so how much came before depends on the cuts, and
 * must.
 */
function resultOf(text: string, failure: unknown): string {
  if (failure === undefined) return text;
  must(failure instanceof FastCgiError, `A stream failed with ${String(failure)}`);
  const { code } = failure;
  return code === "limit" || code === "lengthMismatch" ? code : `${text} ${code}`;
}

const REQUEST_LIMITS = { maxParamsBytes: 500, maxParams: 4, maxStdinBytes: 400, maxConcurrentRequests: 2 };

/** What becomes of requests; `pieces` says how their bytes come. */
function requestsText(pieces: readonly Uint8Array[]): string {
  const { decoder: stage, requests, replies } = new DrivenRequestDecoder(REQUEST_LIMITS);
  const code = feed(composeStages(new RecordDecoder({ splitStreams: true }), stage), pieces, (request) => {
    requests.push(request as IncomingRequest);
  });
  must(stage.activeRequests <= REQUEST_LIMITS.maxConcurrentRequests, "More requests are active than may be");
  stage.abortAll(new FastCgiError("connectionClosed", "The input ended"));
  const texts = requests.map((request) => {
    const { requestId, role, keepConn, paramPairs, stdinQueue, dataQueue } = request;
    must(paramPairs.length <= REQUEST_LIMITS.maxParams, "A request has more params than it may have");
    must(stdinQueue.isDone && dataQueue.isDone, "A body of a request has no end");
    const bodies = [stdinQueue, dataQueue].map((queue) => {
      const text = textOf(queue.takeQueued());
      const { failure } = queue;
      const length = paramPairs.find(([name]) => name === "CONTENT_LENGTH")?.[1];
      if (queue === stdinQueue && failure === undefined && role !== 2 && length === "3") {
        must(text.length === 3, `A body of ${text.length} bytes, of 3, looks whole`);
      }
      return resultOf(text, failure);
    });
    return JSON.stringify([requestId, role, keepConn, paramPairs, bodies]);
  });
  const answers = replies.map(({ type, requestId, contentData }) => `${type} ${requestId} ${textOf([contentData])}`);
  return `${texts.join("\n")}\n${answers.join("\n")}\n${code}`;
}

/** What becomes of responses. */
function responsesText(pieces: readonly Uint8Array[], isExpected: boolean): string {
  const { decoder: stage, responses } = new DrivenResponseDecoder({ maxStdoutBytes: 400, maxStderrBytes: 100 });
  if (isExpected) responses.push(stage.expect(1));
  const code = feed(composeStages(new RecordDecoder({ splitStreams: true }), stage), pieces, (response) => {
    responses.push(response as IncomingResponse);
  });
  stage.failAll(new FastCgiError("connectionClosed", "The input ended"));
  must(stage.activeResponses === 0, "A response is active when all have failed");
  const texts = responses.map(({ requestId, stdoutQueue, stderrText }) => {
    must(stdoutQueue.isDone && stderrText.length <= 100, "A response keeps more than it may, or has no end");
    const { failure } = stdoutQueue;
    return `${requestId} ${resultOf(textOf(stdoutQueue.takeQueued()), failure)} ${stderrText}`;
  });
  return `${texts.join("\n")}\n${code}`;
}

function checkPairs({ parts, flips }: StageInput): void {
  const pairs = parts.map((part) => pairOf(new Choices(part)));
  const bytes = encodeNameValuePairs(pairs);
  must(JSON.stringify(decodeNameValuePairs(bytes)) === JSON.stringify(pairs), "Pairs come back as others");
  flipped(bytes, flips);
  let decoded: NameValuePair[] = [];
  const code = codeOf(() => {
    decoded = decodeNameValuePairs(bytes, { maxPairs: 8 });
  });
  must(code === null || code === "protocol" || code === "limit", `Pairs failed with ${code}`);
  must(decoded.length <= 8, "More pairs came than may");
  const again = decodeNameValuePairs(encodeNameValuePairs(decoded));
  must(JSON.stringify(again) === JSON.stringify(decoded), "Pairs that were read can't be sent");
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

function checkHeader({ parts, flips }: StageInput): void {
  const lines = flipped(concatenated(...parts.map(lineOf)), flips);
  const block = textOf(parts.length % 2 === 0 ? [lines] : [lines, Uint8Array.of(10)]);
  const response = { requestId: 1, stderrText: "" } as unknown as IncomingResponse;
  const code = codeOf(() => {
    const { status, statusText, fields, length } = parseCgiHeader(block, response);
    must(status >= 100 && status <= 999, `A status of ${status} came out`);
    must(length === null || (Number.isSafeInteger(length) && length >= 0), `A length of ${length} came out`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be there.
    must(!/[\0-\x08\n-\x1f\x7f]/.test(statusText), "A status text has a control character");
    for (const [name, value] of fields) {
      must(TOKEN.test(name), `A field is named ${JSON.stringify(name)}`);
      must(!/[\0\r\n]/.test(value), `A field has the value ${JSON.stringify(value)}`);
    }
  });
  must(code === null || code === "malformedResponse", `A header block failed with ${code}`);
}

function check(input: StageInput): void {
  const { kind, parts, flips, cuts } = input;
  switch (kind) {
    case "records":
      checkRecords(input);
      return;
    case "pairs":
      checkPairs(input);
      return;
    case "header block":
      checkHeader(input);
      return;
    case "requests": {
      const bytes = flipped(encodeRecords(parts.map(requestRecord)), flips);
      must(requestsText(cutAt(bytes, cuts)) === requestsText([bytes]), "Other requests come when the bytes are cut");
      return;
    }
    case "responses": {
      const bytes = flipped(encodeRecords(parts.map(responseRecord)), flips);
      const isExpected = parts.length % 2 === 0;
      must(
        responsesText(cutAt(bytes, cuts), isExpected) === responsesText([bytes], isExpected),
        "Other responses come when the bytes are cut",
      );
    }
  }
}

/** Small inputs for the stages. */
export const stagesTarget = (): Target<StageInput> => ({
  name: "stages",
  batch: 20_000,
  isSync: true,
  inputs,
  run: check,
});
