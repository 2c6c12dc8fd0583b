import { describe, expect, it } from "vitest";
import { hostFromParams, type RequestHost } from "../../../src/http/serve/request_host.ts";
import { FastCgiError } from "../../../src/index.ts";

function hostOf(params: Record<string, string>): RequestHost {
  return hostFromParams(new Map(Object.entries(params)));
}

/** The message with which HTTP_HOST is refused, or the origin that it gives. */
function outcomeOf(host: string, more: Record<string, string> = {}): string {
  try {
    return hostOf({ HTTP_HOST: host, ...more }).origin;
  } catch (error) {
    if (error instanceof FastCgiError && error.code === "malformedRequest") return error.message;
    throw error;
  }
}

describe("hostFromParams: hosts that the URL parser changes", () => {
  // nginx 1.22.1, HAProxy 2.6.12, Caddy 2.6.2 and h2o 2.2.5 pass most of them to their default site.
  const changed: readonly (readonly [host: string, becomes: string])[] = [
    ["admin%2etest", "admin.test"],
    ["%61dmin.test", "admin.test"],
    ["%41DMIN.test:8080", "admin.test"],
    ["%ef%bd%81dmin.test", "admin.test"],
    ["admin%c2%ad.test", "admin.test"],
    ["caf%C3%A9.test", "xn--caf-dma.test"],
    ["127.1", "127.0.0.1"],
    ["127.0.1:80", "127.0.0.1"],
    ["0x7f.1", "127.0.0.1"],
    ["0X7F000001", "127.0.0.1"],
    ["0177.0.0.1", "127.0.0.1"],
    ["127.0.0.01", "127.0.0.1"],
    ["2130706433", "127.0.0.1"],
    ["127.0.0.1.", "127.0.0.1"],
    ["1", "0.0.0.1"],
    ["[0:0:0:0:0:0:0:1]", "[::1]"],
    ["[::0001]:8080", "[::1]"],
    ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]"],
  ];

  it.each(changed)("hostFromParams refuses %s, which is %s in a URL", (host, becomes) => {
    expect(outcomeOf(host)).toBe(
      `Cannot build a request: the host is ${JSON.stringify(host)}, which a URL takes for "${becomes}"`,
    );
    // Apache, lighttpd, Caddy and HAProxy repeat the Host in SERVER_NAME.
    expect(outcomeOf(host, { SERVER_NAME: host })).toContain("Cannot build a request");
    expect(outcomeOf(host, { SERVER_NAME: host, HTTPS: "on" })).toContain("Cannot build a request");
  });

  it.each([
    "999.999.999.999",
    "256.0.0.1",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "::1",
    "[::1",
    "a:b",
    "a:1:2",
    "%",
    "a%zz",
  ])("hostFromParams refuses %s, which is no host", (host) => {
    expect(outcomeOf(host)).toBe(`Cannot build a request: the host is ${JSON.stringify(host)}`);
  });

  it("hostFromParams takes hosts of which only the case, or the way to write the port, changes", () => {
    const same: readonly (readonly [host: string, origin: string])[] = [
      ["ADMIN.Test", "http://admin.test"],
      ["Admin.test:8080", "http://admin.test:8080"],
      ["admin.test:080", "http://admin.test"],
      ["admin.test:", "http://admin.test"],
      ["admin.test.", "http://admin.test."],
      ["xn--caf-dma.test", "http://xn--caf-dma.test"],
      ["a_b.test", "http://a_b.test"],
      ["a--b.test", "http://a--b.test"],
      ["1and1.test", "http://1and1.test"],
      ["0x7f.test", "http://0x7f.test"],
      ["10.0.0.1:443", "http://10.0.0.1:443"],
      ["[2001:DB8::1]:8080", "http://[2001:db8::1]:8080"],
      ["[::]", "http://[::]"],
    ];
    for (const [host, origin] of same) expect(hostOf({ HTTP_HOST: host }), host).toEqual({ origin, field: host });
    expect(hostOf({ HTTP_HOST: "a.test:443", HTTPS: "on" }).origin).toBe("https://a.test");
  });

  it("hostFromParams remembers no host that is very long", () => {
    const host = `${"a".repeat(400)}.test`;
    expect(outcomeOf(host)).toBe(`http://${host}`);
  });
});

