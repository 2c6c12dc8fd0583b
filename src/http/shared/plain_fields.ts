// Headers that a program gives as a plain object or as pairs. Nearly all are such that `Headers` would change only the
// case of their names, and making a Headers of them costs more than the rest of a small message.

import { remembered } from "../../base/remembered.ts";
import { isToken, MAX_NAME_LENGTH } from "./header_rules.ts";

/** Header fields in the order and the spelling in which `Headers` lists them. */
export type HeaderList = [name: string, value: string][];

/** A field name as `Headers` lists it; null for a name that `Headers` refuses. */
const listedName: (name: string) => string | null = /* @__PURE__ */ remembered(MAX_NAME_LENGTH, (name) =>
  isToken(name) ? name.toLowerCase() : null,
);

/** Values that `Headers` takes without a change. */
const PLAIN_VALUE = /^[!-~\x80-\xff]+(?:[\t ]+[!-~\x80-\xff]+)*$/;

/**
 * The fields of a plain object or of pairs; none for undefined. Null if `init` is anything else, or if `Headers` would
 * change or refuse a part of it: the caller makes Headers of `init` then.
 */
export function plainFields(init: HeadersInit | undefined): HeaderList | null {
  if (init === undefined) return [];
  const given: readonly unknown[] | null = Array.isArray(init) ? init : pairsOf(init);
  if (given === null) return null;
  const fields: HeaderList = [];
  // Stryker disable next-line StringLiteral: fields that are taken for unsorted are sorted once more
  let last = "";
  // Stryker disable next-line BooleanLiteral: as above
  let isSorted = true;
  for (const pair of given) {
    if (!Array.isArray(pair) || pair.length !== 2) return null;
    const [key, value]: unknown[] = pair;
    // Stryker disable next-line ConditionalExpression: a shortcut, for a value of another type is no token
    const name = typeof key === "string" ? listedName(key) : null;
    if (name === null || typeof value !== "string" || !PLAIN_VALUE.test(value)) return null;
    // Stryker disable next-line ConditionalExpression,EqualityOperator: as above
    if (name <= last) isSorted = false;
    last = name;
    fields.push([name, value]);
  }
  return isSorted ? fields : sorted(fields);
}

/** The properties of a plain object; null if it is not one. */
function pairsOf(init: HeadersInit): [string, unknown][] | null {
  if (init === null || Object.getPrototypeOf(init) !== Object.prototype) return null;
  return Object.getOwnPropertySymbols(init).length > 0 ? null : Object.entries(init);
}

/** Sorts the fields by name. Null if a name came in two spellings, whose values `Headers` would join. */
function sorted(fields: HeaderList): HeaderList | null {
  // Stryker disable next-line EqualityOperator: two fields of one name are found below
  fields.sort(([one], [other]) => (one < other ? -1 : 1));
  for (let index = 1; index < fields.length; index++) if (fields[index]![0] === fields[index - 1]![0]) return null;
  return fields;
}
