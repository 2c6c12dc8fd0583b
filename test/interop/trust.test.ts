// What each party can do to the others, and what it can't, between real programs: the rows of SECURITY.md.

import { spawn } from "node:child_process";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  FastCgiHttpClient,
  type FastCgiListener,
  FastCgiTcpConnector,
  type ServeOptions,
  serve,
} from "../../adapters/node/index.ts";
import { encodeEndRequestBody, ProtocolStatus, RecordType } from "../../src/toolkit.ts";
import { fastCgiLocation, type Nginx, startNginx } from "../support/nginx.ts";
import { RawConnection, rawExchange } from "../support/raw_connection.ts";
import { bytesOf, record, recordsIn, request, textOf } from "../support/records.ts";
import { TcpBackend } from "../support/tcp_backend.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

let folder: TemporaryDirectory;
let sockets = 0;

beforeAll(async () => {
  folder = await createTemporaryDirectory("trust");
});

afterAll(() => folder.remove());

/** Serves on a Unix socket until the test is over. Returns its path. */
async function served(fetch: ServeOptions["fetch"]): Promise<string> {
  const path = join(folder.path, `${++sockets}.sock`);
  const server = await serve({ path, fetch, onError: () => {} });
  onTestFinished(() => server.close({ timeout: 1000 }));
  return path;
}

/** What a handler sees of a request that is not the client's to choose. */
interface Seen {
  readonly url: string;
  readonly proxy: string | null;
  readonly params: Record<string, string>;
}

const showing: ServeOptions["fetch"] = ({ url, headers }, { params }) => {
  const own = [...params].filter(([name]) => !name.startsWith("HTTP_"));
  return Response.json({ url, proxy: headers.get("proxy"), params: Object.fromEntries(own) } satisfies Seen);
};

describe("the HTTP client behind a web server", () => {
  it("changes no variable of the web server, whatever the names of its fields are", async () => {
    // The web server that lets most through.
    const nginx = await startNginx({
      locations: [fastCgiLocation({ path: await served(showing) })],
      server: "underscores_in_headers on; ignore_invalid_headers off;",
    });
    onTestFinished(() => nginx.stop());
    const ask = async (fields: readonly string[]): Promise<Seen> => {
      const lines = ["Host: site.test", "Connection: close", ...fields].map((field) => `${field}\r\n`).join("");
      const [, body = ""] = (await rawExchange(nginx.port, `GET /a?b HTTP/1.0\r\n${lines}\r\n`)).split("\r\n\r\n", 2);
      const seen: Seen = JSON.parse(body);
      // Each connection has its own.
      delete seen.params.REMOTE_PORT;
      return seen;
    };
    const truth = await ask([]);
    expect(truth).toMatchObject({
      url: "http://site.test/a?b",
      params: { REMOTE_ADDR: "127.0.0.1", REQUEST_METHOD: "GET" },
    });
    const variables = [
      ...Object.keys(truth.params),
      ...["PROXY", "PHP_VALUE", "PHP_ADMIN_VALUE", "REMOTE_USER", "AUTH_TYPE", "PATH_INFO", "FCGI_ROLE", "HTTP_PROXY"],
      ...["HTTPS", "HTTP_HTTPS", "REQUEST_SCHEME", "X_FORWARDED_HOST", "X_FORWARDED_PROTO", "FORWARDED"],
    ];
    // Two of them are the client's to say, with a dash.
    const fields = variables.flatMap((name) =>
      /^CONTENT_/.test(name) ? [`${name}: 7`] : [`${name}: 7`, `${name.replaceAll("_", "-")}: 7`],
    );
    expect(fields.length).toBeGreaterThan(40);
    expect(await ask(fields)).toEqual(truth);
    for (const field of fields) expect(await ask([field]), field).toEqual(truth);
  });
});

describe("a process that can connect to the socket of an application", () => {
  it("is taken for the web server: it chooses every variable", async () => {
    const connection = await RawConnection.open({ path: await served(showing) });
    onTestFinished(() => connection.close());
    const params = {
      SERVER_NAME: "bank.test",
      HTTPS: "on",
      REMOTE_ADDR: "192.0.2.1",
      REMOTE_USER: "root",
      SCRIPT_FILENAME: "/etc/passwd",
    };
    await connection.write(bytesOf(request(1, { extra: { HTTP_HOST: "", ...params }, keepConn: false })));
    const output = textOf(recordsIn(new Uint8Array(await connection.readToEnd())), RecordType.Stdout, 1);
    expect(JSON.parse(output.slice(output.indexOf("{")))).toMatchObject({ url: "https://bank.test/", params });
  });

  it("leaves no variable to the next request on its connection, nor to the environment", async () => {
    const environment = { ...process.env };
    const connection = await RawConnection.open({ path: await served(showing) });
    onTestFinished(() => connection.close());
    await connection.write(bytesOf(request(1, { extra: { LEFT_BEHIND: "yes", HTTP_PROXY: "http://evil.test/" } })));
    await connection.write(bytesOf(request(2, { keepConn: false })));
    const records = recordsIn(new Uint8Array(await connection.readToEnd()));
    const [first, second] = [1, 2].map((id) => {
      const output = textOf(records, RecordType.Stdout, id);
      return (JSON.parse(output.slice(output.indexOf("{"))) as Seen).params;
    });
    expect(first).toEqual({ ...second, LEFT_BEHIND: "yes" });
    expect(process.env).toEqual(environment);
  });

  it("is no process of another user, unless a mode says so", async ({ skip }) => {
    skip(process.getuid?.() !== 0, "only root can start a process of another user");
    // So that only the socket's mode refuses.
    await chmod(folder.path, 0o755);
    const outcomes: string[] = [];
    for (const mode of [undefined, 0o666]) {
      const path = join(folder.path, `${mode}.sock`);
      await using _ = await serve({ path, fetch: () => new Response(), ...(mode !== undefined && { mode }) });
      outcomes.push(await connectAsOther(path));
    }
    expect(outcomes).toEqual(["EACCES", "connected"]);
  });
});

