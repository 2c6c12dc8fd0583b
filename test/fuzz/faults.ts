// Recorded exchanges over a transport that fails at a chosen byte: what becomes of the requests on both sides.

import fc from "fast-check";
import { FastCgiClient, FastCgiError, FastCgiHttpClient, FastCgiServer, RecordType } from "../../src/toolkit.ts";
import { type FakeClock, onFakeClock, turns } from "./clock.ts";
import { textOf } from "./mutations.ts";
import { type Recording, recordedRequests, recordedResponses } from "./recordings.ts";
import type { Target } from "./target.ts";
import { anyTransport, Fault, must, RecordReader, type Transport, Wire, type WireRecord } from "./wire.ts";

/** What a transport does behind a byte. */
export const FAULTS = [
  "splits",
  "wakes for nothing",
  "pauses",
  "stalls",
  "half-closes",
  "resets",
  "fails to write",
  "takes nothing",
] as const;
type FaultKind = (typeof FAULTS)[number];

/** What may become of an exchange. */
type Result =
  /** What becomes of it without the fault. */
  | "as without"
  /** What was whole by then has its answer; no other one looks whole, and the connection is closed. */
  | "answered so far"
  /** As before, and what was waited for in vain is answered 408. */
  | "answered 408"
  /** The request fails with an error that says so, behind what had come. */
  | "times out"
  | "is broken off";

/** What may become of an exchange by what the transport of a server does. */
export const SERVER_RESULTS: Readonly<Record<FaultKind, readonly Result[]>> = {
  splits: ["as without"],
  "wakes for nothing": ["as without"],
  pauses: ["as without"],
  stalls: ["as without", "answered so far", "answered 408"],
  "half-closes": ["as without", "answered so far"],
  resets: ["as without", "answered so far"],
  "fails to write": ["as without", "answered so far"],
  "takes nothing": ["as without", "answered so far"],
};

/** The same for a client. */
export const CLIENT_RESULTS: Readonly<Record<FaultKind, readonly Result[]>> = {
  splits: ["as without"],
  "wakes for nothing": ["as without"],
  pauses: ["as without"],
  stalls: ["as without", "times out"],
  "half-closes": ["as without", "is broken off"],
  resets: ["as without", "is broken off"],
  "fails to write": ["as without"],
  "takes nothing": ["as without"],
};

/** Bytes of a recording behind which no fault is tried. */
export const MAX_OFFSET = 4096;

/** A fault of a transport in a recorded exchange. */
export interface FaultyExchange {
  readonly recording: number;
  readonly offset: number;
  readonly fault: FaultKind;
  readonly transport: Transport;
  /** Whether it is FastCgiHttpClient that reads it. */
  readonly isHttp: boolean;
}

/** Less than every timeout. */
const PAUSE = 20_000;
/** Longer than all of them. */
const LONG = 3 * 3_600_000;

/** Sends `bytes` record by record, and does what the fault is at its place. */
async function sendFaulty(
  wire: Wire,
  clock: FakeClock,
  bytes: Uint8Array,
  { offset, fault }: Pick<FaultyExchange, "offset" | "fault">,
): Promise<void> {
  let at = 0;
  for (const end of recordEnds(bytes)) {
    if (offset >= at && offset < end) {
      wire.send(bytes.subarray(at, offset));
      await turns(1);
      at = offset;
      switch (fault) {
        case "splits":
          break;
        case "wakes for nothing":
          wire.send(new Uint8Array(0));
          break;
        case "pauses":
          await clock.pass(PAUSE);
          break;
        case "stalls":
          return clock.pass(LONG);
        case "half-closes":
          wire.end();
          return;
        case "resets":
          wire.reset();
          return;
        case "fails to write":
          wire.failWrites();
          break;
        case "takes nothing":
          wire.hold();
      }
      await turns(1);
    }
    wire.send(bytes.subarray(at, end));
    await turns(1);
    at = end;
  }
}

/** Where records end, and what is no record. */
function recordEnds(bytes: Uint8Array): number[] {
  const ends: number[] = [];
  let at = 0;
  while (bytes.length - at >= 8) {
    at = Math.min(bytes.length, at + 8 + bytes[at + 4]! * 256 + bytes[at + 5]! + bytes[at + 6]!);
    ends.push(at);
  }
  if (at < bytes.length) ends.push(bytes.length);
  return ends;
}

