// What a program gives that is not what it must be. Every such error names the value, says what was expected, and shows what came.

import { kindOf } from "./kind_of.ts";

/** The most characters of a text in a message. */
const MAX_SHOWN = 80;

/** A value in a message: a number or short text as it is, of anything else the kind. */
export function shown(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") return kindOf(value);
  return value.length > MAX_SHOWN ? `a string of ${value.length} characters` : JSON.stringify(value);
}

/**
 * The error for a value that is not what it must be.
 *
 * @param expectation For example "Cannot use onError: expected a function".
 */
export function unexpected(expectation: string, value: unknown): TypeError {
  return new TypeError(`${expectation}, got ${shown(value)}`);
}

/** As {@linkcode unexpected}, for a number that is out of its range; a value that is no number is a TypeError. */
export function outOfRange(expectation: string, value: unknown): RangeError | TypeError {
  if (typeof value !== "number") return unexpected(expectation, value);
  return new RangeError(`${expectation}, got ${value}`);
}

/**
 * The options that a program gave, as Web IDL reads a dictionary: any object, and none for undefined or null.
 *
 * @param name For messages: the argument.
 * @throws {TypeError} If it is anything else.
 */
export function optionsOf<Options extends object>(given: Options, name = "options"): Options {
  const value: unknown = given;
  if (value === undefined || value === null) return {} as Options;
  return objectOf(given, `Cannot use ${name}`, "an object");
}

/**
 * Returns `value`.
 *
 * @throws {TypeError} If it is no object.
 */
export function objectOf<Value extends object>(value: Value, task: string, expected: string): Value {
  if ((typeof value === "object" && value !== null) || typeof value === "function") return value;
  throw unexpected(`${task}: expected ${expected}`, value);
}

/** @throws {TypeError} If `value` is neither a function nor, where it is optional, undefined. */
export function checkFunction(value: unknown, name: string, isOptional = true): void {
  if (typeof value === "function" || (isOptional && value === undefined)) return;
  throw unexpected(`Cannot use ${name}: expected a function`, value);
}

/** @throws {TypeError} If `value` is no string. */
export function checkString(value: unknown, task: string, name: string): void {
  if (typeof value !== "string") throw unexpected(`${task}: expected ${name} to be a string`, value);
}

/** @throws {TypeError} If `value` is no boolean. */
export function checkBoolean(value: unknown, task: string, name: string): void {
  if (typeof value !== "boolean") throw unexpected(`${task}: expected ${name} to be a boolean`, value);
}

/**
 * @throws {TypeError} If `value` is no number.
 * @throws {RangeError} If it is no integer from `min` to `max`.
 */
export function checkInteger(value: unknown, task: string, name: string, min: number, max: number): void {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return;
  throw outOfRange(`${task}: expected ${name} to be an integer from ${min} to ${max}`, value);
}

/** @throws {TypeError} If `value` is not a Uint8Array, of whatever realm. */
export function checkBytes(value: unknown, task: string, name: string): void {
  if (value instanceof Uint8Array || (ArrayBuffer.isView(value) && kindOf(value) === "Uint8Array")) return;
  throw unexpected(`${task}: expected ${name} to be a Uint8Array`, value);
}

/** @throws {TypeError} If `value` is not an AbortSignal; null and undefined are let through where it is optional. */
export function checkSignal(value: unknown, task: string, isOptional = true): void {
  checkConvertibleSignal(value, task, isOptional);
  if (value === undefined || value === null) return;
  if (typeof (value as Partial<AbortSignal>).throwIfAborted === "function") return;
  throw unexpected(`${task}: expected signal to be an AbortSignal`, value);
}

/**
 * As {@linkcode checkSignal}, for a signal that is converted to the runtime's own class before it is used. Those of
 * other classes often have no more than `aborted`, `reason` and `addEventListener`.
 */
export function checkConvertibleSignal(value: unknown, task: string, isOptional = true): void {
  if (isOptional && (value === undefined || value === null)) return;
  if (typeof (Object(value) as Partial<AbortSignal>).addEventListener === "function") return;
  throw unexpected(`${task}: expected signal to be an AbortSignal`, value);
}
