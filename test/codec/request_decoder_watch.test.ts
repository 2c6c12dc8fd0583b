// What a RequestDecoder tells the watch of a request: of the end of those that the application does not answer.

import { expect, it } from "vitest";
import { RequestDecoder } from "../../src/codec/request_decoder.ts";
import type { RequestDecoderOptions } from "../../src/codec/request_decoder_options.ts";
import { type FastCgiServerRequestEnd, RequestWatch } from "../../src/codec/request_watch.ts";
import { RecordType } from "../../src/protocol/constants.ts";
import { FastCgiError } from "../../src/protocol/errors.ts";
import type { FastCgiRecord } from "../../src/protocol/record.ts";
import { hex } from "../support/bytes.ts";
import { started } from "../support/decoders.ts";
import { begin, record, request } from "../support/records.ts";

const { AbortRequest, Params } = RecordType;

/** A decoder, and the ends of its requests. */
function watched(options: RequestDecoderOptions = {}) {
  const ends: FastCgiServerRequestEnd[] = [];
  const watch = (): RequestWatch => new RequestWatch((end) => void ends.push(end));
  const decoder = new RequestDecoder({ reply() {}, watch }, options);
  return {
    decoder,
    ends,
    send(...records: (FastCgiRecord | FastCgiRecord[])[]): void {
      for (const each of records.flat()) decoder.transform(each, { enqueue() {} });
    },
  };
}

/** The requests that the application does not get: what comes, and what their watch hears. */
const REFUSED: readonly (readonly [
  what: string,
  options: RequestDecoderOptions,
  records: (FastCgiRecord | FastCgiRecord[])[],
  end: object,
])[] = [
  [
    "refused because multiplexing is off",
    { multiplexing: false },
    [started(1), begin(2)],
    { outcome: "refused", status: undefined, error: { code: "cantMultiplex", requestId: 2 } },
  ],
  [
    "of an unknown role",
    {},
    [begin(2, { role: 9 })],
    { outcome: "refused", status: undefined, error: { code: "unknownRole", requestId: 2 } },
  ],
  [
    "one too many",
    { maxConcurrentRequests: 1 },
    [started(1), begin(2)],
    { outcome: "refused", status: 503, error: { code: "limit", requestId: 2 } },
  ],
  [
    "with too many params",
    { maxParamsBytes: 1 },
    [begin(2), record(Params, 2, "xx")],
    { outcome: "refused", status: 431, error: { code: "limit", limit: "maxParamsBytes" } },
  ],
  [
    "with params that are no pairs",
    {},
    [begin(2), record(Params, 2, hex("01 05 41 62")), record(Params, 2)],
    { outcome: "refused", status: 400, error: { code: "protocol", requestId: 2 } },
  ],
  [
    "aborted before its params were complete",
    {},
    [begin(2), record(AbortRequest, 2)],
    { outcome: "aborted", status: undefined, error: { code: "aborted", requestId: 2 } },
  ],
];

it.each(REFUSED)("RequestDecoder tells the watch of a request that is %s", (_, options, records, end) => {
  const { ends, send } = watched(options);
  send(...records);
  expect(ends).toMatchObject([{ ...end, request: undefined, method: undefined }]);
});

it("RequestDecoder tells the watch of a request whose params were not complete in time", () => {
  const { decoder, ends, send } = watched();
  const timeouts = { paramsTimeout: 100, readTimeout: 1000 };
  send(begin(1), started(2));
  decoder.inputDue(0, timeouts);
  decoder.timeOutInput(100, timeouts);
  expect(ends).toMatchObject([
    { outcome: "timeout", status: 408, error: { code: "timeout", limit: "paramsTimeout", requestId: 1 } },
  ]);
});

it("RequestDecoder tells the watches of all requests when the connection is gone, and of none that is over", () => {
  const { decoder, ends, send } = watched();
  send(begin(1), request(2, { uri: "/two" }), started(3));
  decoder.end(3);
  const reason = new FastCgiError("connectionClosed", "Gone");
  decoder.abortAll(reason);
  expect(ends).toMatchObject([
    { outcome: "aborted", error: reason, request: undefined, method: undefined },
    { outcome: "aborted", error: reason, request: { requestId: 2 }, method: "GET" },
  ]);
});