/** The answers that came back on a connection: request id and FCGI_STDOUT, in the order of their ends. */
async function answersOf(
  bytes: Uint8Array,
  transport: Transport,
  fault: Pick<FaultyExchange, "offset" | "fault"> | null,
): Promise<string[]> {
  return onFakeClock(async (clock) => {
    const answers: string[] = [];
    const open = new Map<number, string>();
    const reader = new RecordReader();
    let isBrokenOff = false;
    const onRecord = ({ type, requestId, content }: WireRecord): void => {
      if (type === RecordType.Stdout) open.set(requestId, (open.get(requestId) ?? "") + textOf([content]));
      if (type !== RecordType.EndRequest) return;
      answers.push(`${requestId} ${open.get(requestId) ?? ""}`);
      open.delete(requestId);
    };
    const wire = new Wire(
      (piece) => {
        reader.read(piece).forEach(onRecord);
        if (reader.rest.length > 0) isBrokenOff = true;
      },
      { transport, closing: "returns" },
    );
    const server = new FastCgiServer(async ({ params, stdin }) => {
      let length = 0;
      for await (const piece of stdin) length += piece.length;
      return { stdout: `Status: 200 OK\r\n\r\n${params.get("REQUEST_URI")} ${length}` };
    });
    const served = server.serve(wire.connection);
    await sendFaulty(wire, clock, bytes, fault ?? { offset: -1, fault: "splits" });
    wire.end();
    await clock.pass(LONG);
    await served;
    must(wire.isClosed && server.status.connections === 0, "The connection was never closed");
    must(
      open.size === 0 || isBrokenOff || wire.output !== "ended",
      "A response that has begun and not ended is not broken off",
    );
    must(clock.pending === 0, `${clock.pending} timers run at the end`);
    return answers;
  });
}

/** What a client made of a response. */
interface Reading {
  readonly text: string;
  /** The code of the error that it ended with; null where it is whole. */
  readonly failure: string | null;
}

/** Reads a recorded response, which gets the id that the client has given its request. */
async function readingOf(
  bytes: Uint8Array,
  { transport, isHttp }: Pick<FaultyExchange, "transport" | "isHttp">,
  fault: Pick<FaultyExchange, "offset" | "fault"> | null,
): Promise<Reading> {
  return onFakeClock(async (clock) => {
    let requestId = 0;
    const reader = new RecordReader();
    const wire = new Wire(
      (piece) => {
        for (const each of reader.read(piece)) requestId ||= each.requestId;
      },
      { transport, closing: "returns" },
    );
    wire.onClosed(() => wire.end());
    const connector = { connect: async () => wire.connection };
    const pieces: Uint8Array[] = [];
    const isOver: { reading: Reading | null } = { reading: null };
    const client = isHttp ? new FastCgiHttpClient(connector) : new FastCgiClient(connector);
    const read = async (): Promise<void> => {
      const stream =
        client instanceof FastCgiHttpClient
          ? (await client.fetch("http://example.com/")).body
          : await client.send({ params: [["REQUEST_METHOD", "GET"]] }).then((response) => response.stdout);
      for await (const piece of stream ?? []) pieces.push(piece.slice());
    };
    const done = read().then(
      () => {
        isOver.reading = { text: textOf(pieces), failure: null };
      },
      (error: unknown) => {
        if (!(error instanceof FastCgiError)) throw error;
        isOver.reading = { text: textOf(pieces), failure: error.code };
      },
    );
    await turns();
    await sendFaulty(wire, clock, withId(bytes, requestId), fault ?? { offset: -1, fault: "splits" });
    await turns();
    wire.end();
    await clock.pass(LONG);
    must(isOver.reading !== null, "The response is never over");
    await done;
    await client.close();
    must(wire.isClosed, "The connection was never closed");
    must(clock.pending === 0, `${clock.pending} timers run at the end`);
    return isOver.reading;
  });
}

/** A recording whose only request has this id. */
function withId(bytes: Uint8Array, requestId: number): Uint8Array {
  const changed = bytes.slice();
  let at = 0;
  for (const end of recordEnds(bytes)) {
    if (end - at >= 8 && bytes[at + 2]! * 256 + bytes[at + 3]! > 0)
      changed.set([requestId >> 8, requestId & 0xff], at + 2);
    at = end;
  }
  return changed;
}

/** A side of the library, the recordings for it, and what may become of them. */
export interface FaultySide {
  readonly name: string;
  readonly results: typeof SERVER_RESULTS;
  readonly recordings: readonly Recording[];
  /** What becomes of an exchange. */
  resultOf(exchange: FaultyExchange): Promise<Result>;
}

