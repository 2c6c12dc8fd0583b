import { utf8ToByteString } from "../../protocol/byte_string.ts";
import type { NameValuePair } from "../../protocol/name_value_pairs.ts";

/** Settings of php.ini by name. `true` and `false` are `1` and `0`; the names of PHP's constants mean nothing here. */
export type PhpValues = Readonly<Record<string, string | number | boolean>>;

/** Settings of PHP for a request, which php-fpm takes as variables. */
export interface FastCgiPhpOptions {
  /**
   * Settings that the script may change: PHP_VALUE. What is set with a request wins over what is set with the client, and that over
   * the connector's preset, name by name.
   *
   * **php-fpm does not take them back.** The worker that served the request has them for all that it serves later, whoever
   * asks (measured with 8.2). So either every request to a pool sets the same names, or the pool is this site's own.
   *
   * Whoever can set these can run any code (`auto_prepend_file`): nothing in them may come from a request unchecked.
   */
  readonly phpValues?: PhpValues | undefined;
  /** The same for settings that the script can't change: PHP_ADMIN_VALUE. */
  readonly phpAdminValues?: PhpValues | undefined;
}

/**
 * The variables that say `sources`, weakest first.
 *
 * @throws {TypeError} If a name is none of php.ini, or a value does not fit one line.
 */
export function paramsFromPhpOptions(sources: readonly FastCgiPhpOptions[]): NameValuePair[] {
  const pairs: NameValuePair[] = [];
  for (const [param, option] of [
    ["PHP_VALUE", "phpValues"],
    ["PHP_ADMIN_VALUE", "phpAdminValues"],
  ] as const) {
    if (sources.every((source) => source[option] === undefined)) continue;
    const values = new Map(sources.flatMap((source) => Object.entries(source[option] ?? {})));
    if (values.size > 0) pairs.push([param, encodePhpValues(values, option)]);
  }
  return pairs;
}

/** Lines of php.ini, as a byte string. */
function encodePhpValues(values: ReadonlyMap<string, string | number | boolean>, option: string): string {
  return Array.from(values, ([name, value]) => {
    const text = typeof value === "boolean" ? String(Number(value)) : String(value);
    // What ends a line or a name would begin another setting.
    if (!/^[A-Za-z0-9_.-]+$/.test(name)) {
      throw new TypeError(`Cannot use ${option}: ${JSON.stringify(name)} is no name of a setting`);
    }
    if (!["string", "boolean"].includes(typeof value) && !Number.isFinite(value)) {
      throw new TypeError(`Cannot use ${option}: expected a string, number or boolean as ${name}, got ${text}`);
    }
    if (/[\0\r\n]/.test(text)) {
      throw new TypeError(`Cannot use ${option}: ${name} has more than one line: ${JSON.stringify(text)}`);
    }
    return `${name}=${quote(utf8ToByteString(text))}`;
  }).join("\n");
}

/**
 * PHP evaluates what is not quoted: ";" begins a comment, "${PATH}" is replaced, "1|2" is 3. Single quotes keep everything but
 * themselves, double quotes keep those, and pieces in a row are one value unless one is empty.
 */
function quote(value: string): string {
  if (value === "") return "''";
  const pieces = value.split(/('+)/).filter((piece) => piece !== "");
  return pieces.map((piece) => (piece.startsWith("'") ? `"${piece}"` : `'${piece}'`)).join("");
}
