import fc from "fast-check";
import { expect, it } from "vitest";
import { RecordType, Role } from "../../src/protocol/constants.ts";
import { encodeNameValuePairs } from "../../src/protocol/name_value_pairs.ts";
import { chunksOf, hexOf, latin1 } from "../support/bytes.ts";
import { caught, DrivenRequestDecoder, started } from "../support/decoders.ts";
import { begin, params, record, request, stdin } from "../support/records.ts";
import { drain, failureOf, textFrom } from "../support/streams.ts";

const { AbortRequest, Data, EndRequest, Params, Stderr, Stdin, Stdout } = RecordType;

it("RequestDecoder emits a request when its params are complete", () => {
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1, { keepConn: false }), record(Params, 1, encodeNameValuePairs([["A", "b"]])));
  expect(driver.requests).toEqual([]);
  driver.send(record(Params, 1));
  const [first] = driver.requests;
  expect(first).toMatchObject({ requestId: 1, role: Role.Responder, keepConn: false, paramPairs: [["A", "b"]] });
  expect([...first!.params]).toEqual([["A", "b"]]);
  expect(driver.replies).toEqual([]);
  expect(driver.reports).toEqual([]);
});

it("RequestDecoder emits a request without params when the stream is empty", () => {
  // Recorder, params-none.
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1), record(Params, 1));
  expect(driver.requests[0]!.paramPairs).toEqual([]);
});

it("RequestDecoder feeds stdin to its end when the body comes in any records", async () => {
  const driver = new DrivenRequestDecoder();
  driver.send(request(1, { body: "hello world" }));
  expect(await textFrom(driver.requests[0]!.stdin)).toBe("hello world");
  driver.send(
    started(2),
    [..."hello world"].map((byte) => record(Stdin, 2, byte)),
    record(Stdin, 2),
  );
  expect(await textFrom(driver.requests[1]!.stdin)).toBe("hello world");
});

it("RequestDecoder feeds any byte to stdin and data", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const driver = new DrivenRequestDecoder();
  driver.send(started(1, {}, Role.Filter), stdin(1, all), record(Data, 1, all), record(Data, 1));
  expect((await drain(driver.requests[0]!.stdin)).bytes).toEqual(all);
  expect((await drain(driver.requests[0]!.data)).bytes).toEqual(all);
});

it("RequestDecoder joins params before it reads them when pairs are cut at any point", () => {
  // h2o cuts behind 64 kB, cgi-fcgi behind 8 kB; recorder, params-split-17 and params-1-byte-records.
  const pairs = [
    ["REQUEST_METHOD", "GET"],
    ["HTTP_X", "x".repeat(200)],
    ["", ""],
  ] as const;
  const bytes = encodeNameValuePairs(pairs);
  for (let size = 1; size <= bytes.length; size++) {
    const driver = new DrivenRequestDecoder();
    driver.send(
      begin(1),
      [...chunksOf(bytes, size)].map((piece) => record(Params, 1, piece)),
      record(Params, 1),
    );
    expect(driver.requests[0]!.paramPairs).toEqual(pairs);
  }
});

it("RequestDecoder writes nothing into the chunk when params come in several records", () => {
  const chunk = encodeNameValuePairs([["A", "bcd"]]);
  const before = chunk.slice();
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1), record(Params, 1, chunk.subarray(0, 2)), record(Params, 1, latin1("Axyz")), record(Params, 1));
  expect(driver.requests[0]!.paramPairs).toEqual([["A", "xyz"]]);
  expect(chunk).toEqual(before);
});

it("RequestDecoder keeps requests apart when their records are interleaved", async () => {
  // HAProxy 2.6.12 with mpxs-conns, parallel-posts.
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1), begin(3), begin(65_535));
  driver.send(params(3, { N: "3" }), params(1, { N: "1" }), params(65_535, { N: "65535" }));
  driver.send(record(Stdin, 1, "a"), record(Stdin, 3, "x"), record(Stdin, 1, "b"), record(Stdin, 65_535));
  driver.send(record(Stdin, 3), record(Stdin, 1, "c"), record(Stdin, 1));
  expect(driver.requests.map(({ requestId }) => requestId)).toEqual([3, 1, 65_535]);
  expect(driver.requests.map((each) => each.params.get("N"))).toEqual(["3", "1", "65535"]);
  expect(await Promise.all(driver.requests.map((each) => textFrom(each.stdin)))).toEqual(["x", "abc", ""]);
});

