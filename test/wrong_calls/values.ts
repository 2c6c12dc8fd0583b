// Values of every kind that JavaScript has, and of the kinds that only break when they are touched.

import { createContext, runInContext } from "node:vm";
import { revoked } from "../support/revoked.ts";
import { transferred } from "../support/transferred.ts";

/** What a value is. An argument names the kinds that are right for it. */
export type Kind =
  | "undefined"
  | "null"
  | "boolean"
  | "number"
  | "bigint"
  | "string"
  | "symbol"
  | "function"
  /** Any object, functions too: Web IDL takes each for a dictionary. */
  | "object"
  /** Has `Symbol.iterator`. */
  | "iterable"
  /** Can be sent as a body. */
  | "source"
  | "bytes"
  | "signal"
  /** Reading a property throws. */
  | "hostile";

/** A value that a program may pass by mistake. */
export interface OddValue {
  readonly name: string;
  readonly kinds: readonly Kind[];
  /** Makes it anew, because some are used up. */
  make(): unknown;
}

/** What the getters of the hostile object throw. */
export const GETTER_ERROR: Error = new Error("thrown by a getter");

const realm = createContext({});

function detached(): Uint8Array {
  return transferred(new Uint8Array(8));
}

function locked(): ReadableStream {
  const stream = new ReadableStream();
  stream.getReader();
  return stream;
}

function disturbed(): ReadableStream {
  const stream = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1)) });
  const reader = stream.getReader();
  reader.read().catch(() => {});
  reader.releaseLock();
  return stream;
}

const throwing = (): object =>
  new Proxy(
    {},
    {
      get() {
        throw GETTER_ERROR;
      },
      has: () => true,
    },
  );

export const ODD_VALUES: readonly OddValue[] = [
  { name: "undefined", kinds: ["undefined"], make: () => undefined },
  { name: "null", kinds: ["null"], make: () => null },
  { name: "true", kinds: ["boolean"], make: () => true },
  { name: "false", kinds: ["boolean"], make: () => false },
  ...[0, -0, -1, 1.5, 7, 2 ** 31, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(
    (number): OddValue => ({
      name: Object.is(number, -0) ? "-0" : String(number),
      kinds: ["number"],
      make: () => number,
    }),
  ),
  { name: "a bigint", kinds: ["bigint"], make: () => 1n },
  { name: "an empty string", kinds: ["string", "source"], make: () => "" },
  { name: "a string", kinds: ["string", "source"], make: () => "5" },
  { name: "a huge string", kinds: ["string", "source"], make: () => "x".repeat(1 << 20) },
  { name: "a lone surrogate", kinds: ["string", "source"], make: () => "\ud800" },
  { name: "a string with NUL", kinds: ["string", "source"], make: () => "a\0b" },
  { name: "a symbol", kinds: ["symbol"], make: () => Symbol("odd") },
  { name: "a function", kinds: ["function", "object"], make: () => () => {} },
  { name: "a class", kinds: ["function", "object"], make: () => class Odd {} },
  { name: "an async generator function", kinds: ["function", "object"], make: () => async function* () {} },
  { name: "an object", kinds: ["object"], make: () => ({}) },
  { name: "an object without prototype", kinds: ["object"], make: () => Object.create(null) },
  { name: "an empty array", kinds: ["object", "iterable"], make: () => [] },
  { name: "an array of a number", kinds: ["object", "iterable"], make: () => [5] },
  { name: "a Map", kinds: ["object", "iterable"], make: () => new Map() },
  { name: "a Date", kinds: ["object"], make: () => new Date(Number.NaN) },
  { name: "a boxed string", kinds: ["object", "iterable"], make: () => new String("boxed") },
  { name: "a boxed number", kinds: ["object"], make: () => new Number(5) },
  { name: "a boxed boolean", kinds: ["object"], make: () => new Boolean(false) },
  { name: "a revoked proxy", kinds: ["object", "hostile"], make: revoked },
  { name: "an object with throwing getters", kinds: ["object", "hostile"], make: throwing },
  { name: "a promise", kinds: ["object"], make: () => Promise.resolve() },
  // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tried
  { name: "a thenable that never settles", kinds: ["object"], make: () => ({ then() {} }) },
  { name: "a generator", kinds: ["object", "iterable"], make: () => (function* () {})() },
  { name: "an async generator", kinds: ["object", "source"], make: () => (async function* () {})() },
  { name: "bytes of a detached buffer", kinds: ["object", "bytes"], make: detached },
  {
    name: "bytes of a shared buffer",
    kinds: ["object", "bytes", "source"],
    make: () => new Uint8Array(new SharedArrayBuffer(8)),
  },
  { name: "an ArrayBuffer", kinds: ["object", "source"], make: () => new ArrayBuffer(8) },
  { name: "a DataView", kinds: ["object", "source"], make: () => new DataView(new ArrayBuffer(8)) },
  { name: "a locked stream", kinds: ["object", "source"], make: locked },
  { name: "a disturbed stream", kinds: ["object", "source"], make: disturbed },
  {
    name: "a failed stream",
    kinds: ["object", "source"],
    make: () => new ReadableStream({ start: (controller) => controller.error(new Error("failed before")) }),
  },
  { name: "an aborted signal", kinds: ["object", "signal"], make: () => AbortSignal.abort() },
  { name: "an object of another realm", kinds: ["object"], make: () => runInContext("({})", realm) },
  { name: "an array of another realm", kinds: ["object", "iterable"], make: () => runInContext("[5]", realm) },
  { name: "a function of another realm", kinds: ["function", "object"], make: () => runInContext("() => {}", realm) },
];
