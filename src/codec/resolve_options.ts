/** A limit, timeout or switch. */
type OptionValue = number | boolean;

/**
 * `given` over `defaults`. A number is a size, a count or milliseconds: above zero, and `Infinity` turns it off. Only those in
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
  const resolved = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof Options & string)[]) {
    const value = given[name];
    if (value === undefined) continue;
    if (value !== 0 || !optional.includes(name)) checkOption(name, value as OptionValue, typeof defaults[name]);
    resolved[name] = value as Options[typeof name];
  }
  return resolved;
}

function checkOption(name: string, value: OptionValue, type: string): void {
  if (typeof value !== type) throw new TypeError(`Cannot use ${name}: expected a ${type}, got ${String(value)}`);
  if (typeof value === "number" && !(value > 0)) {
    throw new RangeError(`Cannot use ${name}: expected a number above 0 (Infinity turns it off), got ${value}`);
  }
}