it("RequestDecoder emits the same requests when the records of several are interleaved in any order", async () => {
  const ids = [1, 2, 3];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...ids), { maxLength: 60 }), async (turns) => {
      const waiting = new Map(
        ids.map((id) => [
          id,
          [
            ...started(id, { ID: String(id) }),
            ...[..."body"].map((byte) => record(Stdin, id, byte)),
            record(Stdin, id),
          ],
        ]),
      );
      const driver = new DrivenRequestDecoder();
      for (const id of [...turns, ...ids.flatMap((id) => Array<number>(10).fill(id))]) {
        const next = waiting.get(id)!.shift();
        if (next !== undefined) driver.send(next);
      }
      expect(driver.requests.map((each) => Number(each.params.get("ID"))).sort()).toEqual(ids);
      for (const each of driver.requests) expect(await textFrom(each.stdin)).toBe("body");
      expect(driver.decoder.expectsInput).toBe(false);
    }),
    { numRuns: 50 },
  );
});

it("RequestDecoder counts requests from BEGIN_REQUEST to end()", () => {
  const driver = new DrivenRequestDecoder();
  const { decoder } = driver;
  const counts = (): unknown[] => [decoder.activeRequests, decoder.incompleteRequests, decoder.expectsInput];
  expect(counts()).toEqual([0, 0, false]);
  driver.send(begin(1));
  expect(counts()).toEqual([1, 1, true]);
  driver.send(params(1, {}));
  expect(counts()).toEqual([1, 0, true]);
  driver.send(begin(2));
  expect(counts()).toEqual([2, 1, true]);
  driver.send(stdin(1, "x"));
  expect(decoder.end(2)).toBe(false);
  expect(counts()).toEqual([1, 0, false]);
  expect(decoder.end(1)).toBe(true);
  expect(counts()).toEqual([0, 0, false]);
  expect(decoder.end(1)).toBe(true);
});

it("RequestDecoder begins an id again when its request was ended", async () => {
  // nginx and Apache use id 1 for every request of a kept connection.
  const driver = new DrivenRequestDecoder();
  for (const body of ["first", "second"]) {
    driver.send(request(1, { body }));
    expect(await textFrom(driver.requests.at(-1)!.stdin)).toBe(body);
    expect(driver.decoder.end(1)).toBe(true);
  }
  expect(driver.requests).toHaveLength(2);
});

it("RequestDecoder.end fails a body that is not whole, and the next request gets none of it", async () => {
  const driver = new DrivenRequestDecoder();
  driver.send(started(1), record(Stdin, 1, "unread"));
  const [first] = driver.requests;
  expect(driver.decoder.end(1)).toBe(false);
  await expect(textFrom(first!.stdin)).rejects.toMatchObject({ code: "aborted", requestId: 1 });
  driver.send(record(Stdin, 1, "late"), record(Stdin, 1), request(1, { body: "mine" }));
  expect(await textFrom(driver.requests[1]!.stdin)).toBe("mine");
});

it("RequestDecoder.end leaves a body that is whole to whoever still reads it", async () => {
  const driver = new DrivenRequestDecoder();
  driver.send(request(1, { body: "whole" }));
  expect(driver.decoder.end(1)).toBe(true);
  expect(await textFrom(driver.requests[0]!.stdin)).toBe("whole");
});

it("RequestDecoder.expectsInput is false when the request whose input is under way was aborted", () => {
  const driver = new DrivenRequestDecoder();
  driver.send(started(1), record(Stdin, 1, "part"));
  expect(driver.decoder.expectsInput).toBe(true);
  driver.send(record(AbortRequest, 1));
  expect(driver.decoder.expectsInput).toBe(false);
});

it("RequestDecoder ignores every record for an id that is not active, but BEGIN_REQUEST", () => {
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1));
  for (const type of [AbortRequest, EndRequest, Params, Stdin, Stdout, Stderr, Data, 9, 10, 11, 77]) {
    driver.send(record(type, 5, "x"), record(type, 5));
  }
  expect([driver.requests, driver.replies, driver.reports]).toEqual([[], [], []]);
  driver.send(params(1, {}), request(5));
  expect(driver.requests.map(({ requestId }) => requestId)).toEqual([1, 5]);
});

it("RequestDecoder emits an Authorizer request that has no body when STDIN never comes", async () => {
  // Apache 2.4.71, mod_authnz_fcgi: authn-post.
  const driver = new DrivenRequestDecoder();
  driver.send(started(1, { CONTENT_LENGTH: "1048576" }, Role.Authorizer));
  expect(driver.requests[0]!.role).toBe(Role.Authorizer);
  expect(await textFrom(driver.requests[0]!.stdin)).toBe("");
  expect(driver.decoder.expectsInput).toBe(false);
});

