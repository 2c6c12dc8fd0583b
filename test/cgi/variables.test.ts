import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { paramsFromPairs } from "../../src/cgi/params.ts";
import { decodeVariables, GivenVariables, type Variables } from "../../src/cgi/variables.ts";
import { encodeNameValuePairs, type NameValuePair } from "../../src/toolkit.ts";

const CONTROL = "\0\r\n";

function headersOf(variables: Variables): NameValuePair[] {
  const headers: NameValuePair[] = [];
  variables.forEachHeader((name, value) => headers.push([name, value]));
  return headers;
}

/** Names that share letters and lengths, and values with the bytes that lengths also have. */
const name = fc.oneof(
  fc.constantFrom("", "HTTP_", "HTTP_A", "HTTP_B", "HTTP_HOST", "HTTP_COOKIE", "CONTENT_TYPE", "CONTENT_TYPO", "HTTPS"),
  fc.stringMatching(/^[AB]{1,3}$/),
  fc.string({ unit: fc.constantFrom("H", "_", "\0", "\n", "\xe9"), maxLength: 14 }),
);
const value = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "\0", "\r", "\n", "\xff", "H"), maxLength: 14 }),
  fc.constantFrom("x".repeat(127), "x".repeat(128), `${"x".repeat(200)}\n`),
);

/** The same, of ASCII alone: where each name comes once no Map is made of them. */
const asciiName = name.filter((text) => !text.includes("\xe9"));
const asciiValue = value.filter((text) => text.length < 128 && !text.includes("\xff"));

const anyPairs = {
  "of any kind": fc.array(fc.tuple(name, value), { maxLength: 30 }),
  "of ASCII, some with the same name,": fc.array(fc.tuple(asciiName, asciiValue), { maxLength: 8 }),
  "of ASCII, each with another name,": fc.uniqueArray(fc.tuple(asciiName, asciiValue), {
    maxLength: 12,
    selector: ([text]) => text,
  }),
};

describe("decodeVariables", () => {
  it.each(Object.entries(anyPairs))(
    "decodeVariables answers like a Map of all variables when pairs %s come",
    (_, some) => {
      fc.assert(
        fc.property(some, fc.boolean(), (pairs, asksForMap) => {
          const expected = new GivenVariables(paramsFromPairs(pairs));
          const headers = [...expected.params].filter(([header]) => header.startsWith("HTTP_"));
          const type = expected.get("CONTENT_TYPE") ?? "";
          const variables = decodeVariables(encodeNameValuePairs(pairs));
          if (asksForMap) expect(variables.params).toBe(variables.params);
          for (const [asked] of [...pairs, ["MISSING"], ["HTTP_A"], [""]]) {
            expect(variables.get(asked!)).toBe(expected.get(asked!));
          }
          expect(headersOf(variables)).toEqual(headers);
          expect(headersOf(expected)).toEqual(headers);
          // With several such headers, any of them may be named.
          const broken = variables.headerWith(CONTROL);
          const isAnyBroken = [...headers, ["", type]].some(([, text]) => /[\0\r\n]/.test(text!));
          for (const found of [broken, expected.headerWith(CONTROL)]) {
            expect(found !== null).toBe(isAnyBroken);
            if (found !== null)
              expect([...headers, ["CONTENT_TYPE", type]]).toContainEqual([found, expected.get(found)]);
            if (found !== null) expect(expected.get(found)).toMatch(/[\0\r\n]/);
          }
          expect([...variables.params]).toEqual([...expected.params]);
          expect(variables.repeatedParams ?? [...variables.params]).toEqual(pairs);
        }),
      );
    },
  );

  it("decodeVariables answers like a Map when there are more variables than it searches", () => {
    const pairs = Array.from({ length: 300 }, (_, index): NameValuePair => [`HTTP_X${index}`, String(index)]);
    const variables = decodeVariables(encodeNameValuePairs(pairs));
    expect(variables.get("HTTP_X299")).toBe("299");
    expect(headersOf(variables)).toEqual(pairs);
    expect(variables.repeatedParams).toBeNull();
  });

  it("decodeVariables sees what a program has changed in the Map", () => {
    const variables = decodeVariables(encodeNameValuePairs([["HTTP_A", "1"]]));
    (variables.params as Map<string, string>).set("HTTP_A", "2").set("HTTP_B", "\n");
    expect(variables.get("HTTP_A")).toBe("2");
    expect(headersOf(variables)).toEqual([
      ["HTTP_A", "2"],
      ["HTTP_B", "\n"],
    ]);
    expect(variables.headerWith(CONTROL)).toBe("HTTP_B");
  });

  it.each([
    ["a header", "HTTP_A", "HTTP_A"],
    ["the type of the body", "CONTENT_TYPE", "CONTENT_TYPE"],
    ["another variable", "PATH_INFO", null],
  ])("decodeVariables finds a control byte when it is in the value of %s", (_, name, found) => {
    for (const byte of CONTROL) {
      const bytes = encodeNameValuePairs([
        ["EMPTY", ""],
        ["A\nB", "0123456789"],
        [name, `a${byte}b`],
        ["HTTP_LAST", "c"],
      ]);
      expect(decodeVariables(bytes).headerWith(CONTROL)).toBe(found);
    }
  });

  it("decodeVariables takes for headers what is one by its name, also when the lengths before the first spell HTTP_", () => {
    // The stream begins with the lengths 72 and 84, which are the bytes HT, and goes on with TP_.
    const first: NameValuePair = [`TP_${"A".repeat(69)}`, "a".repeat(84)];
    const bytes = encodeNameValuePairs([first, ["HTTP_A", "b"]]);
    expect(Buffer.from(bytes.subarray(0, 5)).toString()).toBe("HTTP_");
    const variables = decodeVariables(bytes);
    expect(headersOf(variables)).toEqual([["HTTP_A", "b"]]);
    expect(variables.repeatedParams).toBeNull();
  });

  it.each([0, 1, 2])("decodeVariables keeps all pairs when pair %i of three comes again", (repeated) => {
    const pairs: NameValuePair[] = [
      ["DOCUMENT_ROOT", "/srv"],
      ["SCRIPT_NAME", "/a"],
      ["HTTP_A", "b"],
    ];
    pairs.push([pairs[repeated]![0], "again"]);
    expect(decodeVariables(encodeNameValuePairs(pairs)).repeatedParams).toEqual(pairs);
  });

  it("decodeVariables tells names of one length and one last letter apart", () => {
    const variables = decodeVariables(
      encodeNameValuePairs([
        ["SERVER_NAME", "site.test"],
        ["SCRIPT_NAME", "/index.php"],
      ]),
    );
    expect(variables.get("SCRIPT_NAME")).toBe("/index.php");
    expect(variables.get("STRANGE_ONE")).toBeUndefined();
    expect(variables.repeatedParams).toBeNull();
  });

  it("decodeVariables finds a control byte also when the stream begins with the same byte, the length of a name", () => {
    for (const [byte, first] of [
      ["\n", "HTTP_RANGE"],
      ["\r", "HTTP_IF_MATCH"],
    ] as const) {
      expect(first.length).toBe(byte.charCodeAt(0));
      const found = (value: string): string | null =>
        decodeVariables(
          encodeNameValuePairs([
            [first, value],
            ["HTTP_A", `a${byte}b`],
          ]),
        ).headerWith(byte);
      expect(found("a")).toBe("HTTP_A");
      expect(found(`a${byte}b`)).toBe(first);
    }
  });
});
