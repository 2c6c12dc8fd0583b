// Bytes of bodies and messages, made fit to be shown.

import { safeLine } from "../frame/style.ts";
import { maskText } from "./secrets.ts";

/** A stream: how much of it came, and its beginning. */
export interface StreamReport {
  readonly bytes: number;
  readonly records: number;
  /** Whether its end came. */
  readonly isEnded: boolean;
  /** The beginning, where it is text. */
  readonly text?: string;
  /** The beginning, where it is no text. */
  readonly hex?: string;
}

/** A stream of which only the beginning is kept. */
export class KeptStream {
  readonly #pieces: Uint8Array[] = [];
  readonly #limit: number;
  #kept = 0;
  bytes = 0;
  records = 0;
  isEnded = false;

  /** @param limit The most bytes that are kept. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  take(content: Uint8Array): void {
    this.bytes += content.length;
    this.records++;
    if (content.length === 0) this.isEnded = true;
    const piece = content.slice(0, this.#limit - this.#kept);
    if (piece.length === 0) return;
    this.#kept += piece.length;
    this.#pieces.push(piece);
  }

  /** The beginning. */
  get beginning(): Uint8Array {
    return Buffer.concat(this.#pieces);
  }

  report(secrets: boolean): StreamReport {
    const { bytes, records, isEnded } = this;
    return { bytes, records, isEnded, ...shownContent(this.beginning, secrets) };
  }
}

/** The lines of a text from the wire, without what a terminal obeys. */
export function safeLines(text: string): string[] {
  return text
    .replace(/\r?\n$/, "")
    .split(/\r?\n/)
    .map((line) => safeLine(line.replaceAll("\t", "  ")));
}

/** The share of control characters that a text may have. */
const MAX_CONTROLS = 0.02;

/**
 * Bytes as text, without secrets unless they are asked for, or as hexadecimal digits if they are no text.
 *
 * @param mask Takes the secrets out of a text.
 */
export function shownContent(
  bytes: Uint8Array,
  secrets: boolean,
  mask: (text: string) => string = maskText,
): { text?: string; hex?: string } {
  if (bytes.length === 0) return {};
  const text = textOf(bytes);
  if (text === null) {
    // A form with a picture has a password too: what is text in it is masked as text.
    const hidden = secrets ? Buffer.from(bytes) : Buffer.from(mask(Buffer.from(bytes).toString("latin1")), "latin1");
    return { hex: hidden.toString("hex") };
  }
  return { text: secrets ? text : mask(text) };
}

function textOf(bytes: Uint8Array): string | null {
  try {
    // As a stream, because the last character may be cut.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is counted
    const controls = text.match(/[\0-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]/g)?.length ?? 0;
    return controls <= text.length * MAX_CONTROLS ? text : null;
  } catch {
    return null;
  }
}