it("RequestDecoder ignores an empty STDIN for an Authorizer and reports one with content", async () => {
  // lighttpd 1.4.69, auth-ok; recorder, role-authorizer-with-stdin.
  const driver = new DrivenRequestDecoder();
  driver.send(begin(1, { role: Role.Authorizer }), record(Stdin, 1), params(1, {}), record(Stdin, 1));
  expect(driver.reports).toEqual([]);
  driver.send(record(Stdin, 1, "body"), record(Data, 1, "file"));
  expect(driver.reports.map(({ message }) => message)).toEqual([
    "Dropped 4 bytes of STDIN: the role has no such stream",
    "Dropped 4 bytes of DATA: the role has no such stream",
  ]);
  expect(await textFrom(driver.requests[0]!.stdin)).toBe("");
});

it("RequestDecoder feeds data of a Filter when STDIN has ended", async () => {
  const driver = new DrivenRequestDecoder();
  const length = { CONTENT_LENGTH: "4", FCGI_DATA_LENGTH: "9", FCGI_DATA_LAST_MOD: "851119462" };
  driver.send(started(1, length, Role.Filter), stdin(1, "body"));
  expect(driver.decoder.expectsInput).toBe(true);
  driver.send(record(Data, 1, "the "), record(Data, 1, "file."), record(Data, 1));
  const [filter] = driver.requests;
  expect(filter!.role).toBe(Role.Filter);
  expect(Object.fromEntries(filter!.params)).toEqual(length);
  expect(await textFrom(filter!.stdin)).toBe("body");
  expect(await textFrom(filter!.data)).toBe("the file.");
  expect(driver.decoder.expectsInput).toBe(false);
});

it("RequestDecoder reports DATA for a Responder and goes on", async () => {
  // Recorder, data-record-for-responder.
  const driver = new DrivenRequestDecoder();
  driver.send(started(1), record(Data, 1, "file"), record(Data, 1), stdin(1, "body"), record(Data, 1, "more"));
  expect(driver.reports.map(({ code }) => code)).toEqual(["protocol", "protocol"]);
  expect(await textFrom(driver.requests[0]!.stdin)).toBe("body");
});

it("RequestDecoder tolerates the end of a stream when it comes again", async () => {
  const driver = new DrivenRequestDecoder();
  const end = record(Params, 1);
  driver.send(started(1, {}, Role.Filter), end, stdin(1, "a"), end, record(Stdin, 1), record(Data, 1, "b"));
  driver.send(record(Data, 1), record(Data, 1), record(Stdin, 1), end);
  expect(driver.requests).toHaveLength(1);
  expect(await textFrom(driver.requests[0]!.stdin)).toBe("a");
  expect(await textFrom(driver.requests[0]!.data)).toBe("b");
  expect(driver.reports).toEqual([]);
});

it("RequestDecoder aborts a request that came out when ABORT_REQUEST comes, and leaves the answer to the application", async () => {
  // HAProxy 2.6.12 with mpxs-conns, abort-midrequest-80k.
  const driver = new DrivenRequestDecoder();
  driver.send(started(1), record(Stdin, 1, "half"));
  const [first] = driver.requests;
  const { signal } = first!;
  driver.send(record(AbortRequest, 1));
  expect(signal.aborted).toBe(true);
  expect(signal.reason.cause).toMatchObject({ code: "aborted", requestId: 1 });
  expect(await drain(first!.stdin)).toMatchObject({ bytes: latin1("half"), error: { code: "aborted" } });
  expect(driver.replies).toEqual([]);
  expect(driver.decoder.activeRequests).toBe(1);
});

it("RequestDecoder aborts once when ABORT_REQUEST comes again, and drops what comes behind it", async () => {
  const driver = new DrivenRequestDecoder();
  driver.send(started(1), record(AbortRequest, 1));
  const reason = driver.requests[0]!.abortReason;
  driver.send(record(AbortRequest, 1), record(Stdin, 1, "late"), record(Stdin, 1), record(AbortRequest, 1));
  expect(driver.requests[0]!.abortReason).toBe(reason);
  expect(await drain(driver.requests[0]!.stdin)).toEqual({ bytes: latin1(""), error: reason });
});

