import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { faultText, printApplicationStderr, printable, printError, printStderr } from "../../adapters/shared/print.ts";
import { FastCgiError, type FastCgiRequest, utf8ToByteString } from "../../src/toolkit.ts";

/** A request that has these variables; nothing else of it is printed. */
function requestWith(params: Record<string, string>): FastCgiRequest {
  return { requestId: 7, params: new Map(Object.entries(params)) } as unknown as FastCgiRequest;
}

const request = requestWith({ REQUEST_METHOD: "GET", REQUEST_URI: "/page?id=1", HTTP_HOST: "example.com" });
const print = vi.spyOn(console, "error").mockImplementation(() => {});

afterEach(() => print.mockClear());

/** What was printed, call by call. */
function printed(): unknown[] {
  return print.mock.calls.map(([text]) => text);
}

function unreadable(): Error {
  return Object.defineProperty(new Error(), "name", {
    get() {
      throw new Error("on purpose");
    },
  });
}

describe("faultText", () => {
  it.each([
    [
      "a fault of the connection",
      undefined,
      new FastCgiError("protocol", "Cannot read a record: version 6"),
      "Cannot read a record: version 6",
    ],
    [
      "a fault of a request",
      request,
      new FastCgiError("malformedRequest", "the host is wrong"),
      "GET http://example.com/page?id=1: the host is wrong",
    ],
    [
      "a limit that the message does not name",
      request,
      new FastCgiError("timeout", "Cannot read the request", { limit: "readTimeout" }),
      "GET http://example.com/page?id=1: Cannot read the request (readTimeout)",
    ],
    [
      "the cause underneath",
      undefined,
      new FastCgiError("connectionClosed", "Cannot finish", {
        cause: Object.assign(new Error("write EPIPE"), { code: "EPIPE" }),
      }),
      "Cannot finish: Error: write EPIPE",
    ],
    [
      "a cause that the message has already",
      undefined,
      new Error("Cannot listen: EACCES", { cause: new Error("EACCES") }),
      "Error: Cannot listen: EACCES",
    ],
    [
      "errors that are only counted",
      undefined,
      new AggregateError([new Error("connect ECONNREFUSED ::1"), new Error("connect ECONNREFUSED 127.0.0.1")], ""),
      "AggregateError: Error: connect ECONNREFUSED ::1; Error: connect ECONNREFUSED 127.0.0.1",
    ],
    ["a thrown string", request, "no error", "GET http://example.com/page?id=1: no error"],
    ["a thrown null", undefined, null, "null"],
    ["a thrown object without a prototype", undefined, Object.create(null), "a value without text"],
    [
      "an error whose parts throw",
      request,
      unreadable(),
      "GET http://example.com/page?id=1: an error that can't be read",
    ],
  ])("faultText is one line with what is wrong when it is %s", (_, of, error, text) => {
    expect(faultText(error, of)).toBe(text);
  });

  it.each([
    [{ REQUEST_METHOD: "POST", REQUEST_URI: "/", SERVER_NAME: "site", HTTPS: "on" }, "POST https://site/"],
    [{ REQUEST_METHOD: "GET", REQUEST_URI: "/", SERVER_NAME: "site", HTTPS: "off" }, "GET http://site/"],
    [{ REQUEST_METHOD: "GET", REQUEST_URI: "http://other/x", HTTP_HOST: "site" }, "GET http://other/x"],
    [{ REQUEST_METHOD: "GET", SCRIPT_NAME: "/app", PATH_INFO: "/x", HTTP_HOST: "site" }, "GET http://site/app/x"],
    [{ REQUEST_METHOD: "GET", REQUEST_URI: utf8ToByteString("/café"), HTTP_HOST: "site" }, "GET http://site/café"],
    [{ SCRIPT_NAME: "/app" }, "Request 7"],
  ])("faultText names the request that %j describes", (params, text) => {
    expect(faultText(new FastCgiError("protocol", "x"), requestWith(params))).toBe(`${text}: x`);
  });

  it("faultText is one line that says nothing else, whatever the variables of the request are", () => {
    const names = ["REQUEST_METHOD", "REQUEST_URI", "SCRIPT_NAME", "PATH_INFO", "HTTP_HOST", "SERVER_NAME", "HTTPS"];
    const bytes = fc.string({ unit: fc.constantFrom("\n", "\r", "\0", "\x1b", "\x85", "\xe2\x80\xa8", "/", "a", " ") });
    fc.assert(
      fc.property(fc.record(Object.fromEntries(names.map((name) => [name, bytes]))), (params) => {
        const text = faultText(new FastCgiError("protocol", "x"), requestWith(params));
        expect(text).toMatch(/^[ -~\ufffd]*: x$/);
      }),
    );
  });

  it("faultText has the calls of an error of the application's own, and no others", () => {
    function failing(): Error {
      return new TypeError("cannot add\n    at a forged line", { cause: new Error("below") });
    }
    const [line, first, ...rest] = faultText(failing(), request).split("\n");
    expect(line).toBe("GET http://example.com/page?id=1: TypeError: cannot add\\n    at a forged line: Error: below");
    expect(first).toMatch(/^ {4}at failing \(.*print\.test\.ts:\d+:\d+\)$/);
    for (const frame of rest) expect(frame).toMatch(/^ {4}at /);
    expect(rest.length).toBeLessThan(10);
    expect(faultText(new FastCgiError("overloaded", "busy"), request)).not.toContain("\n");
    expect(faultText(new Error("accept failed"))).not.toContain("\n");
  });

  it("faultText is short when what a peer sends is long", () => {
    const long = "x".repeat(1_000_000);
    const params = { REQUEST_METHOD: long, REQUEST_URI: `/${long}`, HTTP_HOST: long };
    const error = new FastCgiError("protocol", long, { cause: new Error(`${long}y`) });
    expect(faultText(error, requestWith(params)).length).toBeLessThan(2_800);
  });

  it("faultText ends when an error is its own cause", () => {
    const error = new Error("turn");
    error.cause = new Error("round", { cause: error });
    expect(faultText(error)).toBe("Error: turn: Error: round: Error: turn: Error: round: Error: turn");
  });
});

