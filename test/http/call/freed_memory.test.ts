// The memory that output came in is freed where nothing needs it any more: a body that is read whole is copied as it
// comes. A wrong step is a lost body, header or message.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeEndRequestBody,
  encodeNameValuePairs,
  encodeRecords,
  FastCgiHttpClient,
  type FastCgiRecord,
  ProtocolStatus,
  RecordType,
  streamedResponse,
} from "../../../src/toolkit.ts";
import { joined, latin1 } from "../../support/bytes.ts";
import {
  BODY_READERS,
  BODY_TYPE,
  cut,
  DELIVERY,
  type Delivery,
  DrivenChannel,
  distinctJson,
  isFreed,
  mixed,
  pieceLengths,
  withFreeableMemory,
} from "../../support/freed_memory.ts";
import { deferred } from "../../support/open_stream.ts";
import { record } from "../../support/records.ts";
import { isBun } from "../../support/runtime.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();
withFreeableMemory();

/** Ways to read a body, each of which returns all of its bytes. */
const READERS: Readonly<Record<string, (response: Response, allSent: Promise<void>) => Promise<Uint8Array>>> = {
  ...BODY_READERS,
  ...("bytes" in Response.prototype && { bytes: (response) => response.bytes() }),
  // On Bun a body that has had a reader counts as used.
  ...(!isBun && {
    async released(response) {
      response.body!.getReader().releaseLock();
      return new Uint8Array(await response.arrayBuffer());
    },
  }),
  wrapped: async (response) => new Uint8Array(await new Response(response.body, response).arrayBuffer()),
};

/** An application's end of a connection that takes several requests at once, which a test drives. */
class DrivenApplication extends DrivenChannel {
  /** The ids of the requests, in the order of their paths. */
  readonly ids: number[] = [];
  enqueue({ type, requestId, contentData }: FastCgiRecord): void {
    if (type === RecordType.GetValues) {
      const values = encodeNameValuePairs([
        ["FCGI_MPXS_CONNS", "1"],
        ["FCGI_MAX_REQS", "10"],
      ]);
      queueMicrotask(() => this.receive(encodeRecords([record(RecordType.GetValuesResult, 0, values)])));
    }
    if (type === RecordType.Params && contentData.length > 0) {
      this.ids[Number(/path-(\d)/.exec(Buffer.from(contentData).toString())![1])] = requestId;
    }
  }
}

interface Answer {
  readonly reader: string;
  readonly body: Uint8Array;
  readonly fill: string;
  readonly stderr: string;
  /** What the application says of the length, and how many bytes more it sends. */
  readonly length: { readonly isAnnounced: boolean; readonly surplus: number };
  /** The lengths of its records, again and again. */
  readonly cuts: readonly number[];
}

const answer: fc.Arbitrary<Answer> = fc.record({
  reader: fc.constantFrom(...Object.keys(READERS)),
  body: fc.tuple(fc.nat(60_000), fc.nat(96)).map(([length, start]) => latin1(distinctJson(length, start))),
  fill: fc.tuple(fc.nat(3000), fc.nat(96)).map(([length, start]) => distinctJson(length, start)),
  stderr: fc.tuple(fc.nat(9_000), fc.nat(96)).map(([length, start]) => distinctJson(length, start)),
  length: fc.oneof(
    fc.constant({ isAnnounced: false, surplus: 0 }),
    fc.nat(20_000).map((surplus) => ({ isAnnounced: true, surplus: Math.max(0, surplus - 10_000) })),
  ),
  cuts: pieceLengths(),
});