it("RequestDecoder aborts a request whose input is complete", async () => {
  const driver = new DrivenRequestDecoder();
  driver.send(request(1, { body: "whole" }), record(AbortRequest, 1));
  expect(driver.requests[0]!.signal.aborted).toBe(true);
  expect(await textFrom(driver.requests[0]!.stdin)).toBe("whole");
});

it("RequestDecoder answers ABORT_REQUEST itself when the params are not complete", () => {
  // Recorder, abort-in-params.
  for (const keepConn of [true, false]) {
    const driver = new DrivenRequestDecoder();
    driver.send(begin(1, { keepConn }), record(Params, 1, "\x01"), record(AbortRequest, 1));
    expect(driver.replies).toHaveLength(1);
    expect(driver.replies[0]).toMatchObject({ type: EndRequest, requestId: 1 });
    expect(hexOf(driver.replies[0]!.contentData)).toBe("00 00 00 00 00 00 00 00");
    expect(driver.closes).toEqual([!keepConn]);
    expect(driver.requests).toEqual([]);
    expect(driver.decoder.activeRequests).toBe(0);
    // The rest of its params is dropped, and the id can be used again.
    driver.send(record(Params, 1, "x"), record(Params, 1), request(1));
    expect(driver.requests).toHaveLength(1);
  }
});

it("RequestDecoder fails stdin when it is shorter or longer than CONTENT_LENGTH", async () => {
  // Recorder, post-body-too-short and post-body-too-long.
  for (const [length, body] of [
    ["10", "short"],
    ["3", "long"],
    ["0", "x"],
  ] as const) {
    const driver = new DrivenRequestDecoder();
    driver.send(started(1, { CONTENT_LENGTH: length }), stdin(1, body));
    expect(await failureOf(driver.requests[0]!.stdin)).toMatchObject({ code: "lengthMismatch", requestId: 1 });
    // The records are intact: the connection goes on.
    driver.decoder.end(1);
    driver.send(request(1));
    expect(driver.requests).toHaveLength(2);
  }
});

it("RequestDecoder reads stdin to its end when CONTENT_LENGTH says nothing", async () => {
  // nginx-unbuffered: ""; Apache: absent; Caddy 2.6.2: "-1".
  for (const length of [{ CONTENT_LENGTH: "" }, {}, { CONTENT_LENGTH: "-1" }]) {
    const driver = new DrivenRequestDecoder();
    driver.send(started(1, length as Record<string, string>), stdin(1, "any length"));
    expect(await textFrom(driver.requests[0]!.stdin)).toBe("any length");
  }
});

it("RequestDecoder fails data when it is shorter or longer than FCGI_DATA_LENGTH", async () => {
  for (const [length, file] of [
    ["10", "short"],
    ["3", "long"],
  ] as const) {
    const driver = new DrivenRequestDecoder();
    driver.send(
      started(1, { FCGI_DATA_LENGTH: length }, Role.Filter),
      stdin(1),
      record(Data, 1, file),
      record(Data, 1),
    );
    expect(await failureOf(driver.requests[0]!.data)).toMatchObject({ code: "lengthMismatch", requestId: 1 });
    expect(driver.decoder.expectsInput).toBe(false);
  }
});

it("RequestDecoder.flush aborts every active request: the connection is gone", async () => {
  const driver = new DrivenRequestDecoder();
  driver.send(started(1), record(Stdin, 1, "half"), request(2), begin(3), started(4, {}, Role.Filter));
  driver.decoder.flush();
  for (const each of driver.requests) expect(each.signal.reason.cause).toMatchObject({ code: "connectionClosed" });
  expect(await drain(driver.requests[0]!.stdin)).toMatchObject({
    bytes: latin1("half"),
    error: { code: "connectionClosed" },
  });
  expect(await textFrom(driver.requests[1]!.stdin)).toBe("");
  expect((await failureOf(driver.requests[2]!.data)).code).toBe("connectionClosed");
  // No request is active that could be answered.
  expect(driver.replies).toEqual([]);
});

it("RequestDecoder.flush leaves a request alone when it was ended", () => {
  const driver = new DrivenRequestDecoder();
  driver.send(started(1));
  driver.decoder.end(1);
  driver.decoder.flush();
  expect(driver.requests[0]!.signal.aborted).toBe(false);
});

it("RequestDecoder.abortAll aborts what is active with the reason that is given", () => {
  const driver = new DrivenRequestDecoder();
  driver.send(started(1), started(2));
  const reason = caught(() => driver.send(begin(2)));
  driver.decoder.abortAll(reason);
  expect(driver.requests.map(({ signal }) => signal.reason.cause)).toEqual([reason, reason]);
});
