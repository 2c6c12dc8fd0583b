import { describe, expect, it } from "vitest";
import {
  CONTROL_BYTES,
  hasControlBytes,
  headerFromParam,
  isHopByHop,
  isNullBodyStatus,
  isReasonPhrase,
  isToken,
  paramFromHeader,
} from "../../../src/http/shared/header_rules.ts";

describe("headerFromParam", () => {
  it("headerFromParam turns HTTP_ variables into lower-case names with dashes", () => {
    const names = ["HTTP_HOST", "HTTP_X_UNDER_SCORE", "HTTP_X.DOT", "HTTP_X_", "HTTP__"].map(headerFromParam);
    expect(names).toEqual(["host", "x-under-score", "x.dot", "x-", "-"]);
  });

  it("headerFromParam makes nothing of variables that are no headers", () => {
    for (const param of [
      "REMOTE_USER",
      "HTTPS",
      "http_host",
      "HTTP_",
      "HTTP_A B",
      "HTTP_A:",
      "HTTP_\xe9",
      "HTTP_A\n",
    ]) {
      expect(headerFromParam(param), param).toBeNull();
    }
  });

  it("headerFromParam makes no header of an impostor, in any spelling", () => {
    // h2o passes "X.Dot" as it is, so a name can come with other characters than upper case and "_".
    const impostors = ["HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "HTTP_PROXY"];
    for (const param of impostors) {
      expect(headerFromParam(param), param).toBeNull();
      expect(headerFromParam(`HTTP_${param.slice(5).replaceAll("_", "-")}`), `${param} with dashes`).toBeNull();
      expect(headerFromParam(`HTTP_${param.slice(5).toLowerCase()}`), `${param} in lower case`).toBeNull();
    }
  });
});

describe("paramFromHeader", () => {
  it("paramFromHeader puts HTTP_ in front of every name, so that no header names another variable", () => {
    const params = ["Host", "X-Forwarded-For", "https", "Remote-User", "PHP-VALUE", "Script-Filename", "-"];
    expect(params.map(paramFromHeader)).toEqual([
      "HTTP_HOST",
      "HTTP_X_FORWARDED_FOR",
      "HTTP_HTTPS",
      "HTTP_REMOTE_USER",
      "HTTP_PHP_VALUE",
      "HTTP_SCRIPT_FILENAME",
      "HTTP__",
    ]);
  });

  it("paramFromHeader drops names that would collide, and names that programs trust", () => {
    const dropped = [
      ...["Remote_User", "Remote.User", "X!", "X'Y", "X~", "É", "a b", ""],
      ...["Proxy", "PROXY", "Redirect-Status", "Content-Length", "Content-Type", "Expect", "Proxy-Authorization"],
      ...["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"],
    ];
    for (const name of dropped) expect(paramFromHeader(name), name).toBeNull();
  });

  it("paramFromHeader is undone by headerFromParam", () => {
    for (const name of ["host", "x-a", "cookie", "x--a", "authorization"]) {
      expect(headerFromParam(paramFromHeader(name)!)).toBe(name);
    }
  });
});

describe("remembered rules", () => {
  it("headerFromParam and paramFromHeader answer the same, however many names they were asked about", () => {
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < 1000; index++) {
        const name = `x-${index}${"-y".repeat(index % 50)}`;
        const param = `HTTP_${name.replaceAll("-", "_").toUpperCase()}`;
        expect([paramFromHeader(name), headerFromParam(param)]).toEqual([param, name]);
        expect([paramFromHeader(`x_${index}`), headerFromParam(`X_${index}`)]).toEqual([null, null]);
      }
    }
  });
});

describe("header rules", () => {
  it("isHopByHop knows the headers of RFC 9110 7.6.1", () => {
    const names = ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];
    expect(names.every(isHopByHop)).toBe(true);
    expect(["content-length", "via", "host"].some(isHopByHop)).toBe(false);
  });

  it("isToken takes what RFC 9110 5.6.2 takes", () => {
    expect(["GET", "x-a", "!#$%&'*+-.^_`|~09azAZ"].every(isToken)).toBe(true);
    expect(["", " ", "a b", "a:", "a\n", "a\0", "é", "(a)", "a/b"].some(isToken)).toBe(false);
    // What a program gives that is no text.
    expect([5, null, undefined, ["GET"]].some((value) => isToken(value as never))).toBe(false);
  });

  it("hasControlBytes finds NUL, CR and LF anywhere", () => {
    expect(["\0", "a\r", "\nb", "a\r\nb"].every(hasControlBytes)).toBe(true);
    expect(["", "a\tb", "\x7f", "\xff"].some(hasControlBytes)).toBe(false);
  });

  it("CONTROL_BYTES are those that hasControlBytes finds", () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
    expect(bytes.filter(hasControlBytes)).toEqual([...CONTROL_BYTES].sort());
  });

  it("isReasonPhrase takes what RFC 9112 4 takes", () => {
    expect(["", "Not Found", "a\tb", "caf\xe9", "~"].every(isReasonPhrase)).toBe(true);
    expect(["a\nb", "a\r", "\0", "a\x7f", "\u20ac", "\na"].some(isReasonPhrase)).toBe(false);
  });

  it("isNullBodyStatus knows the statuses that Fetch gives no body", () => {
    expect([101, 103, 204, 205, 304].every(isNullBodyStatus)).toBe(true);
    expect([200, 206, 302, 404, 500].some(isNullBodyStatus)).toBe(false);
  });
});