/** Connects in a process of another user, by number 65534. Resolves with what came of it. */
async function connectAsOther(path: string): Promise<string> {
  const program = `
    process.setgroups([]); process.setgid(65534); process.setuid(65534);
    const socket = require("node:net").connect(${JSON.stringify(path)});
    socket.on("connect", () => { console.log("connected"); process.exit(); });
    socket.on("error", ({ code }) => console.log(code));`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  for await (const piece of child.stdout) output += piece;
  return output.trim();
}

describe("an application", () => {
  const FORGED = "HTTP/1.1 200 OK\r\nSet-Cookie: forged=1\r\nContent-Length: 6\r\n\r\nforged";
  /** Output that is to become more than one response, or a field that is none, and the response that it becomes. */
  const outputs: [name: string, output: string, status: number, body: string][] = [
    ["more than its length says", `Content-Length: 5\r\n\r\nhello${FORGED}`, 200, "hello"],
    ["more than an empty body", `Content-Length: 0\r\n\r\n${FORGED}`, 200, ""],
    ["more than a status without a body", `Status: 204\r\n\r\n${FORGED}`, 204, ""],
    ["more than a status that is not modified", `Status: 304\r\nContent-Length: 3\r\n\r\n${FORGED}`, 304, ""],
    ["chunks of its own", `Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${FORGED}`, 200, `0\r\n\r\n${FORGED}`],
    [
      "chunks of its own beside a length",
      `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${FORGED}`,
      200,
      "0\r\n\r\n",
    ],
    ["several lengths", `Content-Length: 99\r\nContent-Length: 5\r\n\r\nhello${FORGED}`, 200, "hello"],
    ["a status of 1xx before its response", `Status: 100\r\n\r\nContent-Length: 5\r\n\r\nhello${FORGED}`, 200, "hello"],
    ["a carriage return in a value", "X-A: 1\rSet-Cookie: forged=1\r\nContent-Length: 5\r\n\r\nhello", 502, ""],
    ["NUL in a value", "X-A: 1\0Set-Cookie: forged=1\r\nContent-Length: 5\r\n\r\nhello", 502, ""],
    ["a carriage return in its status", "Status: 200 OK\rSet-Cookie: forged=1\r\n\r\nhello", 502, ""],
    ["a field without a name", `: forged\r\nContent-Length: 5\r\n\r\nhello${FORGED}`, 502, ""],
    ["a space before the colon of a length", `Content-Length : 5\r\n\r\nhello${FORGED}`, 502, ""],
  ];

  let backend: TcpBackend;
  let client: FastCgiHttpClient;
  let gateway: FastCgiListener;
  let nginx: Nginx;
  let output = "";

  beforeAll(async () => {
    backend = await TcpBackend.start(async ({ id, uri, connection }) => {
      const text = uri === "/good" ? "Content-Length: 4\r\n\r\ngood" : output;
      const end = encodeEndRequestBody({ appStatus: 0, protocolStatus: ProtocolStatus.RequestComplete });
      await connection.send(bytesOf(record(RecordType.Stdout, id, text), record(RecordType.EndRequest, id, end)));
    });
    client = new FastCgiHttpClient(new FastCgiTcpConnector({ port: backend.port }), { keepAlive: true });
    const path = join(folder.path, "gateway.sock");
    const fetch = (incoming: Request) => client.fetch(incoming).catch(() => new Response(null, { status: 502 }));
    gateway = await serve({ path, fetch, onError: () => {} });
    nginx = await startNginx({ locations: [fastCgiLocation({ path })] });
  });

  afterAll(async () => {
    await nginx?.stop();
    await gateway?.close({ timeout: 1000 });
    await client?.close({ timeout: 1000 });
    await backend?.close();
  });

  it.each(outputs)("sends one response and no other by %s", async (_, hostile, status, body) => {
    output = hostile;
    const ask = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: site.test\r\n${more}\r\n`;
    const text = await rawExchange(nginx.port, ask("/hostile") + ask("/good", "Connection: close\r\n"));
    const responses = responsesIn(text);
    expect(responses.map((response) => [response.status, response.body])).toEqual([
      [status, body],
      [200, "good"],
    ]);
    for (const { head } of responses) expect(head).not.toContain("forged");
  });
});

interface HttpResponse {
  readonly head: string;
  readonly status: number;
  readonly body: string;
}

/** The responses on a connection, as an HTTP client divides them (RFC 9112 6.3). */
function responsesIn(text: string): HttpResponse[] {
  const responses: HttpResponse[] = [];
  for (let rest = text; rest !== ""; ) {
    const at = rest.indexOf("\r\n\r\n") + 4;
    const head = rest.slice(0, at);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    rest = rest.slice(at);
    let body = "";
    if (/^Transfer-Encoding: chunked\r$/im.test(head)) {
      for (let size = -1; size !== 0; ) {
        const start = rest.indexOf("\r\n") + 2;
        size = Number.parseInt(rest, 16);
        body += rest.slice(start, start + size);
        rest = rest.slice(start + size + 2);
      }
    } else if (status !== 204 && status !== 304) {
      const length = Number(/^Content-Length: (\d+)\r$/im.exec(head)?.[1]);
      body = rest.slice(0, length);
      rest = rest.slice(length);
    }
    responses.push({ head, status, body });
    if (Number.isNaN(status) || responses.length > 9) break;
  }
  return responses;
}
