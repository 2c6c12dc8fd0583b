// What nginx users write around `include fastcgi_params`, with the file of their distribution.

import { afterEach, describe, expect, it } from "vitest";
import { exchangeHttp, parseResponse } from "../../support/http_message.ts";
import { rawExchange } from "../../support/raw_connection.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";
import type { Echo } from "../../support/web_servers/application.ts";
import { nginx } from "../../support/web_servers/servers.ts";
import { startSetup, type World } from "../../support/web_servers/setup.ts";

failOnUnhandledRejections();

const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

/** The example with the battery's application behind it, and more directives in its location or its server. */
async function start({ location = "", server = "" } = {}): Promise<World> {
  const edit = (config: string): string =>
    config
      .replace(/fastcgi_param HTTP_HOST .*/, location === "" ? "$&" : location)
      .replace("client_max_body_size", `${server}\nclient_max_body_size`);
  const world = await startSetup({ server: nginx, example: "nginx/site.conf", edit });
  worlds.push(world);
  return world;
}

async function echo(world: World, start: string, lines: string, body = ""): Promise<Echo> {
  const response = await exchangeHttp(world.port, start, lines, body);
  expect(response.status).toBe(200);
  return JSON.parse(response.body);
}

describe("nginx, variables behind `include fastcgi_params`", () => {
  const cases: readonly (readonly [location: string, seen: Partial<Echo>])[] = [
    [
      "fastcgi_param HTTP_HOST $http_host;",
      { url: "http://example.test:8080/echo?x=1", method: "POST", body: "hello" },
    ],
    ["fastcgi_param HTTP_HOST Other.test;", { url: "http://other.test/echo?x=1" }],
    ["fastcgi_param HTTP_HOST $host:8443; fastcgi_param HTTPS on;", { url: "https://example.test:8443/echo?x=1" }],
    ["fastcgi_param REQUEST_URI /echo/other?y=2;", { url: "http://example.test/echo/other?y=2" }],
    ["fastcgi_param REQUEST_METHOD PUT;", { method: "PUT", body: "hello" }],
    ["fastcgi_param QUERY_STRING y=2;", { url: "http://example.test/echo?y=2" }],
    ['fastcgi_param QUERY_STRING "";', { url: "http://example.test/echo" }],
    ["fastcgi_param CONTENT_TYPE text/html;", { body: "hello" }],
    ['fastcgi_param CONTENT_LENGTH "";', { method: "POST", body: "hello" }],
    ['fastcgi_param CONTENT_LENGTH ""; fastcgi_pass_request_body off;', { method: "POST", body: "" }],
    ["fastcgi_param SERVER_PROTOCOL HTTP/1.0;", { method: "POST", body: "hello" }],
    ["include fastcgi_params;", { url: "http://example.test/echo?x=1", method: "POST", body: "hello" }],
  ];

  it.each(cases)("the application gets the later value when the configuration says %s", async (location, expected) => {
    const world = await start({ location });
    const lines = "Host: Example.test:8080\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n";
    expect(await echo(world, "POST /echo?x=1", lines, "hello")).toMatchObject(expected);
  });

  it("the application gets the later value of a header that is set in two files", async () => {
    const location = `
      fastcgi_param HTTP_X_USER none;
      fastcgi_param HTTP_COOKIE "";
      include fastcgi_params;
      fastcgi_param HTTP_X_USER alice;
      fastcgi_param HTTP_COOKIE $http_cookie;`;
    const world = await start({ location });
    const { headers } = await echo(world, "GET /echo", "Host: a.test\r\nX-User: mallory\r\nCookie: a=1\r\n");
    expect(headers).toMatchObject({ "x-user": "alice", cookie: "a=1" });
  });
});

describe("nginx, the host", () => {
  it.each(["_", '""', "*.example.com", "www.example.*", '"~^(www\\\\.)?.*$"', "--", '"!@#"'])(
    "the application answers a request without Host when server_name is %s",
    async (name) => {
      for (const location of ["", "fastcgi_param HTTP_HOST $host;", "fastcgi_param HTTP_HOST $host:$server_port;"]) {
        const world = await start({ location, server: `server_name ${name};` });
        const { status, body } = parseResponse(await rawExchange(world.port, "GET /echo HTTP/1.0\r\n\r\n"));
        expect(status, location).toBe(200);
        const { url, headers }: Echo = JSON.parse(body);
        expect([url, headers.host], location).toEqual(["http://localhost/echo", undefined]);
        await world.stop();
      }
    },
  );

  it("the application gets the host that nginx has chosen its site by, with the client's port", async () => {
    const world = await start();
    const table: readonly (readonly [target: string, host: string, url: string])[] = [
      ["/echo", "example.test", "http://example.test/echo"],
      ["/echo", "Example.TEST:8080", "http://example.test:8080/echo"],
      ["/echo", "example.test.:8080", "http://example.test/echo"],
      ["/echo", "[2001:DB8::1]:8080", "http://[2001:db8::1]:8080/echo"],
      ["http://example.test/echo", "example.test:8080", "http://example.test:8080/echo"],
      ["http://example.test/echo", "other.test:8080", "http://example.test/echo"],
      ["http://example.test:81/echo", "other.test:8080", "http://example.test/echo"],
    ];
    for (const [target, host, url] of table) {
      const seen = await echo(world, `GET ${target}`, `Host: ${host}\r\n`);
      expect([seen.url, seen.headers.host], `${target} ${host}`).toEqual([url, new URL(url).host]);
    }
  });

  it("the application gets no request that nginx has sent to another site than its URL says", async () => {
    const world = await start({ server: "server_name example.test;" });
    for (const host of ["admin%2etest", "127.1", "0x7f.1:8080", "[0::1]", "a^b"]) {
      const { status } = await exchangeHttp(world.port, "GET /echo", `Host: ${host}\r\n`);
      expect(status, host).toBe(400);
    }
  });
});