function recordsOf(requestId: number, { body, fill, stderr, length, cuts }: Answer): FastCgiRecord[] {
  const announced = length.isAnnounced ? `Content-Length: ${body.length}\r\n` : "";
  const header = latin1(`Content-Type: ${BODY_TYPE}\r\nX-Fill: ${fill}\r\n${announced}\r\n`);
  const output = cut(joined(header, body, new Uint8Array(length.surplus)), cuts);
  const messages = cut(latin1(stderr), cuts);
  return [
    ...mixed(
      [
        output.map((piece) => record(RecordType.Stdout, requestId, piece)),
        messages.map((piece) => record(RecordType.Stderr, requestId, piece)),
      ],
      cuts,
    ),
    record(RecordType.Stdout, requestId),
    record(
      RecordType.EndRequest,
      requestId,
      encodeEndRequestBody({ appStatus: 0, protocolStatus: ProtocolStatus.RequestComplete }),
    ),
  ];
}

interface Conversation extends Delivery {
  readonly answers: readonly Answer[];
}

const conversation: fc.Arbitrary<Conversation> = fc.record({
  answers: fc.array(answer, { minLength: 1, maxLength: 4 }),
  ...DELIVERY,
});

/**
 * Answers several requests on one connection, and compares all that comes of it.
 *
 * @param isSole What the channel says of its pieces.
 * @returns The buffers of its pieces.
 */
async function converse({ answers, ...delivery }: Conversation, isSole?: boolean): Promise<ArrayBuffer[]> {
  const application = new DrivenApplication();
  const messages = answers.map(() => "");
  const client = new FastCgiHttpClient(
    { connect: async () => application, preset: { streamedResponse } },
    {
      multiplexing: true,
      keepAlive: true,
      maxConnections: 1,
      maxQueuedBytes: Number.MAX_SAFE_INTEGER,
      maxStderrBytes: Number.MAX_SAFE_INTEGER,
      onStderr(message, { url }) {
        messages[Number(url.at(-1))] += message;
      },
    },
  );
  const allSent = deferred();
  const read = answers.map(async ({ reader, fill }, index) => {
    const response = await client.fetch(`http://localhost/path-${index}`);
    expect(response.headers.get("x-fill")).toBe(fill);
    return READERS[reader]!(response, allSent.promise);
  });
  while (application.ids.filter(Number.isInteger).length < answers.length) await turns(1);
  const all = answers.map((each, index) => recordsOf(application.ids[index]!, each));
  const buffers = await application.receiveAll(all, delivery, isSole);
  allSent.resolve();
  for (const [index, bytes] of (await Promise.all(read)).entries()) {
    expect(Buffer.compare(bytes, answers[index]!.body)).toBe(0);
  }
  await client.close();
  await turns();
  expect(messages).toEqual(answers.map(({ stderr }) => stderr));
  return buffers;
}

describe("memory of output", () => {
  it("FastCgiHttpClient gives every reader its bytes when it frees what it may, however output is cut", async () => {
    let freed = 0;
    const run = async (given: Conversation): Promise<void> => {
      freed += (await converse(given, true)).filter(isFreed).length;
    };
    await fc.assert(fc.asyncProperty(conversation, run), { numRuns: 30 });
    expect(freed).toBeGreaterThan(0);
  });

  it.each(["text", "json", "arrayBuffer", "blob", ...(isBun ? [] : ["released"])])(
    "FastCgiHttpClient frees every piece of a body that is read by %s as it comes",
    async (reader) => {
      const body = latin1(distinctJson(80_000, 1));
      for (const isAnnounced of [true, false]) {
        const length = { isAnnounced, surplus: 0 };
        const answers = [{ reader, body, fill: "1", stderr: "2", length, cuts: [992] }];
        const buffers = await converse({ answers, order: [0], cuts: [8_000], pauses: [true] }, true);
        expect(buffers.length).toBe(11);
        // The header came in the first one.
        expect(buffers.map(isFreed)).toEqual(buffers.map((_, index) => index > 0));
      }
    },
  );

  it("FastCgiHttpClient frees no buffer of a channel that does not say that it may", async () => {
    const run = async (given: Conversation): Promise<void> => {
      expect((await converse(given)).some(isFreed)).toBe(false);
    };
    await fc.assert(fc.asyncProperty(conversation, run), { numRuns: 6 });
  });
});
