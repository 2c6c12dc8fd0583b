import { createServer } from "node:net";
import { it, type TestContext } from "vitest";
import { encodeRecords, RecordType } from "../../src/toolkit.ts";
import { waitUntil } from "../support/process.ts";
import { record } from "../support/records.ts";
import { brokenIn, fetchcgi, findingsOf } from "./run.ts";

// Answers every request with bytes that break one rule after the other.

/** The header of a record that ends STDIN, with any id. */
function endsStdin(received: Buffer): boolean {
  const header = received.subarray(-8);
  return header[1] === RecordType.Stdin && header[4] === 0 && header[5] === 0;
}

/** An application that answers the end of any STDIN with these bytes, and closes. */
async function answering(bytes: Uint8Array, { onTestFinished }: TestContext): Promise<string> {
  const server = createServer((socket) => {
    let received = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (endsStdin(received)) socket.end(bytes);
    });
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await waitUntil(() => server.listening);
  return String((server.address() as { port: number }).port);
}

it.concurrent("fetchcgi check application finds what is wrong with records and headers", async (context) => {
  const { expect } = context;
  const bytes = encodeRecords([
    record(RecordType.Stdout, 1, "Content-Type: text/plain\r\nno field\r\nContent-Type : text/html\r\n"),
    record(RecordType.Stdout, 1, "Status: OK\r\nTransfer-Encoding: chunked\r\n\r\npage"),
    { ...record(RecordType.Stderr, 1, "message!"), paddingLength: 0 },
    record(RecordType.Stdout, 5, "another request"),
    record(RecordType.GetValuesResult, 1),
    record(RecordType.EndRequest, 1, Uint8Array.of(0, 0, 0, 0, 0, 1, 2, 3)),
    record(RecordType.Stdout, 1, "late"),
    record(RecordType.EndRequest, 5, Uint8Array.of(0, 0, 0, 0, 9, 0, 0, 0)),
    record(RecordType.Stdin, 1),
  ]);
  bytes[7] = 255;
  const address = await answering(bytes, context);
  const findings = findingsOf(await fetchcgi(["check", "application", address, "--timeout", "2000", "--json"]));
  const broken = brokenIn(findings);
  const reasons = {
    "CGI-6.3-6 Every line of the header is a field: name, colon, value": 'one line is "no field"',
    "CGI-6.3-2 None of them comes twice": "content-type comes 2 times",
    "CGI-6.3.3-1 Status is three digits, a space and a phrase": 'it is "OK"',
    "CGI-6.3.4-2 No field concerns the connection to the client": "there is transfer-encoding",
    "FCGI-3.3-15 Id 0 is that of management records, and of no others": "a record of type 10 has id 1",
    "FIELD-5 Nothing comes for ids that have no request": "a record came for id 5, which has no request",
    "FCGI-A-1 All types are those of applications": "a record of type 5 came: applications do not send it",
    "FCGI-3.3-8 The reserved byte of headers is zero": "it is not",
    "FCGI-6.1-6 FCGI_STDOUT is ended by an empty record":
      "FCGI_STDOUT has no end: no record without content before END_REQUEST",
    "FCGI-6.1-5 FCGI_STDERR is ended by an empty record, if there is any": "FCGI_STDERR has content and no end",
    "FCGI-5.5-2 The body of END_REQUEST has eight bytes and a status that exists": "protocolStatus is 9",
    "FCGI-4.1-2 GET_VALUES is answered with GET_VALUES_RESULT": "no GET_VALUES_RESULT: nothing came for 2000 ms",
  };
  expect(Object.fromEntries(Object.keys(reasons).map((name) => [name, broken.get(name)]))).toEqual(reasons);
  const advice = findings.filter(({ verdict, isAdvice }) => verdict === "broken" && isAdvice).map(({ id }) => id);
  expect(advice).toEqual(expect.arrayContaining(["FIELD-1", "FIELD-5", "FIELD-23", "FIELD-29"]));
});

it.concurrent("fetchcgi check application finds records of another version behind an answer", async (context) => {
  const { expect } = context;
  const bytes = encodeRecords([
    record(RecordType.Stdout, 1, "Content-Type: text/plain\r\n\r\npage"),
    record(RecordType.Stdout, 1),
    record(RecordType.EndRequest, 1, new Uint8Array(8)),
  ]);
  const address = await answering(Buffer.concat([bytes, new Uint8Array(8)]), context);
  const run = await fetchcgi(["check", "application", address, "--timeout", "2000", "--json"]);
  expect(brokenIn(findingsOf(run)).get("FCGI-3.3-2 Everything is a record of version 1")).toContain("got 0");
});

it.concurrent("fetchcgi check application says that an application is gone, however long it takes to go", async (context) => {
  const { expect, onTestFinished } = context;
  const page = encodeRecords([
    record(RecordType.Stdout, 1, "Content-Type: text/plain\r\n\r\npage"),
    record(RecordType.Stdout, 1),
    record(RecordType.EndRequest, 1, new Uint8Array(8)),
  ]);
  /** Connections that are taken after the record that it dies of, and closed without an answer. */
  let left = Number.POSITIVE_INFINITY;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    if (left <= 0) return void socket.destroy();
    if (--left <= 5) {
      if (left === 0) server.close();
      return void socket.destroy();
    }
    let received = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received[1] === 99) {
        left = 6;
        socket.destroy();
      } else if (endsStdin(received)) {
        socket.end(page);
      }
    });
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await waitUntil(() => server.listening);
  const { port } = server.address() as { port: number };
  const run = await fetchcgi(["check", "application", String(port), "--timeout", "2000", "--json"]);
  const [, reason] = [...brokenIn(findingsOf(run))].find(([name]) => name.startsWith("FCGI-4.2-1 ")) ?? [];
  expect(reason).toMatch(/the application is gone: nothing listens there any more$/);
});
