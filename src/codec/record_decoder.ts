// Bytes → records. If a record's content is in one chunk, it is a view into that chunk. If it is spread over chunks, it
// is copied once into a buffer of its own. At most one record, 64 KiB, is kept between chunks. To keep in step with
// record_encoder.ts.

import { type Resolved, resolveOptions } from "../base/resolve_options.ts";
import { checkBytes } from "../base/unexpected.ts";
import { FCGI_HEADER_LEN, FCGI_VERSION_1 } from "../protocol/constants.ts";
import { FastCgiError, protocolError } from "../protocol/errors.ts";
import { decodeRecordHeaderAt, type FastCgiRecord, type RecordHeader } from "../protocol/record.ts";
import { JoinedContents } from "./joined_contents.ts";
import { isOfStream } from "./records.ts";
import type { Stage, StageController } from "./stage.ts";

/** Options of a {@linkcode RecordDecoder}. */
export interface RecordDecoderOptions {
  /**
   * Whether content of FCGI_STDIN, FCGI_DATA, FCGI_STDOUT and FCGI_STDERR that comes in several chunks becomes as many
   * records, each a view into its chunk, instead of being joined. In a stream it does not matter where records begin.
   *
   * @default {false}
   */
  splitStreams?: boolean | undefined;
}

const DEFAULTS: Resolved<RecordDecoderOptions> = { splitStreams: false };

/** In a chunk shorter than this nothing is joined: most such chunks are a small request or response. */
const MIN_JOINED_LENGTH = 8 * 1024;

/** The place at which the input was cut, and what is kept until it goes on. */
type DecoderState =
  | { readonly is: "between records" }
  | { readonly is: "in a header"; readonly bytes: Uint8Array; filled: number }
  /** The content is put together. */
  | { readonly is: "in content"; readonly header: RecordHeader; readonly content: Uint8Array; filled: number }
  /** The content is passed on as it comes. */
  | { readonly is: "in split content"; readonly header: RecordHeader; left: number }
  | { readonly is: "in padding"; left: number }
  | { readonly is: "dead"; readonly error: FastCgiError };

type StateOf<Name extends DecoderState["is"]> = Extract<DecoderState, { readonly is: Name }>;

/** Takes the records. */
type Output = StageController<FastCgiRecord>;

const BETWEEN_RECORDS: DecoderState = Object.freeze({ is: "between records" });

/** Sans-IO stage: bytes, cut anywhere, → records (FastCGI 3.3). Padding is skipped, whatever it holds. */
export class RecordDecoder implements Stage<Uint8Array, FastCgiRecord> {
  readonly #splitStreams: boolean;
  #state: DecoderState = BETWEEN_RECORDS;

  /**
   * Decodes one connection.
   *
   * @throws {TypeError} If an option has a value it can't have.
   */
  constructor(options: RecordDecoderOptions = {}) {
    this.#splitStreams = resolveOptions(DEFAULTS, options).splitStreams;
  }

  /** Whether the input so far ends with a record and its padding. */
  get isBetweenRecords(): boolean {
    return this.#state.is === "between records";
  }

  /**
   * Takes bytes, and enqueues every record that they complete.
   *
   * @param isSole Whether nothing else uses the memory of the chunk, so that it may be changed. Then, with `splitStreams`, what the
   * chunk holds of FCGI_STDIN, FCGI_DATA or FCGI_STDOUT in consecutive records of up to 8 KiB becomes one record, unless that would be
   * too long.
   * @default {false}
   * @throws {FastCgiError} `protocol` if a record is of another version. The decoder is dead then: without a known header
   * nothing says where the next record begins.
   * @throws {TypeError} If the chunk is no Uint8Array. The decoder goes on.
   */
  transform(chunk: Uint8Array, output: StageController<FastCgiRecord>, isSole: boolean = false): void {
    checkBytes(chunk, "Cannot decode records", "chunk");
    if (!isSole || !this.#splitStreams || chunk.length < MIN_JOINED_LENGTH) {
      this.#decode(chunk, output);
      return;
    }
    const joined = new JoinedContents(output);
    try {
      this.#decode(chunk, joined);
    } finally {
      // Also before a fault: what came before it is passed on.
      joined.flush();
    }
  }

