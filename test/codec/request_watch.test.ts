import { expect, it } from "vitest";
import type { RecordSink } from "../../src/codec/record_sink.ts";
import { type FastCgiServerRequestEnd, RequestWatch } from "../../src/codec/request_watch.ts";
import { latin1 } from "../support/bytes.ts";

/** What is told of a request with this output, piece by piece. */
function endAfter(...output: readonly (string | Uint8Array)[]): FastCgiServerRequestEnd {
  const ends: FastCgiServerRequestEnd[] = [];
  const watch = new RequestWatch((end) => ends.push(end));
  for (const piece of output) watch.noteStdout(typeof piece === "string" ? latin1(piece) : piece);
  watch.end("complete");
  expect(ends).toHaveLength(1);
  return ends[0]!;
}

it.each([
  ["Status: 404 Not Found\r\n\r\n", 404],
  ["Content-Type: text/plain\nSTATUS:\t201\n\n", 201],
  ["X-Status: 404\r\nContent-Type: text/plain\r\n\r\n", 200],
  ["Location: /other\r\n\r\n", 302],
  ["X-A: b\nlocation: /other\n\n", 302],
  ["Content-Location: /other\r\n\r\n", 200],
])("RequestWatch tells the status that a web server makes of %j", (header, status) => {
  const { status: told, responseBodyBytes } = endAfter(header, "body");
  expect([told, responseBodyBytes]).toEqual([status, 4]);
});

it("RequestWatch finds the end of a header that comes in many pieces whose memory is used again", () => {
  const memory = new Uint8Array(1);
  const ends: FastCgiServerRequestEnd[] = [];
  const watch = new RequestWatch((end) => ends.push(end));
  for (const byte of latin1("Status: 404 Not Found\r\n\r\nbody")) {
    memory[0] = byte;
    watch.noteStdout(memory);
  }
  watch.end("complete");
  expect(ends).toMatchObject([{ status: 404, responseBodyBytes: 4 }]);
});

it("RequestWatch takes what is longer than any header for one that has ended, and the rest for the body", () => {
  const most = 65_528;
  const line = "Status: 404 Not Found\r\nX: ";
  const filler = (length: number): string => "x".repeat(length - line.length);
  expect(endAfter(line, filler(most))).toMatchObject({ status: undefined, responseBodyBytes: 0 });
  expect(endAfter(line, filler(most), "\r\n\r\n", "body")).toMatchObject({ status: 404, responseBodyBytes: 4 });
  expect(endAfter(line, filler(most + 1))).toMatchObject({ status: 404, responseBodyBytes: 0 });
  expect(endAfter(line, filler(most + 1), "\r\n\r\n")).toMatchObject({ status: 404, responseBodyBytes: 4 });
});

it("RequestWatch tells times that lie within the request's", () => {
  const before = performance.now();
  const { startTime, timeToHeader, duration } = endAfter("Status: 200 OK\r\n\r\n");
  const after = performance.now();
  expect(startTime).toBeGreaterThanOrEqual(before);
  expect(timeToHeader).toBeGreaterThanOrEqual(0);
  expect(duration).toBeGreaterThanOrEqual(timeToHeader!);
  expect(startTime + duration).toBeLessThanOrEqual(after);
});

it("RequestWatch tells no status and no time of a header when there was none", () => {
  const end = endAfter("Status: 200 OK\r\n");
  expect(end).toMatchObject({ outcome: "complete", responseBodyBytes: 0, requestBodyBytes: 0 });
  expect([end.status, end.timeToHeader, end.method, end.url, end.request]).toEqual(Array(5).fill(undefined));
});

it.each([true, false])("RequestWatch.watched has a sink that is shared when the other is: %s", (isShared) => {
  const sink = { isShared } as RecordSink;
  expect(new RequestWatch(() => {}).watched(sink).isShared).toBe(isShared);
});
