import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FastCgiPhpOptions, type PhpValues, paramsFromPhpOptions } from "../../../src/http/call/php_values.ts";

function phpValue(phpValues: PhpValues): string | undefined {
  return new Map(paramsFromPhpOptions([{ phpValues }])).get("PHP_VALUE");
}

/** What php-fpm 8.2 reads in a value: pieces in quotes, in a row. */
function unquoted(value: string): string {
  return [...value.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, single, double]) => single ?? double).join("");
}

describe("paramsFromPhpOptions", () => {
  it("paramsFromPhpOptions has one variable for each kind, and none without settings", () => {
    expect(paramsFromPhpOptions([])).toEqual([]);
    expect(paramsFromPhpOptions([{}, { phpValues: {}, phpAdminValues: undefined }])).toEqual([]);
    expect(
      paramsFromPhpOptions([{ phpValues: { memory_limit: "64M", display_errors: true }, phpAdminValues: { a: 1 } }]),
    ).toEqual([
      ["PHP_VALUE", "memory_limit='64M'\ndisplay_errors='1'"],
      ["PHP_ADMIN_VALUE", "a='1'"],
    ]);
  });

  it("paramsFromPhpOptions lets later settings win, name by name and kind by kind", () => {
    const sources: FastCgiPhpOptions[] = [
      { phpValues: { a: "first", b: "first" }, phpAdminValues: { a: "admin" } },
      {},
      { phpValues: { b: "second", c: "second" } },
    ];
    expect(paramsFromPhpOptions(sources)).toEqual([
      ["PHP_VALUE", "a='first'\nb='second'\nc='second'"],
      ["PHP_ADMIN_VALUE", "a='admin'"],
    ]);
  });

  it("paramsFromPhpOptions writes text, numbers and booleans", () => {
    const table: [value: string | number | boolean, text: string][] = [
      [true, "'1'"],
      [false, "'0'"],
      [0, "'0'"],
      [-1.5, "'-1.5'"],
      ["", "''"],
      ["E_ALL", "'E_ALL'"],
      ["é", "'\xc3\xa9'"],
      [`a;b \${PATH} \\`, `'a;b \${PATH} \\'`],
      ["it's", `'it'"'"'s'`],
      ["'", `"'"`],
      ["''x'", `"''"'x'"'"`],
    ];
    for (const [value, text] of table) expect(phpValue({ a: value }), text).toBe(`a=${text}`);
  });

  it("paramsFromPhpOptions writes no empty quotes beside others, for any value", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("'", '"', "\\", "a", ";", "$", "{", " ") }), (value) => {
        const written = phpValue({ a: value })!.slice("a=".length);
        expect(unquoted(written)).toBe(value);
        if (value !== "") expect(written).toMatch(/^(?:'[^']+'|"[^"]+")+$/);
      }),
    );
  });

  it("paramsFromPhpOptions refuses names and values that would begin another setting", () => {
    for (const name of ["", "a=b", "a\nb", "a b", "a;b", "a[]", "[a]", "é", "a'b"]) {
      expect(() => phpValue({ [name]: "1" }), name).toThrow(
        new TypeError(`Cannot use phpValues: expected the name of a setting, got ${JSON.stringify(name)}`),
      );
    }
    for (const value of ["a\nauto_prepend_file=php://input", "a\rb", "a\0b", "\n"]) {
      expect(() => paramsFromPhpOptions([{ phpAdminValues: { x: value } }])).toThrow(
        new TypeError(`Cannot use phpAdminValues: x has more than one line: ${JSON.stringify(value)}`),
      );
    }
  });

  it("paramsFromPhpOptions refuses values of other types", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, null, undefined, {}, ["x"], 5n]) {
      expect(() => phpValue({ a: value as unknown as string }), String(value)).toThrow(
        "Cannot use phpValues: expected a string, number or boolean as a, got ",
      );
    }
    for (const phpValues of ["a=1", 5, null] as unknown as PhpValues[]) {
      expect(() => phpValue(phpValues)).toThrow("Cannot use phpValues: expected an object of settings, got ");
    }
  });

  it("paramsFromPhpOptions takes names from objects only as their own", () => {
    const inherited = Object.create({ auto_prepend_file: "x" }) as Record<string, string>;
    inherited.__proto__x = "1";
    expect(phpValue(inherited)).toBe("__proto__x='1'");
    expect(phpValue(JSON.parse('{"__proto__": "1", "constructor": "2"}'))).toBe("__proto__='1'\nconstructor='2'");
  });
});