  #decode(chunk: Uint8Array, output: Output): void {
    let offset = 0;
    do {
      const state = this.#state;
      switch (state.is) {
        case "between records":
          offset = this.#startHeader(chunk, offset, output);
          break;
        case "in a header":
          offset = this.#fillHeader(state, chunk, offset, output);
          break;
        case "in content":
          offset = this.#fillContent(state, chunk, offset, output);
          break;
        case "in split content":
          offset = this.#passOn(state, chunk, offset, output);
          break;
        case "in padding":
          offset = this.#skipPadding(state.left, chunk, offset);
          break;
        // Dead.
        default:
          throw state.error;
      }
    } while (offset < chunk.length);
  }

  /**
   * Takes the end of the input.
   *
   * @throws {FastCgiError} `connectionClosed` if the input ended inside a record. Missing padding is no error.
   */
  flush(): void {
    // Between records and in padding nothing is missing.
    switch (this.#state.is) {
      case "in a header":
        this.#die(inputEnded("header"));
        break;
      case "in content":
      case "in split content":
        this.#die(inputEnded("content"));
        break;
      case "dead":
        throw this.#state.error;
    }
  }

  #startHeader(chunk: Uint8Array, offset: number, output: Output): number {
    // Stryker disable next-line ConditionalExpression,EqualityOperator,BlockStatement: the other way copies the same header first
    if (offset + FCGI_HEADER_LEN <= chunk.length) {
      return this.#startContent(decodeRecordHeaderAt(chunk, offset), chunk, offset + FCGI_HEADER_LEN, output);
    }
    if (offset === chunk.length) return offset;
    const state = { is: "in a header", bytes: new Uint8Array(FCGI_HEADER_LEN), filled: 0 } satisfies DecoderState;
    this.#state = state;
    return this.#fillHeader(state, chunk, offset, output);
  }

  #fillHeader(state: StateOf<"in a header">, chunk: Uint8Array, offset: number, output: Output): number {
    const { bytes } = state;
    const end = Math.min(chunk.length, offset + bytes.length - state.filled);
    bytes.set(chunk.subarray(offset, end), state.filled);
    state.filled += end - offset;
    // Checked before the header is complete: a peer with another protocol may send a few bytes and wait.
    this.#checkVersion(bytes[0]!);
    if (state.filled < bytes.length) return end;
    return this.#startContent(decodeRecordHeaderAt(bytes, 0), chunk, end, output);
  }

  #startContent(header: RecordHeader, chunk: Uint8Array, offset: number, output: Output): number {
    this.#checkVersion(header.version);
    const { contentLength } = header;
    const end = offset + contentLength;
    if (end <= chunk.length) {
      const behind = this.#skipPadding(header.paddingLength, chunk, end);
      emit(header, chunk.subarray(offset, end), output);
      return behind;
    }
    if (this.#splitStreams && isOfStream(header)) {
      const state = { is: "in split content", header, left: contentLength } as const;
      this.#state = state;
      return this.#passOn(state, chunk, offset, output);
    }
    const state = {
      is: "in content",
      header,
      content: new Uint8Array(contentLength),
      filled: 0,
    } satisfies DecoderState;
    this.#state = state;
    return this.#fillContent(state, chunk, offset, output);
  }

  #fillContent(state: StateOf<"in content">, chunk: Uint8Array, offset: number, output: Output): number {
    const { header, content } = state;
    const end = Math.min(chunk.length, offset + content.length - state.filled);
    content.set(chunk.subarray(offset, end), state.filled);
    state.filled += end - offset;
    if (state.filled < content.length) return end;
    const behind = this.#skipPadding(header.paddingLength, chunk, end);
    emit(header, content, output);
    return behind;
  }

  #passOn(state: StateOf<"in split content">, chunk: Uint8Array, offset: number, output: Output): number {
    const { type, requestId, paddingLength } = state.header;
    const end = Math.min(chunk.length, offset + state.left);
    state.left -= end - offset;
    const behind = state.left > 0 ? end : this.#skipPadding(paddingLength, chunk, end);
    // A record without content would be the end of the stream.
    if (offset < end) {
      output.enqueue({ type, requestId, contentData: chunk.subarray(offset, end), paddingLength: 0 });
    }
    return behind;
  }

  /** Skips the padding, or the part of it that is in the chunk. */
  #skipPadding(paddingLength: number, chunk: Uint8Array, offset: number): number {
    const left = paddingLength - (chunk.length - offset);
    this.#state = left > 0 ? { is: "in padding", left } : BETWEEN_RECORDS;
    return Math.min(chunk.length, offset + paddingLength);
  }

  #checkVersion(version: number): void {
    if (version === FCGI_VERSION_1) return;
    // RecordWriter.breakOff() sends a header of zeros.
    const why = version === 0 ? "the peer broke off what it was sending" : "is the peer speaking FastCGI?";
    this.#die(protocolError(`Cannot decode a record: expected version ${FCGI_VERSION_1}, got ${version} (${why})`));
  }

  #die(error: FastCgiError): never {
    this.#state = { is: "dead", error };
    throw error;
  }
}

/**
 * Decodes bytes that are whole records.
 *
 * @throws {FastCgiError} `protocol` or `connectionClosed` if they are not.
 */
export function decodeRecords(bytes: Uint8Array): FastCgiRecord[] {
  const records: FastCgiRecord[] = [];
  const decoder = new RecordDecoder();
  decoder.transform(bytes, { enqueue: (record) => void records.push(record) });
  decoder.flush();
  return records;
}

function emit(header: RecordHeader, contentData: Uint8Array, output: Output): void {
  const { type, requestId, paddingLength } = header;
  output.enqueue({ type, requestId, contentData, paddingLength });
}

function inputEnded(inside: "header" | "content"): FastCgiError {
  return new FastCgiError("connectionClosed", `Cannot decode a record: the input ended inside its ${inside}`);
}