/** Recorded web servers against a FastCgiServer. */
export function faultyWebServers(): FaultySide {
  const recordings = recordedRequests();
  const without = new Map<string, Promise<string[]>>();
  return {
    name: "server-faults",
    results: SERVER_RESULTS,
    recordings,
    async resultOf({ recording, transport, offset, fault }) {
      const { bytes } = recordings[recording]!;
      const key = `${recording} ${transport}`;
      if (!without.has(key)) without.set(key, answersOf(bytes, transport, null));
      const expected = await without.get(key)!;
      const actual = await answersOf(bytes, transport, { offset, fault });
      const rest = [...expected];
      const late = actual.filter((answer) => {
        const index = rest.indexOf(answer);
        if (index >= 0) rest.splice(index, 1);
        return index < 0;
      });
      if (late.some((answer) => !/^\d+ Status: 408 /.test(answer)))
        throw new Fault(`Answers came that were not to come: ${late}`);
      if (late.length > 0) return "answered 408";
      return rest.length > 0 ? "answered so far" : "as without";
    },
  };
}

/** Recorded applications against a client. */
export function faultyApplications(): FaultySide {
  const recordings = recordedResponses();
  const without = new Map<string, Promise<Reading>>();
  return {
    name: "client-faults",
    results: CLIENT_RESULTS,
    recordings,
    async resultOf({ recording, transport, isHttp, offset, fault }) {
      const { bytes } = recordings[recording]!;
      const key = `${recording} ${transport} ${isHttp}`;
      if (!without.has(key)) without.set(key, readingOf(bytes, { transport, isHttp }, null));
      const expected = await without.get(key)!;
      const actual = await readingOf(bytes, { transport, isHttp }, { offset, fault });
      if (actual.text === expected.text && actual.failure === expected.failure) return "as without";
      must(
        actual.failure !== null,
        `A response looks whole with ${actual.text.length} bytes, of ${expected.text.length}`,
      );
      must(expected.text.startsWith(actual.text), "Bytes came that were not to come");
      if (actual.failure === "timeout") return "times out";
      must(actual.failure === "connectionClosed", `The response failed with ${actual.failure}`);
      return "is broken off";
    },
  };
}

/** How often each fault gave each result. */
export type FaultTable = Map<FaultKind, Map<Result, number>>;

/** Tries every fault in every recording, behind every `step` bytes below {@linkcode MAX_OFFSET}. What breaks a rule goes to `onFault`. */
export async function tryEveryByte(
  side: FaultySide,
  step: number,
  onFault: (report: string) => void,
): Promise<FaultTable> {
  const table: FaultTable = new Map(FAULTS.map((fault) => [fault, new Map()]));
  const transports = ["streams", "channel", "channel that resets"] as const;
  let count = 0;
  for (const [recording, { name, bytes }] of side.recordings.entries()) {
    for (let offset = recording % step; offset < Math.min(MAX_OFFSET, bytes.length); offset += step) {
      for (const fault of FAULTS) {
        const exchange = { recording, offset, fault, transport: transports[count % 3]!, isHttp: count++ % 2 === 0 };
        try {
          const result = await checkedResult(side, exchange);
          const results = table.get(fault)!;
          results.set(result, (results.get(result) ?? 0) + 1);
        } catch (error) {
          onFault(
            `${side.name}, ${name}: ${JSON.stringify(exchange)}\n${error instanceof Error ? error.stack : error}`,
          );
        }
      }
    }
  }
  return table;
}

/** @throws {Fault} If the result is none that the fault may have. */
async function checkedResult({ results, recordings, resultOf }: FaultySide, exchange: FaultyExchange): Promise<Result> {
  const result = await resultOf(exchange);
  const { fault, recording } = exchange;
  must(results[fault].includes(result), `A transport that ${fault} gave "${result}" in ${recordings[recording]!.name}`);
  return result;
}

/** Faults at places that are chosen at random. */
export function faultyTarget(side: FaultySide): Target<FaultyExchange> {
  const { name, recordings } = side;
  return {
    name,
    inputs: fc
      .record({
        recording: fc.nat(recordings.length - 1),
        offset: fc.nat(MAX_OFFSET - 1),
        fault: fc.constantFrom(...FAULTS),
        transport: anyTransport,
        isHttp: fc.boolean(),
      })
      .map((exchange) => ({ ...exchange, offset: exchange.offset % recordings[exchange.recording]!.bytes.length })),
    async run(exchange) {
      await checkedResult(side, exchange);
    },
  };
}
