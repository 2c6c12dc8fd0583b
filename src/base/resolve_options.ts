import { optionsOf, outOfRange, unexpected } from "./unexpected.ts";

/** Options that are complete: those given, and the defaults of the others. */
export type Resolved<Options> = { [Name in keyof Options]-?: Exclude<Options[Name], undefined> };

/**
 * Results of {@linkcode resolveOptions}: checked and complete. A server gives the same object to each of its
 * connections.
 */
const RESOLVED = /* @__PURE__ */ new WeakSet<object>();

/**
 * Checks `given` and fills it up with `defaults`. A number is a size, a count or milliseconds: it must be above 0, and
 * `Infinity` turns the limit off; 0 is allowed only for the names in `optional`. If `given` is the result of an earlier
 * call and has all these options, it is returned as it is.
 *
 * @throws {RangeError} If a number is not above zero.
 * @throws {TypeError} If a value is of another type than its default, or the options are no object.
 */
export function resolveOptions<Options extends object>(
  defaults: Options,
  options: { readonly [Name in keyof Options]?: Options[Name] | undefined },
  optional: readonly (keyof Options)[] = [],
): Options {
  const given = optionsOf(options);
  if (RESOLVED.has(given) && Object.keys(defaults).every((name) => name in given)) return given as Options;
  const resolved = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof Options & string)[]) {
    const value = given[name];
    if (value === undefined) continue;
    if (value !== 0 || !optional.includes(name)) checkOption(name, value, typeof defaults[name]);
    resolved[name] = value as Options[typeof name];
  }
  RESOLVED.add(resolved);
  return resolved;
}

function checkOption(name: string, value: unknown, type: string): void {
  if (typeof value !== type) throw unexpected(`Cannot use ${name}: expected a ${type}`, value);
  if (typeof value === "number" && !(value > 0)) {
    throw outOfRange(`Cannot use ${name}: expected a number above 0 (Infinity turns it off)`, value);
  }
}
