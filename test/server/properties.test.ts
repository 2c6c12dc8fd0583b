import fc from "fast-check";
import { expect, it } from "vitest";
import { type FastCgiHandler, type FastCgiRecord, RecordType } from "../../src/toolkit.ts";
import { chunksOf, joined, latin1 } from "../support/bytes.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { begin, bytesOf, params, record } from "../support/records.ts";
import { drain } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";
import { MemoryApplication, type WebServerEnd } from "../support/web_server_end.ts";

failOnUnhandledRejections();
useFakeTime();

/** One request: the pieces of its body, whether its length is announced, and what its handler does with it. */
interface Exchange {
  pieces: Uint8Array[];
  announced: boolean;
  way: "stream" | "collect" | "early";
}

const exchange: fc.Arbitrary<Exchange> = fc.record({
  pieces: fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 6 }),
  announced: fc.boolean(),
  way: fc.constantFrom("stream", "stream", "collect", "early"),
});

const HEADER = latin1("Status: 200 OK\r\n\r\n");

const echo: FastCgiHandler = async ({ params, stdin }) => {
  const way = params.get("WAY");
  if (way === "early") return { stdout: HEADER };
  return { stdout: [HEADER, way === "stream" ? stdin : (await drain(stdin)).bytes] };
};

function recordsOf(requestId: number, { pieces, announced, way }: Exchange): FastCgiRecord[] {
  const length = announced ? String(joined(...pieces).length) : "";
  return [
    begin(requestId),
    ...params(requestId, { WAY: way, CONTENT_LENGTH: length }),
    ...pieces.map((piece) => record(RecordType.Stdin, requestId, piece)),
    record(RecordType.Stdin, requestId),
  ];
}

/** The records of all requests, shuffled, those of each request in their order. */
function interleaved(requests: FastCgiRecord[][], choices: Iterator<number>): FastCgiRecord[] {
  const rest = requests.map((records) => [...records]);
  const result: FastCgiRecord[] = [];
  while (rest.some((records) => records.length > 0)) {
    const open = rest.filter((records) => records.length > 0);
    result.push(open[choices.next().value % open.length]!.shift()!);
  }
  return result;
}

/** Closes the web server's end when the application closes its own, as web servers do. */
function endWith(web: WebServerEnd): void {
  void web.closed().then(() => web.end().catch(() => {}));
}

function expectAnswers(web: WebServerEnd, exchanges: Exchange[]): void {
  exchanges.forEach(({ pieces, way }, index) => {
    const id = index + 1;
    const records = web.records.filter(({ requestId }) => requestId === id);
    const ends = records.filter(({ type }) => type === RecordType.EndRequest);
    expect(ends).toHaveLength(1);
    expect(records.at(-1)).toBe(ends[0]);
    const [endOfStdout, ...others] = records.filter(({ contentData }) => contentData.length === 0);
    expect(others).toEqual([]);
    expect(records.at(-2)).toBe(endOfStdout);
    const body = way === "early" ? [] : pieces;
    expect(Buffer.compare(web.stdoutOf(id), joined(HEADER, ...body))).toBe(0);
  });
  expect(web.records.every(({ requestId }) => requestId >= 1 && requestId <= exchanges.length)).toBe(true);
}

it("FastCgiServer echoes every body with exactly one END_REQUEST when requests are interleaved at random", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(exchange, { minLength: 1, maxLength: 8 }),
      fc.infiniteStream(fc.nat(), { noHistory: true }),
      fc.integer({ min: 8, max: 3000 }),
      fc.constantFrom(1, 262_144),
      async (exchanges, choices, chunkSize, maxQueuedBytes) => {
        const application = new MemoryApplication(echo, { maxQueuedBytes });
        const { web, served } = application.connect();
        const requests = exchanges.map((one, index) => recordsOf(index + 1, one));
        for (const chunk of chunksOf(bytesOf(interleaved(requests, choices)), chunkSize)) await web.sendBytes(chunk);
        await Promise.all(exchanges.map((_, index) => web.answer(index + 1)));
        await turns(2);
        expectAnswers(web, exchanges);
        endWith(web);
        await application.server.close({ grace: 0 });
        await served;
        expect(application.errors).toEqual([]);
      },
    ),
    { numRuns: 150 },
  );
});

it("FastCgiServer sends one END_REQUEST at most and settles when requests are aborted or cut at random", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(exchange, { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.nat(), { noHistory: true }),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 6 })), { maxLength: 4 }),
      fc.constantFrom("end", "break", "close"),
      async (exchanges, choices, aborts, ending) => {
        const application = new MemoryApplication(echo);
        const { web, served } = application.connect();
        const records = interleaved(
          exchanges.map((one, index) => recordsOf(index + 1, one)),
          choices,
        );
        const begun = (id: number): number => records.findIndex(({ requestId }) => requestId === id);
        for (const [at, id] of aborts) {
          if (id > exchanges.length) continue;
          const place = begun(id) + 1 + (at % (records.length - begun(id)));
          records.splice(place, 0, record(RecordType.AbortRequest, id));
        }
        for (const one of records) await web.send(one);
        if (ending === "end") await web.end();
        else if (ending === "break") web.break();
        else endWith(web);
        if (ending === "close") {
          const answers = exchanges.map((_, index) => web.answer(index + 1));
          const closed = Promise.all([application.server.close(), ...answers]);
          // The grace for what comes late.
          await pass(1000);
          await closed;
        }
        await served;
        exchanges.forEach((_, index) => {
          const own = web.records.filter(({ requestId }) => requestId === index + 1);
          const ends = own.filter(({ type }) => type === RecordType.EndRequest);
          expect(ends.length).toBeLessThanOrEqual(1);
          if (ends.length > 0) expect(own.at(-1)).toBe(ends[0]);
        });
        expect(application.server.status.connections).toBe(0);
        if (ending !== "break") expect(application.errors).toEqual([]);
      },
    ),
    { numRuns: 150 },
  );
});
