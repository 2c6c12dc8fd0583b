// Cases: what the client gets.

import { sha256 } from "../../support/bytes.ts";
import { httpOpen, httpRequest, nextPiece } from "../../support/http.ts";
import { patternSha256 } from "../../support/pattern.ts";
import { RawConnection } from "../../support/raw_connection.ts";
import { type Case, within } from "./case.ts";

const MiB = 1024 * 1024;
const codes = [200, 201, 204, 304, 400, 404, 418, 500, 503, 599];

export const responseCases: readonly Case[] = [
  {
    name: "the client gets the status",
    expected: codes.map((code) => `${code}${code === 204 || code === 304 ? "" : ` status ${code}`}`),
    run: (world) =>
      Promise.all(
        codes.map(async (code) => {
          const { status, text } = await httpRequest(`${world.url}/status/${code}`);
          return `${status} ${text()}`.trim();
        }),
      ),
  },
  {
    name: "the client gets the reason phrase",
    expected: "Status 418",
    run: async (world) => (await httpRequest(`${world.url}/status/418`)).reason,
  },
  {
    name: "the client's connection goes on behind a 204 and a 304",
    expected: [204, 304, 200],
    async run({ port }) {
      const connection = await RawConnection.open({ port });
      try {
        const seen: number[] = [];
        for (const code of [204, 304, 200]) {
          const from = connection.received.length;
          const last = code === 200;
          const connectionField = last ? "Connection: close\r\n" : "";
          await connection.write(`GET /status/${code} HTTP/1.1\r\nHost: example.test\r\n${connectionField}\r\n`);
          if (last) await connection.readToEnd();
          else await connection.readUntil((bytes) => bytes.includes("\r\n\r\n", from));
          seen.push(Number(/^HTTP\/1\.1 (\d+)/.exec(connection.received.toString("latin1", from))?.[1]));
        }
        return seen;
      } finally {
        connection.close();
      }
    },
  },
  {
    name: "the client gets the header and no body when it is a HEAD",
    expected: { status: 200, length: "1000", body: 0 },
    async run(world) {
      const { status, headers, body } = await httpRequest(`${world.url}/big/1000?length`, { method: "HEAD" });
      return { status, length: headers["content-length"] ?? null, body: body.length };
    },
  },
  {
    name: "the client gets a redirect with its status and Location",
    expected: [301, 302, 303, 307, 308].map((code) => `${code} http://example.test/elsewhere?x=1`),
    run: (world) =>
      Promise.all(
        [301, 302, 303, 307, 308].map(async (code) => {
          const { status, headers } = await httpRequest(`${world.url}/redirect/${code}`);
          return `${status} ${headers.location}`;
        }),
      ),
  },
  {
    name: "the client gets a 201 with its Location",
    expected: "201 http://example.test/elsewhere?x=1",
    async run(world) {
      const { status, headers } = await httpRequest(`${world.url}/redirect/201`);
      return `${status} ${headers.location}`;
    },
  },
  {
    name: "the client gets a 503 with its Retry-After and body",
    expected: "503 7 later, please\n",
    async run(world) {
      const { status, headers, text } = await httpRequest(`${world.url}/busy`);
      return `${status} ${headers["retry-after"]} ${text()}`;
    },
  },
  {
    name: "the client gets a 500 that says nothing when fetch throws",
    expected: "500 Internal Server Error\n",
    async run(world) {
      const { status, text } = await httpRequest(`${world.url}/throw`);
      return `${status} ${text()}`;
    },
  },
  {
    name: "the client gets each Set-Cookie in a line of its own",
    expected: ["first=1; Path=/", "second=a, b; HttpOnly", "third=3; Expires=Tue, 01 Jan 2030 00:00:00 GMT"],
    async run(world) {
      const { headerLines } = await httpRequest(`${world.url}/cookies`);
      return headerLines.filter(([name]) => name.toLowerCase() === "set-cookie").map(([, value]) => value);
    },
  },
  {
    name: "the client gets header bytes that are not ASCII",
    expected: "caf\xe9 \x80\xff",
    run: async (world) => (await httpRequest(`${world.url}/bytes`)).headers["x-latin"],
  },
  {
    name: "the client gets application/octet-stream when the response has no type",
    expected: "application/octet-stream",
    run: async (world) => (await httpRequest(`${world.url}/big/10`)).headers["content-type"] ?? null,
  },
  {
    name: "the client gets a header field of 7 KB",
    expected: "200 7000",
    run: (world) => longHeader(world.url, 7000),
  },
  {
    name: "the client gets a header field of 14 KB",
    expected: "200 14000",
    run: (world) => longHeader(world.url, 14_000),
  },
  {
    name: "the client gets 90 header fields",
    expected: "200 90",
    async run(world) {
      const { status, headerLines } = await httpRequest(`${world.url}/headers/90`);
      return `${status} ${headerLines.filter(([name]) => name.toLowerCase().startsWith("x-field-")).length}`;
    },
  },
  {
    name: "the client gets 10 MiB whole",
    expected: [`${10 * MiB} ${patternSha256(10 * MiB)}`, `${10 * MiB} ${patternSha256(10 * MiB)}`],
    async run(world) {
      const outcomes: string[] = [];
      for (const query of ["?length", ""]) {
        const { body } = await httpRequest(`${world.url}/big/${10 * MiB}${query}`);
        outcomes.push(`${body.length} ${sha256(body)}`);
      }
      return outcomes;
    },
  },
  {
    name: "the client gets each chunk before the next is made",
    expected: "streams",
    async run({ url, control }, patience) {
      const key = control.key();
      control.open(`${key}:0`);
      const opening = httpOpen(`${url}/chunks/${key}`);
      const first = opening.then(nextPiece);
      const streams = (await within(first, patience)) === "chunk 0\n";
      control.open(`${key}:1`);
      const rest = first.then(async () => (streams ? nextPiece(await opening) : "waits for the end"));
      const second = streams ? await within(rest, patience) : "";
      control.open(`${key}:2`);
      for await (const _ of await opening) {
        // To the end.
      }
      return second === "chunk 1\n" ? "streams" : "waits for the end";
    },
  },
  {
    name: "the client gets the header before there is a body",
    expected: "200 at once",
    async run({ url, control }, patience) {
      const key = control.key();
      const opening = httpOpen(`${url}/chunks/${key}`);
      const early = await within(opening, patience);
      for (let i = 0; i < 3; i++) control.open(`${key}:${i}`);
      const response = await opening;
      for await (const _ of response) {
        // To the end.
      }
      return early === "never" ? "waits for the body" : `${response.statusCode} at once`;
    },
  },
  {
    name: "the client sees a broken transfer when the body fails before its first byte",
    expected: "broken",
    run: (world) => brokenOutcome(`${world.url}/breaks/0`),
  },
  {
    name: "the client sees a broken transfer when the body fails behind 1 MiB",
    expected: "broken",
    run: (world) => brokenOutcome(`${world.url}/breaks/${MiB}`),
  },
  {
    name: "the client sees a broken transfer when the body is shorter than Content-Length",
    expected: "broken",
    run: (world) => brokenOutcome(`${world.url}/short`),
  },
  {
    name: "200 requests on 20 connections at once each get their own answer",
    expected: 200,
    async run({ url }) {
      let next = 0;
      let right = 0;
      const client = async (): Promise<void> => {
        for (let id = ++next; id <= 200; id = ++next) {
          const init = id % 2 === 0 ? { method: "POST", body: `body ${id}` } : {};
          const response = await fetch(`${url}/echo/${id}?id=${id}`, init);
          const seen = response.status === 200 ? await response.json() : {};
          if (seen.url === `${url}/echo/${id}?id=${id}` && seen.body === (init.body ?? "")) right++;
        }
      };
      await Promise.all(Array.from({ length: 20 }, client));
      return right;
    },
  },
];

async function longHeader(url: string, bytes: number): Promise<string> {
  const { status, headers } = await httpRequest(`${url}/header/${bytes}`);
  return status === 200 ? `200 ${String(headers["x-long"]).length}` : String(status);
}

/** "broken", or what a response that looks whole to its client has. An error of the web server is as clear as a broken transfer. */
async function brokenOutcome(url: string): Promise<string> {
  return httpRequest(url, { signal: AbortSignal.timeout(60_000) }).then(
    ({ status, body }) => (status >= 500 ? "broken" : `looks whole: ${status} with ${body.length} bytes`),
    (error) => (error.code === "ABORT_ERR" || error.name === "TimeoutError" ? "hangs" : "broken"),
  );
}