describe("hostFromParams: no Host at all", () => {
  /** What `server_name` of nginx can hold that no client asks for. */
  const names = [
    ...["_", "", "*", "--", "-", "!@#", "~^(www\\.)?.*$", "~.", "~^(?<site>[a-z]+)\\.test$", "*.example.com"],
    ...["www.example.*", "two words", "caf\xc3\xa9.test", "<none>"],
  ];

  it.each(names)("hostFromParams gives localhost, and no host field, when nginx fills in %j", (name) => {
    const none = { origin: "http://localhost", field: null };
    const server = { SERVER_NAME: name, SERVER_PORT: "8080" };
    expect(hostOf(server)).toEqual(none);
    expect(hostOf({ ...server, HTTP_HOST: "" })).toEqual(none);
    // Debian's fastcgi_params set HTTP_HOST to $host, and others to $host:$server_port.
    expect(hostOf({ ...server, HTTP_HOST: name })).toEqual(none);
    expect(hostOf({ ...server, HTTP_HOST: `${name}:8080` })).toEqual(none);
  });

  it("hostFromParams takes SERVER_NAME and SERVER_PORT where the name is one that a client could ask for", () => {
    expect(hostOf({ SERVER_NAME: "example.com", SERVER_PORT: "8080" })).toEqual({
      origin: "http://example.com:8080",
      field: null,
    });
    expect(hostOf({ HTTP_HOST: "*", SERVER_NAME: "default", SERVER_PORT: "80" })).toEqual({
      origin: "http://default",
      field: null,
    });
    expect(hostOf({ HTTP_HOST: "example.com", SERVER_NAME: "example.com", SERVER_PORT: "8080" })).toEqual({
      origin: "http://example.com",
      field: "example.com",
    });
  });

  it("hostFromParams gives localhost when SERVER_NAME is no host, or another one in a URL", () => {
    for (const name of ["admin%2etest", "127.1", "a:b", "[", "a\nb", "999.999.999.999"]) {
      expect(hostOf({ SERVER_NAME: name }).origin, name).toBe("http://localhost");
    }
  });

  it("hostFromParams refuses the same names when a client asks for them", () => {
    for (const name of ["!@#", "~^(www\\.)?.*$", "two words", "caf\xc3\xa9.test"]) {
      expect(outcomeOf(name, { SERVER_NAME: "example.com" }), name).toContain("the host is");
    }
  });
});

it("hostFromParams takes the web server's own name for no host of the client when no client can ask for it", () => {
  const none = { origin: "http://localhost", field: null };
  expect(hostOf({ HTTP_HOST: "_", SERVER_NAME: "_" })).toEqual(none);
  expect(hostOf({ HTTP_HOST: "_:8080", SERVER_NAME: "_", SERVER_PORT: "8080" })).toEqual(none);
  // These are other hosts than the web server's name and port.
  expect(hostOf({ HTTP_HOST: "_:9090", SERVER_NAME: "_", SERVER_PORT: "8080" })).toEqual({
    origin: "http://_:9090",
    field: "_:9090",
  });
  expect(hostOf({ HTTP_HOST: "_:", SERVER_NAME: "_", SERVER_PORT: "" })).toEqual({ origin: "http://_", field: "_:" });
});

it.each([
  ["~^www", "80", "http://localhost"],
  ["a~b.test", "80", "http://a~b.test"],
  ["a.b:99", "8080", "http://a.b:99"],
  ["a.test:65535", "8080", "http://a.test:65535"],
  ["a.test", "8080x", "http://a.test"],
  ["a.test", "x8080", "http://a.test"],
  ["a.test", "123456", "http://a.test"],
  ["a.test", "65535", "http://a.test:65535"],
  ["a.test", "1", "http://a.test:1"],
])("hostFromParams makes of the name %s and the port %s of the web server %s", (name, port, origin) => {
  expect(hostOf({ SERVER_NAME: name, SERVER_PORT: port })).toEqual({ origin, field: null });
});
