// The variables of a request as the library itself reads them. A small request reads a dozen of some thirty variables,
// and its headers. Finding these in the text of all costs less than a Map with sixty strings, which takes a tenth of the
// time of a small exchange and a third of the memory of a request that waits for its handler. The Map is made when a
// program asks for it.

import { decodeAscii } from "../protocol/byte_string.ts";
import {
  type DecodeNameValuePairsOptions,
  decodeNameValuePairs,
  type FoundPairs,
  findNameValuePairs,
  type NameValuePair,
} from "../protocol/name_value_pairs.ts";
import { type FastCgiParams, paramsFromPairs } from "./params.ts";

/** The variables of a request. */
export interface Variables {
  /** The variables by name. */
  readonly params: FastCgiParams;
  /** All pairs in order if a name came more than once, otherwise null: `params` holds the same then. */
  readonly repeatedParams: readonly NameValuePair[] | null;
  /** The value of a variable. */
  get(name: string): string | undefined;
  /** Calls `take` with every variable whose name begins with HTTP_, in order. */
  forEachHeader(take: (name: string, value: string) => void): void;
  /** The first variable made of a header whose value holds one of `bytes`; null if there is none. */
  headerWith(bytes: string): string | null;
}

/**
 * Reads the variables in `bytes`, which must be the whole stream.
 *
 * @throws {FastCgiError} As `decodeNameValuePairs`.
 */
export function decodeVariables(bytes: Uint8Array, options?: DecodeNameValuePairsOptions): Variables {
  const found = findNameValuePairs(bytes, options);
  // Stryker disable next-line ConditionalExpression,EqualityOperator,ArithmeticOperator: both ways answer the same, and differ in time
  const text = found.bounds.length <= 3 * MAX_SEARCHED ? decodeAscii(found.text) : null;
  // Stryker disable next-line ConditionalExpression: a Map answers the same
  if (text !== null && !hasRepeatedName(found)) return new ReceivedVariables(text, found.bounds);
  const pairs = decodeNameValuePairs(bytes);
  const params = paramsFromPairs(pairs);
  return new GivenVariables(params, params.size === pairs.length ? null : pairs);
}

/** The variables in a Map. */
export class GivenVariables implements Variables {
  readonly params: FastCgiParams;
  readonly repeatedParams: readonly NameValuePair[] | null;

  constructor(params: FastCgiParams, repeatedParams: readonly NameValuePair[] | null = null) {
    this.params = params;
    this.repeatedParams = repeatedParams;
  }

  get(name: string): string | undefined {
    return this.params.get(name);
  }

  forEachHeader(take: (name: string, value: string) => void): void {
    for (const [name, value] of this.params) if (name.startsWith(HEADER)) take(name, value);
  }

  headerWith(bytes: string): string | null {
    for (const [name, value] of this.params) {
      if (!name.startsWith(HEADER) && name !== "CONTENT_TYPE") continue;
      for (const byte of bytes) if (value.includes(byte)) return name;
    }
    return null;
  }
}

/** The prefix of variables made of a header (RFC 3875 4.1.18). */
const HEADER = "HTTP_";

/** More variables are made a Map at once, because each question looks at all of them. */
const MAX_SEARCHED = 100;

/** Variables as they came, all ASCII and each name once. */
class ReceivedVariables implements Variables {
  #text: string;
  /** As in FoundPairs. */
  #bounds: readonly number[];
  /** Once it is made, the text and the bounds are dropped. */
  #params: FastCgiParams | null = null;

  constructor(text: string, bounds: readonly number[]) {
    this.#text = text;
    this.#bounds = bounds;
  }

  get repeatedParams(): null {
    return null;
  }