describe("printable", () => {
  it("printable escapes every character that is more than text, and no other", () => {
    for (let code = 0; code <= 0x2fff; code++) {
      const character = String.fromCodePoint(code);
      const isText = !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(character);
      expect(printable(character, 10) === character, `U+${code.toString(16)}`).toBe(isText);
    }
    // C0, DEL, C1.
    for (let code = 0; code <= 0x9f; code++) {
      if (code < 0x20 || code > 0x7e)
        expect(printable(String.fromCharCode(code), 10)).toMatch(/^\\(?:[nrt]|x[0-9a-f]{2})$/);
    }
  });

  it.each([
    ["\u001b]0;title\u0007\u001b[31mred", "\\x1b]0;title\\x07\\x1b[31mred"],
    ["\u009b31mred", "\\x9b31mred"],
    ["a\r\nb\tc", "a\\r\\nb\\tc"],
    ["one\u2028two\u2029three\u0085four", "one\\u{2028}two\\u{2029}three\\x85four"],
    ["abc\u202edcba", "abc\\u{202e}dcba"],
    ["half \ud83d of one", "half \\u{d83d} of one"],
    ["naïve 日本 😀 100% %s", "naïve 日本 😀 100% %s"],
  ])("printable writes %j as %j", (text, escaped) => {
    expect(printable(text, 100)).toBe(escaped);
  });

  it("printable cuts what is too long, also what its escapes make so, and no character in two", () => {
    expect(printable("abcdef", 6)).toBe("abcdef");
    expect(printable("abcdef", 4)).toBe("abcd ... (6 characters)");
    expect(printable("\u001b".repeat(6), 6)).toBe("\\x1b\\x ... (6 characters)");
    expect(printable("abc😀de", 5)).toBe("abc😀 ... (7 characters)");
    expect(printable("\n😀", 3)).toBe("\\n ... (3 characters)");
  });
});

describe("what is printed", () => {
  it("printError prints a fault in one call", () => {
    printError(new FastCgiError("protocol", "bad\nrecord"), request);
    expect(printed()).toEqual(["GET http://example.com/page?id=1: bad\\nrecord"]);
  });

  it("printStderr prints a message without its end, and nothing when it is empty", () => {
    for (const message of ["a message", "two\nlines\n", "\n", "", `${"\n".repeat(500_000)}x`]) printStderr(message);
    const [one, two, long] = printed();
    expect([one, two]).toEqual(["a message", "two\\nlines"]);
    expect(printed()).toHaveLength(3);
    expect((long as string).length).toBeLessThan(8_300);
  });

  it("printApplicationStderr prints a message with the request", () => {
    printApplicationStderr("PHP message: \u001b[2Jgone\n", new Request("http://localhost/x?y", { method: "POST" }));
    expect(printed()).toEqual(["POST http://localhost/x?y: PHP message: \\x1b[2Jgone"]);
  });
});
