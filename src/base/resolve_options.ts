/** A limit, timeout or switch. */
type OptionValue = number | boolean;

/** What came out of {@linkcode resolveOptions}: checked and complete. A server gives the same ones to each of its connections. */
const RESOLVED = /* @__PURE__ */ new WeakSet<object>();

/**
 * `given` over `defaults`; `given` itself where it is the result of an earlier call for the same options and others. A number is a size, a count or milliseconds: above zero, and `Infinity` turns it off. Only those in
 * `optional` may be zero.
 *
 * @throws {RangeError} If a number is not above zero.
 * @throws {TypeError} If a value is of another type than its default.
 */
export function resolveOptions<Options extends object>(
  defaults: Options,
  given: { readonly [Name in keyof Options]?: Options[Name] | undefined },
  optional: readonly (keyof Options)[] = [],
): Options {
  if (RESOLVED.has(given) && Object.keys(defaults).every((name) => name in given)) return given as Options;
  const resolved = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof Options & string)[]) {
    const value = given[name];
    if (value === undefined) continue;
    if (value !== 0 || !optional.includes(name)) checkOption(name, value as OptionValue, typeof defaults[name]);
    resolved[name] = value as Options[typeof name];
  }
  RESOLVED.add(resolved);
  return resolved;
}

function checkOption(name: string, value: OptionValue, type: string): void {
  if (typeof value !== type) throw new TypeError(`Cannot use ${name}: expected a ${type}, got ${String(value)}`);
  if (typeof value === "number" && !(value > 0)) {
    throw new RangeError(`Cannot use ${name}: expected a number above 0 (Infinity turns it off), got ${value}`);
  }
}