  get params(): FastCgiParams {
    if (this.#params === null) {
      const params = new Map<string, string>();
      for (let index = 0; index < this.#bounds.length; index += 3) params.set(this.#name(index), this.#value(index));
      this.#params = params;
      // Stryker disable next-line StringLiteral: not used any more
      this.#text = "";
      // Stryker disable next-line ArrayDeclaration: not used any more
      this.#bounds = [];
    }
    return this.#params;
  }

  get(name: string): string | undefined {
    // The program may have changed the Map.
    if (this.#params !== null) return this.#params.get(name);
    const text = this.#text;
    const bounds = this.#bounds;
    const { length } = name;
    const last = name.charCodeAt(length - 1);
    // Stryker disable next-line EqualityOperator: behind the bounds is none that equals a number
    for (let index = 0; index < bounds.length; index += 3) {
      const start = bounds[index]!;
      const end = start + length;
      // The length and the last character tell most names apart.
      // Stryker disable next-line ConditionalExpression: a shortcut, for the whole name is compared
      if (bounds[index + 1] !== end || (length > 0 && text.charCodeAt(end - 1) !== last)) continue;
      if (text.startsWith(name, start)) return this.#value(index);
    }
    return undefined;
  }

  forEachHeader(take: (name: string, value: string) => void): void {
    if (this.#params !== null) {
      new GivenVariables(this.#params).forEachHeader(take);
      return;
    }
    for (let index = 0; index < this.#bounds.length; index += 3) {
      if (this.#isHeader(index)) take(this.#name(index), this.#value(index));
    }
  }

  headerWith(bytes: string): string | null {
    if (this.#params !== null) return new GivenVariables(this.#params).headerWith(bytes);
    for (const byte of bytes) {
      const index = this.#headerWithByte(byte);
      if (index !== null) return this.#name(index);
    }
    return null;
  }

  /** Looks at each pair once at most: the byte is also found in lengths, in names and in other values. */
  #headerWithByte(byte: string): number | null {
    const text = this.#text;
    const bounds = this.#bounds;
    let index = 0;
    for (let at = text.indexOf(byte); at >= 0; ) {
      while (bounds[index + 2]! <= at) index += 3;
      const valueStart = bounds[index + 1]!;
      if (at >= valueStart && (this.#isHeader(index) || this.#name(index) === "CONTENT_TYPE")) return index;
      at = text.indexOf(byte, at < valueStart ? valueStart : bounds[index + 2]!);
    }
    return null;
  }

  #isHeader(index: number): boolean {
    const start = this.#bounds[index]!;
    // Stryker disable next-line ConditionalExpression: a shortcut, for the prefix is compared
    return this.#text.charCodeAt(start) === 0x48 && this.#name(index).startsWith(HEADER);
  }

  #name(index: number): string {
    return this.#text.slice(this.#bounds[index]!, this.#bounds[index + 1]!);
  }

  #value(index: number): string {
    return this.#text.slice(this.#bounds[index + 1]!, this.#bounds[index + 2]!);
  }
}

/** For each slot the last round of {@linkcode hasRepeatedName} that found a name for it. */
const slots: Int32Array = /* @__PURE__ */ new Int32Array(1024);
let round = 0;

/**
 * Whether a name comes twice. Names that share a slot, which few do, are compared. Whatever is left in the slots, the
 * answer is right. If it were wrongly true, a Map would answer the same in more time.
 */
function hasRepeatedName({ bounds, text }: FoundPairs): boolean {
  // Stryker disable next-line ArithmeticOperator: any other number does
  round = (round + 1) | 0;
  for (let index = 0; index < bounds.length; index += 3) {
    const start = bounds[index]!;
    const end = bounds[index + 1]!;
    const length = end - start;
    // Stryker disable next-line ArithmeticOperator,ConditionalExpression,EqualityOperator: any number does that the name alone decides
    const inside = length > 0 ? (text[start + (length >> 1)]! * 31 + text[end - 1]!) * 31 + text[start]! : 0;
    // Stryker disable next-line ArithmeticOperator: any slot does that the name alone decides
    const slot = (inside * 31 + length) & (slots.length - 1);
    // Stryker disable next-line ConditionalExpression,LogicalOperator: without the slots each name is compared with all
    if (slots[slot] === round && isNameBefore(index, bounds, text)) return true;
    slots[slot] = round;
  }
  // Stryker disable next-line BooleanLiteral: true only costs the time of a Map
  return false;
}

/** Whether the name of the pair at `index` is also that of an earlier pair. */
function isNameBefore(index: number, bounds: readonly number[], text: Uint8Array): boolean {
  const start = bounds[index]!;
  const length = bounds[index + 1]! - start;
  // Stryker disable next-line ArithmeticOperator,AssignmentOperator: a name found to be its own repetition only costs the time of a Map
  for (let other = index - 3; other >= 0; other -= 3) {
    const otherStart = bounds[other]!;
    // Stryker disable next-line ConditionalExpression: names taken for the same only cost the time of a Map
    if (bounds[other + 1]! - otherStart !== length) continue;
    let same = 0;
    // Stryker disable next-line ConditionalExpression: names taken for the same only cost the time of a Map
    while (same < length && text[start + same] === text[otherStart + same]) same++;
    // Stryker disable next-line ConditionalExpression: names taken for the same only cost the time of a Map
    if (same === length) return true;
  }
  // Stryker disable next-line BooleanLiteral: true only costs the time of a Map
  return false;
}
