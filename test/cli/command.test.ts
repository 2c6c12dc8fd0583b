import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { FastCgiTcpConnector, Role, serve } from "../../adapters/node/index.ts";
import { applicationRules } from "../../cli/check/application/check.ts";
import { connectionRules, requestRules } from "../../cli/check/server/report.ts";
import { FastCgiClient } from "../../src/toolkit.ts";
import { freePort } from "../support/free_port.ts";
import { deferred } from "../support/open_stream.ts";
import { waitUntil } from "../support/process.ts";
import { textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { fetchcgi, findingsOf } from "./run.ts";

failOnUnhandledRejections();

const conformance = readFileSync(
  fileURLToPath(new URL("../../specifications/conformance.md", import.meta.url)),
  "utf8",
);
const rows = [...conformance.matchAll(/^\| ([A-Z]+-[\w.-]+) *\|/gm)].map((match) => match[1]);
const ruleGroups = [...applicationRules, ...requestRules, connectionRules];

describe("fetchcgi check", () => {
  it("checks no rule that specifications/conformance.md does not have", () => {
    const ids = ruleGroups.flatMap(({ rules }) => rules.map(({ id }) => id));
    expect(ids.filter((id) => !rows.includes(id))).toEqual([]);
    expect(new Set(ids).size).toBeGreaterThan(50);
  });

  it("names every check differently", () => {
    const names = [applicationRules, requestRules].map((groups) =>
      groups.flatMap(({ rules }) => rules.map(({ id, title }) => `${id} ${title}`)),
    );
    for (const list of names) expect(new Set(list).size).toBe(list.length);
  });

  it("sends the risky checks only after a warning, and none of them with --safe", async () => {
    const asked = [];
    const server = await serve({
      port: 0,
      onError: () => {},
      fetch: (_, { params }) => new Response([...params].map(([name, value]) => `${name}=${value}\0`).join("")),
    });
    onTestFinished(() => server.close({ timeout: 100 }));
    const { port } = server.address as { port: number };
    const args = ["check", "application", String(port), "--json", "--timeout", "5000"];
    for (const more of [[], ["--safe"]]) asked.push(await fetchcgi([...args, ...more]));
    const [all, safe] = asked;
    expect(all!.errors).toContain("some checks make some applications hang or crash");
    expect(all!.errors).toContain("--safe");
    expect(safe!.errors).toBe("");
    const risky = applicationRules.flatMap(({ rules }) => rules.filter(({ isRisky }) => isRisky));
    expect(risky.length).toBeGreaterThan(20);
    expect(JSON.parse(safe!.text).leftOut).toBe(risky.length);
    const sent = findingsOf(safe!);
    expect(sent.length).toBe(findingsOf(all!).length - risky.length);
    expect(sent.filter(({ id, title }) => risky.some((rule) => rule.id === id && rule.title === title))).toEqual([]);
  });

  it("says what to do about arguments that are wrong", async () => {
    const cases: [args: string[], message: string][] = [
      [["check", "application"], "Cannot read the arguments: expected ADDRESS, got nothing"],
      [["check", "application", "1", "2"], 'Cannot read the arguments: expected ADDRESS, got "1" "2"'],
      [["check", "application", "nowhere"], 'Cannot connect to "nowhere": expected unix:/path, /path or host:port'],
      [["check", "application", "9000", "--param", "=x"], 'Cannot use --param: expected NAME=VALUE, got "=x"'],
      [
        ["check", "application", "9000", "--timeout", "0"],
        'Cannot use --timeout: expected a whole number from 1 to 999999999, got "0"',
      ],
      [["check", "server"], "Cannot read the arguments: expected --listen ADDRESS, got none"],
      [
        ["check", "server", "--listen", "9000", "--mode", "688"],
        'Cannot use --mode: expected three digits from 0 to 7, got "688"',
      ],
      [
        ["check", "application", "9000", "--uri", "page"],
        'Cannot use --uri: expected a path such as /ping, got "page"',
      ],
      [
        ["check", "application", "9000", "--body-uri", "http://localhost/"],
        'Cannot use --body-uri: expected a path such as /ping, got "http://localhost/"',
      ],
      [
        ["check", "server", "--listen", "9000", "--mode", "666"],
        'Cannot use --mode: expected --listen unix:/path beside it, got "9000"',
      ],
      [
        ["serve", "app.ts", "--listen", "tcp:127.0.0.1:9000", "--take-over"],
        'Cannot use --take-over: expected --listen unix:/path beside it, got "tcp:127.0.0.1:9000"',
      ],
      [
        ["serve", "app.ts", "--mode=660", "--listen", "fd:0", "--print", "nginx"],
        'Cannot use --mode: expected --listen unix:/path beside it, got "fd:0"',
      ],
      [["serve", "app.ts", "--take-over"], "Cannot use --take-over: expected --listen unix:/path beside it, got none"],
      [
        ["check", "server", "--listen", "9000", "--requests", "-1"],
        "Cannot use --requests: expected a whole number from 1 to",
      ],
      [["check", "server", "--listen", "9000", "--url", "nowhere"], "Cannot use --url: expected a URL"],
      [["check", "server", "--listen", "9000", "--url", "ftp://a/"], "Cannot use --url: expected a URL"],
    ];
    for (const [args, message] of cases) {
      const { code, text, errors } = await fetchcgi(args);
      expect(errors).toContain(message);
      expect(text).toBe("");
      expect(code).toBe(2);
    }
  });

  it("ends with 2 when nobody listens at the address", async () => {
    const { code, errors } = await fetchcgi(["check", "application", `127.0.0.1:${await freePort()}`]);
    expect(errors).toContain("nothing listens there; is the application running?");
    expect(code).toBe(2);
  });

  it("ends with 2 when nobody answers a plain request", async () => {
    const { createServer } = await import("node:net");
    const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await waitUntil(() => server.listening);
    const { port } = server.address() as { port: number };
    const { code, errors } = await fetchcgi(["check", "application", String(port)]);
    expect(errors).toContain("a plain GET is not answered, Cannot decode a record: expected version 1, got 72");
    expect(code).toBe(2);
  });
});

describe("fetchcgi check server", () => {
  it("answers with a report on the request, and ends after so many", async () => {
    const port = await freePort();
    const checked = fetchcgi(["check", "server", "--listen", String(port), "--requests", "1"]);
    await waitUntil(() => accepts(port));
    const client = new FastCgiClient(new FastCgiTcpConnector({ port }));
    onTestFinished(() => client.close());
    const { stdout } = await client.send({
      role: Role.Responder,
      params: [
        ["REQUEST_METHOD", "GET"],
        ["REQUEST_URI", "/page"],
        ["SCRIPT_NAME", "/page"],
        ["SERVER_NAME", "example.com:80"],
      ],
    });
    const page = await textFrom(stdout);
    expect(page).toMatch(/^kept +CGI-4\.1\.12-1 +REQUEST_METHOD is set$/m);
    expect(page).toMatch(/^broken +CGI-4\.1\.14-1 +SERVER_NAME .*\n +it is "example\.com:80"$/m);
    expect(page).toContain("\n  SCRIPT_NAME=/page\n");
    const { code, text, errors } = await checked;
    expect(errors).toBe(`fetchcgi: listening on 127.0.0.1:${port}`);
    expect(text).toContain("GET /page 4 variables, 0 bytes of STDIN");
    expect(text).toMatch(/there is no QUERY_STRING \(1 of 1 requests\)/);
    expect(text).toMatch(/^failed: \d+ kept, 7 broken/m);
    expect(code).toBe(1);
  });

  it("prints no control characters that came, and the port that the system chose", async () => {
    const written: string[] = [];
    const listening = deferred<number>();
    const checked = fetchcgi(["check", "server", "--listen", "127.0.0.1:0", "--requests", "1"], {
      terminal: {
        async write(data) {
          written.push(String(data));
          const port = /listening on 127\.0\.0\.1:(\d+)/.exec(String(data))?.[1];
          if (port !== undefined) listening.resolve(Number(port));
        },
      },
    });
    const client = new FastCgiClient(new FastCgiTcpConnector({ port: await listening.promise }));
    onTestFinished(() => client.close());
    const params: [string, string][] = [
      ["REQUEST_METHOD", "G\u0007T"],
      ["REQUEST_URI", "/\u001b[2J"],
    ];
    const { stdout } = await client.send({ role: Role.Responder, params });
    await textFrom(stdout);
    await checked;
    expect(written.join("")).toContain("G·T /·[2J 2 variables");
    for (const character of ["\u0007", "\u001b"]) expect(written.join("")).not.toContain(character);
  });

  it("reports what is no FastCGI, and ends when it is interrupted", async () => {
    const port = await freePort();
    const controller = new AbortController();
    const checked = fetchcgi(["check", "server", "--listen", String(port), "--json"], { signal: controller.signal });
    await waitUntil(() => accepts(port));
    await new Promise<void>((resolve) => {
      const socket = createConnection(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\n\r\n"));
      socket.once("close", () => resolve()).resume();
    });
    controller.abort();
    const run = await checked;
    const broken = findingsOf(run).filter(({ verdict }) => verdict === "broken");
    expect(broken.map(({ id, reason }) => [id, reason])).toEqual([
      ["FCGI-3.3-2", expect.stringContaining("expected version 1, got 71")],
    ]);
    expect(run.code).toBe(1);
  });

  it("says so when no request has come", async () => {
    const { text, code } = await fetchcgi(["check", "server", "--listen", String(await freePort())], {
      signal: AbortSignal.abort(),
    });
    expect(text).toBe("\nNo request has come.");
    expect(code).toBe(2);
  });
});

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
