import { objectOf, unexpected } from "../../base/unexpected.ts";
import { utf8ToByteString } from "../../protocol/byte_string.ts";
import type { NameValuePair } from "../../protocol/name_value_pairs.ts";

/**
 * Settings of php.ini by name. `true` and `false` become `1` and `0`. The names of PHP's constants are not evaluated.
 */
export type PhpValues = Readonly<Record<string, string | number | boolean>>;

/** Settings of PHP for a request. php-fpm takes them as variables. */
export interface FastCgiPhpOptions {
  /**
   * Settings that the script may change: PHP_VALUE. Name by name, a value given with the request overrides the
   * client's, and that overrides the value of the connector's preset.
   *
   * **php-fpm does not reset them.** The worker that served the request keeps them for all later requests, of any site
   * (measured with 8.2). So send the same names with every request to a pool, or give this site a pool of its own.
   *
   * These settings can make PHP run any code (`auto_prepend_file`): never take them from a request unchecked.
   */
  readonly phpValues?: PhpValues | undefined;
  /** As `phpValues`, for settings that the script can't change: PHP_ADMIN_VALUE. */
  readonly phpAdminValues?: PhpValues | undefined;
}

/**
 * The variables PHP_VALUE and PHP_ADMIN_VALUE of `sources`, the weakest first.
 *
 * @throws {TypeError} If a name can't be in php.ini, or a value does not fit one line.
 */
export function paramsFromPhpOptions(sources: readonly FastCgiPhpOptions[]): NameValuePair[] {
  const pairs: NameValuePair[] = [];
  for (const [param, option] of [
    ["PHP_VALUE", "phpValues"],
    ["PHP_ADMIN_VALUE", "phpAdminValues"],
  ] as const) {
    // Stryker disable next-line ConditionalExpression,ArrowFunction: a shortcut, for no settings make no variable
    if (sources.every((source) => source[option] === undefined)) continue;
    const given = sources.map((source) => source[option]).filter((settings) => settings !== undefined);
    const values = new Map(
      given.flatMap((settings) => Object.entries(objectOf(settings, `Cannot use ${option}`, "an object of settings"))),
    );
    if (values.size > 0) pairs.push([param, encodePhpValues(values, option)]);
  }
  return pairs;
}

/** The settings as lines of php.ini, in a byte string. */
function encodePhpValues(values: ReadonlyMap<string, string | number | boolean>, option: string): string {
  return Array.from(values, ([name, value]) => {
    if (!["string", "boolean"].includes(typeof value) && !Number.isFinite(value)) {
      throw unexpected(`Cannot use ${option}: expected a string, number or boolean as ${name}`, value);
    }
    const text = typeof value === "boolean" ? String(Number(value)) : String(value);
    // A character that ends a line or a name would begin another setting.
    if (!/^[A-Za-z0-9_.-]+$/.test(name)) {
      throw new TypeError(`Cannot use ${option}: expected the name of a setting, got ${JSON.stringify(name)}`);
    }
    if (/[\0\r\n]/.test(text)) {
      throw new TypeError(`Cannot use ${option}: ${name} has more than one line: ${JSON.stringify(text)}`);
    }
    return `${name}=${phpLiteral(utf8ToByteString(text))}`;
  }).join("\n");
}

/**
 * Quotes a value, because PHP evaluates what is not quoted: ";" begins a comment, "${PATH}" is replaced, "1|2" is 3.
 * Single quotes keep every character but themselves, and double quotes keep single quotes. PHP joins quoted pieces in a
 * row, unless one is empty.
 */
function phpLiteral(value: string): string {
  if (value === "") return "''";
  const pieces = value.split(/('+)/).filter((piece) => piece !== "");
  // Stryker disable next-line MethodExpression: a piece that ends with a quote begins with one
  return pieces.map((piece) => (piece.startsWith("'") ? `"${piece}"` : `'${piece}'`)).join("");
}
