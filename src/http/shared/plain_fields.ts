// Headers that a program gives as a plain object. Nearly all are such that `Headers` would change only the case of their names, and making a
// Headers of them costs more than the rest of a small message.

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
 * The fields of a plain object, or none of undefined. Null if `init` is anything else, or `Headers` would change or refuse
 * a part of it, so that it must read `init`.
 */
export function plainFields(init: HeadersInit | undefined): HeaderList | null {
  if (init === undefined) return [];
  if (typeof init !== "object" || init === null || Object.getPrototypeOf(init) !== Object.prototype) return null;
  if (Object.getOwnPropertySymbols(init).length > 0) return null;
  const fields: HeaderList = [];
  let last = "";
  let isSorted = true;
  for (const key of Object.keys(init)) {
    const value: unknown = (init as Record<string, unknown>)[key];
    const name = listedName(key);
    if (name === null || typeof value !== "string" || !PLAIN_VALUE.test(value)) return null;
    if (name <= last) isSorted = false;
    last = name;
    fields.push([name, value]);
  }
  return isSorted ? fields : sorted(fields);
}

/** Sorts the fields by name. Null if a name came in two spellings, whose values `Headers` would join. */
function sorted(fields: HeaderList): HeaderList | null {
  fields.sort(([one], [other]) => (one < other ? -1 : 1));
  for (let index = 1; index < fields.length; index++) if (fields[index]![0] === fields[index - 1]![0]) return null;
  return fields;
}
