// What an argument or an option can be.

import type { Kind } from "./values.ts";

/** Whether a value is right. Nothing is said of a right one: other tests use those. */
export type ArgumentType = (value: unknown, kinds: readonly Kind[]) => boolean;

export const oneOf =
  (...right: readonly Kind[]): ArgumentType =>
  (_, kinds) =>
    right.some((kind) => kinds.includes(kind));

/** `type`, which may be left out. */
export const optional =
  (type: ArgumentType): ArgumentType =>
  (value, kinds) =>
    value === undefined || type(value, kinds);

/** `type`, which may be left out or null. */
export const nullable =
  (type: ArgumentType): ArgumentType =>
  (value, kinds) =>
    value === null || optional(type)(value, kinds);

/** `type`, if `test` holds too. */
export const where =
  (type: ArgumentType, test: (value: never) => boolean): ArgumentType =>
  (value, kinds) =>
    type(value, kinds) && test(value as never);

/** None of the values: an object that must have certain members. */
export const OTHER: ArgumentType = () => false;
export const ANYTHING: ArgumentType = () => true;

export const TEXT: ArgumentType = oneOf("string");
/** A string whose characters are bytes. */
export const BYTE_STRING: ArgumentType = where(TEXT, (text: string) => /^[\0-\xff]*$/.test(text));
export const FUNCTION: ArgumentType = oneOf("function");
export const CALLBACK: ArgumentType = optional(FUNCTION);
/** A callback that only watches, see `contained`. */
export const WATCHER: ArgumentType = nullable(FUNCTION);
export const SWITCH: ArgumentType = optional(oneOf("boolean"));
/** As Web IDL: any object, and null and undefined for an empty one. */
export const DICTIONARY: ArgumentType = oneOf("object", "null", "undefined");
export const BYTES: ArgumentType = oneOf("bytes");
export const SOURCE: ArgumentType = oneOf("source");
export const SIGNAL: ArgumentType = oneOf("signal");

const NUMBER: ArgumentType = oneOf("number");
/** A size, a count or a time. */
export const LIMIT: ArgumentType = optional(where(NUMBER, (number: number) => number > 0));
export const LIMIT_OR_ZERO: ArgumentType = optional(where(NUMBER, (number: number) => number >= 0));
export const integer = (min: number, max: number): ArgumentType =>
  where(NUMBER, (number: number) => Number.isInteger(number) && number >= min && number <= max);

/** No pairs at all: the only values in the list of which each element is a pair. */
export const PAIRS: ArgumentType = (value, kinds) =>
  kinds.includes("iterable") && !ArrayBuffer.isView(value) && [...(value as Iterable<unknown>)].length === 0;
