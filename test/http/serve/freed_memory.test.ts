// The memory that input came in is freed where nothing needs it any more: a body that is read whole is copied as it comes.
// A wrong step is a lost body or param.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeNameValuePairs,
  type FastCgiContext,
  FastCgiHttpService,
  type FastCgiRecord,
  FastCgiServer,
  type NameValuePair,
  RecordType,
} from "../../../src/toolkit.ts";
import { joined } from "../../support/bytes.ts";
import {
  BODY_READERS,
  BODY_TYPE,
  cut,
  DELIVERY,
  type Delivery,
  DrivenChannel,
  distinctJson,
  isFreed,
  keepAll,
  pieceLengths,
  withFreeableMemory,
} from "../../support/freed_memory.ts";
import { deferred } from "../../support/open_stream.ts";
import { begin, record } from "../../support/records.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();
withFreeableMemory();

/** Ways to read a body, each of which returns all of its bytes. */
const READERS: Readonly<
  Record<string, (request: Request, allSent: Promise<void>, context: FastCgiContext) => Promise<Uint8Array>>
> = {
  ...BODY_READERS,
  bytes: (request) => request.bytes(),
  stdin: (_, allSent, { stdin }) => keepAll(stdin, allSent),
  copied: async (request) => new Uint8Array(await new Request(request).arrayBuffer()),
};

/** A web server's end of a connection, which a test drives. */
class DrivenWebServer extends DrivenChannel {
  readonly #outputs = new Map<number, Uint8Array[]>();
  /** The body of each response that has ended. */
  readonly bodies = new Map<number, Uint8Array>();
  enqueue({ type, requestId, contentData }: FastCgiRecord): void {
    const output = this.#outputs.get(requestId) ?? [];
    this.#outputs.set(requestId, output);
    if (type === RecordType.Stdout) output.push(contentData);
    if (type !== RecordType.EndRequest) return;
    const bytes = joined(...output);
    this.bodies.set(requestId, bytes.subarray(Buffer.from(bytes).indexOf("\r\n\r\n") + 4));
  }
}

interface Sent {
  readonly reader: string;
  readonly body: Uint8Array;
  readonly fill: string;
  /** The lengths of its records, again and again. */
  readonly cuts: readonly number[];
}

const sent: fc.Arbitrary<Sent> = fc.record({
  reader: fc.constantFrom(...Object.keys(READERS)),
  body: fc
    .tuple(fc.nat(40_000), fc.nat(96))
    .map(([length, start]) => new TextEncoder().encode(distinctJson(length, start))),
  fill: fc.tuple(fc.nat(3000), fc.nat(96)).map(([length, start]) => distinctJson(length, start)),
  cuts: pieceLengths(),
});

function recordsOf(requestId: number, { reader, body, fill, cuts }: Sent): FastCgiRecord[] {
  const pairs: NameValuePair[] = [
    ["REQUEST_METHOD", "POST"],
    ["REQUEST_URI", `/${reader}`],
    ["HTTP_HOST", "example.com"],
    ["HTTP_X_FILL", fill],
    ["CONTENT_TYPE", BODY_TYPE],
    ["CONTENT_LENGTH", String(body.length)],
  ];
  return [
    begin(requestId),
    ...cut(encodeNameValuePairs(pairs), cuts).map((piece) => record(RecordType.Params, requestId, piece)),
    record(RecordType.Params, requestId),
    ...cut(body, cuts).map((piece) => record(RecordType.Stdin, requestId, piece)),
    record(RecordType.Stdin, requestId),
  ];
}

interface Conversation extends Delivery {
  readonly requests: readonly Sent[];
  readonly lazyRequest: boolean;
}

const conversation: fc.Arbitrary<Conversation> = fc.record({
  requests: fc.array(sent, { minLength: 1, maxLength: 4 }),
  ...DELIVERY,
  lazyRequest: fc.boolean(),
});

/**
 * Sends a conversation and compares every body.
 *
 * @param isSole What the channel says of its pieces.
 * @returns The buffers of its pieces.
 */
async function converse(
  { requests, lazyRequest, ...delivery }: Conversation,
  isSole?: boolean,
): Promise<ArrayBuffer[]> {
  const allSent = deferred();
  const fills: (string | null)[] = [];
  const service = new FastCgiHttpService(
    async (request, context) => {
      const reader = new URL(request.url).pathname.slice(1);
      // `new Request(request)` needs a native one.
      const read = READERS[reader === "copied" && lazyRequest ? "bytes" : reader]!;
      const bytes = await read(request, allSent.promise, context);
      fills.push(request.headers.get("x-fill"));
      return new Response(bytes as Uint8Array<ArrayBuffer>);
    },
    { lazyRequest },
  );
  const errors: unknown[] = [];
  const server = new FastCgiServer(service.handler, {
    maxQueuedBytes: Number.MAX_SAFE_INTEGER,
    onError: (error) => errors.push(error),
  });
  const web = new DrivenWebServer();
  void server.serve(web);
  const all = requests.map((request, index) => recordsOf(index + 1, request));
  const buffers = await web.receiveAll(all, delivery, isSole);
  allSent.resolve();
  while (web.bodies.size < requests.length && errors.length === 0) await turns(1);
  expect(errors).toEqual([]);
  for (const [requestId, body] of web.bodies) {
    expect(Buffer.compare(body, requests[requestId - 1]!.body)).toBe(0);
  }
  expect(fills.sort()).toEqual(requests.map(({ fill }) => fill).sort());
  await server.close();
  return buffers;
}

describe("memory of input", () => {
  it("FastCgiServer gives every reader its bytes when it frees what it may, however input is cut", async () => {
    let freed = 0;
    const run = async (given: Conversation): Promise<void> => {
      freed += (await converse(given, true)).filter(isFreed).length;
    };
    await fc.assert(fc.asyncProperty(conversation, run), { numRuns: 20 });
    expect(freed).toBeGreaterThan(0);
  });

  it.each(["text", "arrayBuffer", "blob"])(
    "FastCgiServer frees every piece of a body that %s() reads as it comes",
    async (reader) => {
      const body = new TextEncoder().encode(distinctJson(80_000, 1));
      const requests = [{ reader, body, fill: "1", cuts: [992] }];
      // Records end with their piece or go on in the next one.
      const given = { requests, order: [0], cuts: [8_000], pauses: [true], lazyRequest: true };
      const buffers = await converse(given, true);
      expect(buffers.length).toBe(11);
      // The first one has the variables, too.
      expect(buffers.map(isFreed)).toEqual(buffers.map((_, index) => index > 0));
    },
  );

  it("FastCgiServer frees no buffer of a channel that does not say that it may", async () => {
    const run = async (given: Conversation): Promise<void> => {
      expect((await converse(given)).some(isFreed)).toBe(false);
    };
    await fc.assert(fc.asyncProperty(conversation, run), { numRuns: 6 });
  });
});
