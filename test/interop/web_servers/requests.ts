// Cases: what the application gets.

import { httpRequest } from "../../support/http.ts";
import { exchangeHttp, parseResponse } from "../../support/http_message.ts";
import { patternBytes, patternChunks, patternSha256 } from "../../support/pattern.ts";
import { rawExchange } from "../../support/raw_connection.ts";
import type { Echo } from "../../support/web_servers/application.ts";
import { type Case, echo, orRefused, rawEcho, rawRequest, within } from "./case.ts";

const MiB = 1024 * 1024;
const basicAuth = `Authorization: Basic ${btoa("mallory:guessed")}\r\n`;
const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW"];

export const requestCases: readonly Case[] = [
  {
    name: "request.method is what the client sent",
    expected: methods.join(" "),
    async run(world) {
      const seen: string[] = [];
      for (const method of methods) {
        const headers = { "content-length": 0 };
        seen.push(await orRefused(async () => (await echo(world, "/echo", { method, headers })).method));
      }
      return seen.join(" ");
    },
  },
  {
    name: "request.url, headers and REMOTE_ADDR are those of the client",
    expected: {
      url: "http://example.test:8080/echo/a/b?x=1",
      host: "example.test:8080",
      own: "value",
      address: "127.0.0.1",
    },
    run: (world) =>
      orRefused(async () => {
        const headers = { host: "example.test:8080", "x-own": "value" };
        const seen = await echo(world, "/echo/a/b?x=1", { headers });
        return {
          url: seen.url,
          host: seen.headers.host,
          own: seen.headers["x-own"],
          address: seen.params.REMOTE_ADDR,
        };
      }),
  },
  {
    name: "request.body is empty when there is none",
    expected: { body: "", length: null },
    async run(world) {
      const { body, headers } = await echo(world, "/echo");
      return { body, length: headers["content-length"] ?? null };
    },
  },
  {
    name: "request.body is whole when it is small",
    expected: { body: "name=J%C3%BCrgen", length: "16", type: "application/x-www-form-urlencoded" },
    async run(world) {
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const seen = await echo(world, "/echo", { method: "POST", body: "name=J%C3%BCrgen", headers });
      return { body: seen.body, length: seen.headers["content-length"], type: seen.headers["content-type"] };
    },
  },
  {
    name: "request.body is whole when it has 10 MiB",
    expected: `${10 * MiB} ${patternSha256(10 * MiB)}`,
    run: (world) => digest(world.url, 10 * MiB, { "content-length": 10 * MiB }),
  },
  {
    name: "request.body is whole when it is small and chunked",
    expected: `1000 ${patternSha256(1000)}`,
    run: (world) => digest(world.url, 1000),
  },
  {
    name: "request.body is whole when it has 10 MiB and is chunked",
    expected: `${10 * MiB} ${patternSha256(10 * MiB)}`,
    run: (world) => digest(world.url, 10 * MiB),
  },
  {
    name: "request.headers has no Transfer-Encoding when the upload is chunked",
    expected: { body: "chunked", encoding: null },
    async run(world) {
      const body = [Buffer.from("chun"), Buffer.from("ked")];
      const seen = await echo(world, "/echo", { method: "POST", body });
      return { body: seen.body, encoding: seen.headers["transfer-encoding"] ?? null };
    },
  },
  {
    name: "request.headers has 90 fields",
    expected: 90,
    run: (world) =>
      orRefused(async () => {
        const fields = Array.from({ length: 90 }, (_, i) => [`x-field-${i}`, `value ${i}`] as const);
        const { headers } = await echo(world, "/echo", { headers: Object.fromEntries(fields) });
        return fields.filter(([name, value]) => headers[name] === value).length;
      }),
  },
  {
    name: "request.headers has a field of 6 KB",
    expected: 6000,
    run: (world) =>
      orRefused(
        async () => (await echo(world, "/echo", { headers: { "x-long": "v".repeat(6000) } })).headers["x-long"]?.length,
      ),
  },
  {
    name: "request.headers has fields that came in several lines",
    expected: { cookie: "a=1; b=2", "x-several": "1, 2" },
    async run(world) {
      // Fields that get variables of their own stand in between.
      const between = "Content-Type: text/plain\r\nContent-Length: 0\r\nReferer: r\r\n";
      const lines = `Cookie: a=1\r\nX-Several: 1\r\n${between}${basicAuth}Cookie: b=2\r\nX-Several: 2\r\n`;
      const { headers } = await rawEcho(world, "/echo", lines);
      return { cookie: headers.cookie, "x-several": headers["x-several"] };
    },
  },
  {
    name: "request.headers keeps bytes that are not ASCII",
    expected: "gr\xc3\xbcn \xff",
    async run(world) {
      return (await rawEcho(world, "/echo", "X-Bytes: gr\xc3\xbcn \xff\r\n")).headers["x-bytes"];
    },
  },
  {
    name: "request.headers has no Proxy field",
    expected: null,
    async run(world) {
      return (await rawEcho(world, "/echo", "Proxy: http://evil.test\r\n")).headers.proxy ?? null;
    },
  },
  {
    name: "request.headers has no X-User when the client sends X_User",
    expected: null,
    async run(world) {
      return (await rawEcho(world, "/echo", "X_User: mallory\r\n")).headers["x-user"] ?? null;
    },
  },
  {
    name: "request.headers has Authorization",
    expected: "Basic bWFsbG9yeTpndWVzc2Vk",
    async run(world) {
      return (await rawEcho(world, "/echo", basicAuth)).headers.authorization ?? null;
    },
  },
  {
    name: "REMOTE_USER is nobody whom the web server has not checked",
    expected: "",
    async run(world) {
      return (await rawEcho(world, "/echo", basicAuth)).params.REMOTE_USER ?? "";
    },
  },
  path("is percent-encoded UTF-8", "/echo/caf%C3%A9/%2e%7e%41?q=%c3%bc"),
  path("is percent-encoded and not UTF-8", "/echo/%ff?q=%fe"),
  path("is raw UTF-8", "/echo/caf\xc3\xa9?q=\xc3\xbc", "/echo/caf%C3%A9?q=%C3%BC"),
  path("has raw bytes that are not UTF-8", "/echo/\xff?q=\xfe", "/echo/%FF?q=%FE"),
  path("has an encoded slash", "/echo/a%2Fb"),
  path("has empty segments", "/echo//a///b"),
  path("has reserved characters", "/echo/a;b=c,d@e:f!$&'()*+~"),
  path("has a query that no form would make", "/echo?a=1&&b=&=c&d=%zz&e=100%&f=+%20+&g?h=/../i//j&[]={}|^`"),
  path("has an empty query", "/echo?"),
  path("came in absolute form", "http://example.test/echo?x=1", "/echo?x=1"),
  {
    name: "request.url has the host of an absolute form that names another one than Host",
    expected: "http://other.test/echo",
    run: (world) => orRefused(async () => (await rawEcho(world, "http://other.test/echo")).url),
  },
  {
    name: "the application gets no request whose host is another one in a URL",
    expected: "400 400 400 400",
    async run(world) {
      const statuses: number[] = [];
      for (const host of ["admin%2etest", "127.1", "0x7f.1:80", "2130706433"]) {
        statuses.push((await exchangeHttp(world.port, "GET /echo", `Host: ${host}\r\n`)).status);
      }
      return statuses.join(" ");
    },
  },
  {
    name: "the application answers a request without Host",
    expected: { status: 200, host: null },
    async run(world) {
      const { status, body } = parseResponse(await rawExchange(world.port, "GET /echo HTTP/1.0\r\n\r\n"));
      return { status, host: (JSON.parse(body) as Echo).headers.host ?? null };
    },
  },
  {
    name: "request.url leads to no path that the web server has not looked at",
    expected: "not at /echo",
    async run(world) {
      const targets = ["/echo//../x", "/x%2Fy/../../echo%2F../x", "/echo/..%2Fx", "/x#/../../echo"];
      const at: string[] = [];
      for (const target of targets) {
        const { status, body } = await rawRequest(world, `GET ${target}`);
        if (status === 200 && new URL((JSON.parse(body) as Echo).url).pathname.startsWith("/echo")) at.push(target);
      }
      return at.length === 0 ? "not at /echo" : `at /echo by ${at.join(" ")}`;
    },
  },
  {
    name: "the client gets a 431 when the variables have more than maxParamsBytes",
    expected: 431,
    async run(world) {
      const value = "v".repeat(6500);
      return (await rawRequest(world, "GET /echo", `X-One: ${value}\r\nX-Two: ${value}\r\n`)).status;
    },
  },
  {
    name: "the client gets a 431 when a field has 60 KB",
    expected: 431,
    async run(world) {
      return (await rawRequest(world, "GET /echo", `X-Long: ${"v".repeat(60_000)}\r\n`)).status;
    },
  },
  {
    name: "request.body has each piece before the client sends the next",
    expected: "streams",
    async run({ url, control }, patience) {
      const key = control.key();
      async function* pieces(): AsyncGenerator<Uint8Array> {
        yield patternBytes(1000);
        outcome = (await within(control.happened(`${key}:0`), patience)) === "never" ? "waits for the end" : "streams";
        yield patternBytes(1000, 1000);
      }
      let outcome = "refused";
      const headers = { "content-length": 2000 };
      const { status } = await httpRequest(`${url}/pieces/${key}`, { method: "POST", headers, body: pieces() });
      return status === 200 ? outcome : `refused: ${status}`;
    },
  },
];

/** The URL is what the client asked for, byte by byte. */
function path(when: string, target: string, expected = target): Case {
  return {
    name: `request.url is whole when it ${when}`,
    expected: `http://example.test${expected}`,
    run: (world) => orRefused(async () => (await rawEcho(world, target)).url),
  };
}

async function digest(url: string, bytes: number, headers: Record<string, number> = {}): Promise<string> {
  const body = patternChunks(bytes);
  // A server that refuses may close before it has read what we still send.
  const response = await httpRequest(`${url}/digest`, { method: "POST", headers, body }).catch(() => null);
  return response?.status === 200 ? response.text() : "refused";
}
