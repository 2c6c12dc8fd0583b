import { describe, expect, it } from "vitest";
import { type FastCgiRecord, type FastCgiServerOptions, RecordType, Role } from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { begin, params, record, stdin } from "../support/records.ts";
import { streamOf, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";
import { complete, MemoryApplication } from "../support/web_server_end.ts";

failOnUnhandledRejections();

const HEADER = "Status: 200 OK\r\n\r\n";

/** The start of a Filter's request, up to the end of its params. */
function filterRequest(requestId: number, variables: Record<string, string> = {}): FastCgiRecord[] {
  return [begin(requestId, { role: Role.Filter }), ...params(requestId, variables)];
}

const someStdin = record(RecordType.Stdin, 1, "some");
const stdinEnd = record(RecordType.Stdin, 1);
const dataEnd = record(RecordType.Data, 1);

/** A Filter that answers without reading anything. */
function fromCache(options: FastCgiServerOptions = {}): MemoryApplication {
  return new MemoryApplication(() => ({ stdout: latin1(`${HEADER}from a cache`) }), options);
}

describe("ServerConnection with a Filter", () => {
  it("ServerConnection sends nothing of a Filter's answer before STDIN is complete, with or without a reader", async () => {
    const { web } = fromCache().connect();
    await web.send(filterRequest(1));
    await web.send(someStdin);
    await turns();
    expect(web.records).toEqual([]);
    await web.send(stdinEnd);
    // DATA need not be complete, nor begin.
    expect(await web.answer(1)).toEqual(complete(`${HEADER}from a cache`));
  });

  it("ServerConnection sends a Filter's answer while DATA arrives", async () => {
    const application = new MemoryApplication((request) => ({ stdout: [latin1(HEADER), request.data] }));
    const { web } = application.connect();
    await web.send(filterRequest(1), stdin(1), record(RecordType.Data, 1, "first "));
    await web.until(() => web.streamsOf(1).stdout.endsWith("first "));
    await web.send(record(RecordType.Data, 1, "second"), dataEnd);
    expect(await web.answer(1)).toEqual(complete(`${HEADER}first second`));
  });

  it("ServerConnection waits with the answer to a Filter that fails, too", async () => {
    const application = new MemoryApplication(() => {
      throw new Error("On purpose");
    });
    const { web } = application.connect();
    await web.send(filterRequest(1), someStdin);
    await turns();
    expect(web.records).toEqual([]);
    await web.send(stdinEnd);
    expect(await web.answer(1)).toMatchObject({ appStatus: 1, stdout: expect.stringMatching(/^Status: 500/) });
  });

  it("ServerConnection lets a Filter write that streams more of STDIN than may wait unread", async () => {
    const application = new MemoryApplication((request) => ({ stdout: [latin1(HEADER), request.stdin] }), {
      maxQueuedBytes: 1024,
    });
    const { web } = application.connect();
    const piece = record(RecordType.Stdin, 1, "x".repeat(600));
    await web.send(filterRequest(1), piece);
    await turns();
    expect(web.records).toEqual([]);
    await web.send(piece);
    await web.until(() => web.streamsOf(1).stdout.length === HEADER.length + 1200);
    await web.send(stdinEnd, dataEnd);
    expect(await web.answer(1)).toEqual(complete(HEADER + "x".repeat(1200)));
  });

  it("ServerConnection gives a Filter that streams a short STDIN all of it", async () => {
    const application = new MemoryApplication((request) => ({ stdout: [latin1(HEADER), request.stdin, request.data] }));
    const { web } = application.connect();
    await web.send(filterRequest(1), someStdin, stdinEnd, record(RecordType.Data, 1, " file"), dataEnd);
    expect(await web.answer(1)).toEqual(complete(`${HEADER}some file`));
  });

  it("ServerConnection does not wait for STDIN that a Filter has cancelled, or that has failed", async () => {
    const cancelling = new MemoryApplication(async ({ stdin }) => {
      await stdin.cancel();
      return { stdout: latin1(`${HEADER}enough`) };
    });
    const failing = new MemoryApplication(async ({ stdin }) => ({ stdout: latin1(HEADER + (await textFrom(stdin))) }), {
      maxStdinBytes: 3,
    });
    for (const [application, answer] of [
      [cancelling, "Status: 200"],
      [failing, "Status: 413"],
    ] as const) {
      const { web } = application.connect();
      await web.send(filterRequest(1), someStdin);
      expect((await web.answer(1)).stdout.slice(0, answer.length)).toBe(answer);
    }
  });

  it("ServerConnection cancels the answer of a Filter that is aborted while it waits", async () => {
    let cancelled: unknown;
    const body = new ReadableStream<Uint8Array>({
      cancel(reason) {
        cancelled = reason;
      },
    });
    const { web } = new MemoryApplication(() => ({ stdout: [latin1(HEADER), body] })).connect();
    await web.send(filterRequest(1), someStdin);
    await turns();
    await web.send(record(RecordType.AbortRequest, 1));
    expect((await web.answer(1)).stdout).toBe("");
    await turns();
    expect(cancelled).toMatchObject({ code: "aborted" });
  });

  it("ServerConnection waits for no STDIN of the other requests on the connection", async () => {
    const application = new MemoryApplication(({ role }) => ({ stdout: streamOf(latin1(`${HEADER}${role}`)) }));
    const { web } = application.connect();
    await web.send(filterRequest(1), begin(2), ...params(2, {}).map((piece) => [piece]));
    expect(await web.answer(2)).toEqual(complete(`${HEADER}${Role.Responder}`));
    expect(web.endsOf(1)).toEqual([]);
    await web.send(stdinEnd);
    expect(await web.answer(1)).toEqual(complete(`${HEADER}${Role.Filter}`));
  });
});
