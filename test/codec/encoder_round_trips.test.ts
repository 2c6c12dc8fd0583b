// Requests and responses as they come out of the decoding stages when they have gone through the encoding ones, cut at every point.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  composeStages,
  type FastCgiClientResponse,
  type FastCgiOutgoingRequest,
  type FastCgiOutgoingResponse,
  type FastCgiRecord,
  type FastCgiRequest,
  type NameValuePair,
  ProtocolStatus,
  RecordDecoder,
  RecordEncoder,
  RequestDecoder,
  RequestEncoder,
  ResponseDecoder,
  ResponseEncoder,
  Role,
  type Stage,
} from "../../src/toolkit.ts";
import { hexOf, joined, splitsOf } from "../support/bytes.ts";
import { drain, streamOf } from "../support/streams.ts";

/** All that a stage makes of these pieces. */
async function through<Input, Output>(stage: Stage<Input, Output>, pieces: readonly Input[]): Promise<Output[]> {
  const made: Output[] = [];
  const controller = { enqueue: (piece: Output) => void made.push(piece) };
  for (const piece of pieces) await stage.transform(piece, controller);
  await stage.flush(controller);
  return made;
}

/** The same with the input cut everywhere, each time by stages of its own. */
async function* atEverySplit<Output>(
  bytes: Uint8Array,
  stage: () => Stage<Uint8Array, Output>,
): AsyncGenerator<Output[]> {
  for (const [head, tail] of splitsOf(bytes)) yield await through(stage(), [head, tail]);
}

const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => new Uint8Array(value));
const text = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 12,
});
/** Bytes as a program may give them. */
const source = fc.record({ pieces: fc.array(bytes, { maxLength: 3 }), isStream: fc.boolean() });
type Source = { readonly pieces: readonly Uint8Array[]; readonly isStream: boolean };
const given = ({ pieces, isStream }: Source): Uint8Array | ReadableStream<Uint8Array> =>
  isStream ? streamOf(...pieces) : joined(...pieces);
const read = async (stream: ReadableStream<Uint8Array>): Promise<string> => {
  const drained = await drain(stream);
  expect(drained.error).toBeNull();
  return hexOf(drained.bytes);
};

describe("RequestEncoder and RequestDecoder", () => {
  const requests = fc.array(
    fc.record({
      role: fc.constantFrom(Role.Responder, Role.Authorizer, Role.Filter),
      keepConn: fc.boolean(),
      params: fc.uniqueArray(fc.tuple(text, text), { maxLength: 3, selector: ([name]) => name }),
      stdin: source,
      data: source,
    }),
    { minLength: 1, maxLength: 3 },
  );

  it("RequestDecoder gives what RequestEncoder was given, several requests at once, wherever the bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (list) => {
        const sent = list.map(
          ({ stdin, data, params, ...rest }, index): FastCgiOutgoingRequest => ({
            ...rest,
            requestId: index + 1,
            params: params as NameValuePair[],
            stdin: given(stdin),
            data: given(data),
          }),
        );
        const expected = list.map(({ role, keepConn, params, stdin, data }, index) => [
          index + 1,
          role,
          keepConn,
          params,
          role === Role.Authorizer ? "" : hexOf(joined(...stdin.pieces)),
          role === Role.Filter ? hexOf(joined(...data.pieces)) : "",
        ]);
        const encoded = joined(...(await through(composeStages(new RequestEncoder(), new RecordEncoder()), sent)));
        const decode = (): Stage<Uint8Array, FastCgiRequest> =>
          composeStages<Uint8Array, FastCgiRecord, FastCgiRequest>(
            new RecordDecoder({ splitStreams: true }),
            new RequestDecoder({ reply() {} }),
          );
        for await (const decoded of atEverySplit(encoded, decode)) {
          const seen = await Promise.all(
            decoded.map(async ({ requestId, role, keepConn, paramPairs, stdin, data }) => [
              requestId,
              role,
              keepConn,
              paramPairs.map((pair) => [...pair]),
              await read(stdin),
              await read(data),
            ]),
          );
          expect(seen.sort(([a], [b]) => Number(a) - Number(b))).toEqual(expected);
        }
      }),
      { numRuns: 15 },
    );
  });
});

describe("ResponseEncoder and ResponseDecoder", () => {
  const responses = fc.array(
    fc.record({
      stdout: fc.array(source, { minLength: 1, maxLength: 2 }),
      stderr: fc.array(source, { maxLength: 2 }),
      appStatus: fc.nat(0xffff_ffff),
      isRefused: fc.boolean(),
    }),
    { minLength: 1, maxLength: 3 },
  );

  it("ResponseDecoder gives what ResponseEncoder was given, several responses at once, wherever the bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(responses, async (list) => {
        const contentOf = (sources: readonly Source[]): string =>
          hexOf(joined(...sources.flatMap(({ pieces }) => pieces)));
        const start = { pieces: [new Uint8Array([1])], isStream: false };
        const sent = list.map(({ stdout, stderr, appStatus, isRefused }, index): FastCgiOutgoingResponse => {
          const requestId = index + 1;
          if (isRefused) return { requestId, appStatus, protocolStatus: ProtocolStatus.Overloaded };
          return { requestId, stdout: [start, ...stdout].map(given), stderr: stderr.map(given), appStatus };
        });
        const expected = list.map(({ stdout, stderr, appStatus, isRefused }, index) =>
          isRefused
            ? [index + 1, "overloaded", "", { appStatus, protocolStatus: ProtocolStatus.Overloaded }]
            : [index + 1, contentOf([start, ...stdout]), contentOf(stderr), { appStatus, protocolStatus: 0 }],
        );
        const encoded = joined(...(await through(composeStages(new ResponseEncoder(), new RecordEncoder()), sent)));
        const decode = (): Stage<Uint8Array, FastCgiClientResponse> =>
          composeStages<Uint8Array, FastCgiRecord, FastCgiClientResponse>(new RecordDecoder(), new ResponseDecoder());
        for await (const decoded of atEverySplit(encoded, decode)) {
          const seen = await Promise.all(
            decoded.map(async ({ requestId, stdout, stderr, end }) => {
              const { bytes, error } = await drain(stdout);
              return [
                requestId,
                error === null ? hexOf(bytes) : (error as { code: string }).code,
                await read(stderr),
                await end,
              ];
            }),
          );
          expect(seen.sort(([a], [b]) => Number(a) - Number(b))).toEqual(expected);
        }
      }),
      { numRuns: 15 },
    );
  });
});
