import { expect, it } from "vitest";
import { RecordType } from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { heldBytes } from "../support/memory.ts";
import { begin, params, record } from "../support/records.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";
import { MemoryApplication } from "../support/web_server_end.ts";

failOnUnhandledRejections();

const MEBIBYTE = 1024 * 1024;
const HEADER = latin1("Status: 200 OK\r\n\r\n");

it("FastCgiServer needs a bounded amount of memory when 256 MiB stream both ways and the web server is slow", async () => {
  const total = 256 * MEBIBYTE;
  const application = new MemoryApplication(({ stdin }) => ({ stdout: [HEADER, stdin] }));
  const { web, served } = application.connect();
  const before = heldBytes();
  const sending = (async () => {
    await web.send(begin(1, { keepConn: false }), params(1, { CONTENT_LENGTH: String(total) }));
    const content = new Uint8Array(32 * 1024);
    for (let sent = 0; sent < total; sent += content.length) await web.send(record(RecordType.Stdin, 1, content));
    await web.send(record(RecordType.Stdin, 1));
  })();
  let most = 0;
  let received = 0;
  while (web.output === "open") {
    // Long enough to send all of it, if the library took it.
    web.stopReading();
    await turns();
    most = Math.max(most, heldBytes() - before);
    web.startReading();
    await web.until(() => web.writes.length >= 500 || web.endsOf(1).length > 0);
    for (const { type, contentData } of web.writes.splice(0).flat()) {
      if (type === RecordType.Stdout) received += contentData.length;
      if (type === RecordType.EndRequest) await web.closed();
    }
  }
  await Promise.all([sending, served]);
  expect(received).toBe(HEADER.length + total);
  expect(most).toBeLessThan(32 * MEBIBYTE);
});

it("FastCgiServer needs a bounded amount of memory when many requests are served on one connection", async () => {
  const application = new MemoryApplication(() => ({ stdout: HEADER }), {
    maxRequestsPerConnection: Number.POSITIVE_INFINITY,
  });
  const { web } = application.connect();
  const serve = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) {
      await web.send(begin(1), params(1, { REQUEST_URI: "/" }), record(RecordType.Stdin, 1));
      await web.answer(1);
      web.writes.length = 0;
    }
  };
  await serve(1000);
  const before = heldBytes();
  await serve(10_000);
  expect(heldBytes() - before).toBeLessThan(2 * MEBIBYTE);
});
