import { describe, expect, it } from "vitest";
import {
  decodeEndRequestBody,
  type FastCgiOutgoingResponse,
  type FastCgiRecord,
  ProtocolStatus,
  RecordDecoderStream,
  RecordEncoderStream,
  RecordType,
  RequestDecoderStream,
  RequestEncoderStream,
  ResponseDecoderStream,
  ResponseEncoderStream,
} from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { OpenStream } from "../support/open_stream.ts";
import { textOf } from "../support/records.ts";
import { collected, isSettled, streamOf, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const { AbortRequest, BeginRequest, EndRequest, Params, Stdin, Stdout } = RecordType;
const broken = new Error("broken");
/** What a program in JavaScript may give for an exit status. */
const none = null as unknown as number;
const params = [["REQUEST_METHOD", "GET"]] as const;

/** A stream that gives pieces of a full record as long as it is asked, and counts them. */
function endless(): { stream: ReadableStream<Uint8Array>; read(): number } {
  let pieces = 0;
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    pieces++;
    controller.enqueue(new Uint8Array(65_528));
  };
  return { stream: new ReadableStream({ pull }, { highWaterMark: 0 }), read: () => pieces };
}

/** Types and content lengths in order. */
function shapeOf(records: readonly FastCgiRecord[]): string {
  return records.map(({ type, requestId, contentData }) => `${type}:${requestId}:${contentData.length}`).join(" ");
}

/** How often another request has its turn, among the records with much content. */
function changesOf(records: readonly FastCgiRecord[]): number {
  const ids = records.filter(({ contentData }) => contentData.length > 1000).map(({ requestId }) => requestId);
  return ids.filter((id, index) => index > 0 && id !== ids[index - 1]).length;
}

it("the streams carry requests one way and responses the other when they are piped together", async () => {
  const asked = new RequestEncoderStream();
  const decoder = new RequestDecoderStream();
  const answers = asked.readable
    .pipeThrough(new RecordEncoderStream())
    .pipeThrough(new RecordDecoderStream({ splitStreams: true }))
    .pipeThrough(decoder)
    .pipeThrough(
      new TransformStream({
        transform({ requestId, stdin, signal }, controller) {
          controller.enqueue({ requestId, signal, stdout: ["Status: 200 OK\r\n\r\n", stdin] });
        },
      }),
    )
    .pipeThrough(new ResponseEncoderStream({ onEnd: (requestId) => decoder.end(requestId) }))
    .pipeThrough(new RecordEncoderStream())
    .pipeThrough(new RecordDecoderStream())
    .pipeThrough(new ResponseDecoderStream());
  const writer = asked.writable.getWriter();
  const slow = new OpenStream();
  const writes = [
    writer.write({ requestId: 1, params, stdin: slow.stream }),
    writer.write({ requestId: 2, params, stdin: "second" }),
    writer.close(),
  ];
  const seen: Promise<string>[] = [];
  for await (const { requestId, stdout } of answers) {
    seen.push(textFrom(stdout).then((text) => `${requestId} ${text.slice(18)}`));
    if (requestId !== 2) continue;
    // The first is still being sent.
    slow.write("first");
    slow.close();
  }
  expect((await Promise.all(seen)).sort()).toEqual(["1 first", "2 second"]);
  await Promise.all(writes);
});

describe("RequestEncoderStream", () => {
  it("gives the records of a request without a body at once", async () => {
    const records = await collected(streamOf({ requestId: 7, params }).pipeThrough(new RequestEncoderStream()));
    expect(shapeOf(records)).toBe(`${BeginRequest}:7:8 ${Params}:7:19 ${Params}:7:0 ${Stdin}:7:0`);
  });

  it("reads nothing more of a body when nobody takes the records", async () => {
    const encoder = new RequestEncoderStream();
    const body = endless();
    const reader = encoder.readable.getReader();
    void encoder.writable.getWriter().write({ requestId: 1, params, stdin: body.stream });
    await turns();
    const before = body.read();
    expect(before).toBeLessThan(5);
    await turns();
    expect(body.read()).toBe(before);
    for (let count = 0; count < 20; count++) await reader.read();
    await turns();
    expect(body.read()).toBeGreaterThan(15);
    expect(body.read()).toBeLessThan(25);
    await reader.cancel();
  });

  it("takes no more than maxConcurrentRequests at once", async () => {
    const encoder = new RequestEncoderStream({ maxConcurrentRequests: 2 });
    const records = collected(encoder.readable);
    const bodies = [new OpenStream(), new OpenStream(), new OpenStream()];
    const writer = encoder.writable.getWriter();
    const writes = bodies.map(({ stream }, index) => writer.write({ requestId: index + 1, params, stdin: stream }));
    expect(await isSettled(writes[1]!)).toBe(false);
    bodies[0]!.close();
    expect(await isSettled(writes[1]!)).toBe(true);
    for (const body of bodies.slice(1)) body.close();
    await writer.close();
    expect((await records).filter(({ type }) => type === BeginRequest)).toHaveLength(3);
  });

  it("aborts a request whose body fails, says why, and sends the others", async () => {
    const errors: unknown[] = [];
    const encoder = new RequestEncoderStream({
      onError: (error, { requestId }) => void errors.push([requestId, error]),
    });
    const records = collected(encoder.readable);
    const body = new OpenStream();
    const writer = encoder.writable.getWriter();
    await writer.write({ requestId: 1, params, stdin: body.stream });
    body.write("part");
    await turns();
    body.fail(broken);
    await writer.write({ requestId: 2, params, stdin: "whole" });
    await writer.close();
    expect(errors).toEqual([[1, broken]]);
    const sent = await records;
    expect(shapeOf(sent.filter(({ requestId }) => requestId === 1).slice(-2))).toBe(`${Stdin}:1:4 ${AbortRequest}:1:0`);
    expect(textOf(sent, Stdin, 2)).toBe("whole");
  });

  it("aborts a request, while it is sent and afterwards", async () => {
    const encoder = new RequestEncoderStream();
    const records = collected(encoder.readable);
    const body = new OpenStream();
    const writer = encoder.writable.getWriter();
    await writer.write({ requestId: 1, params, stdin: body.stream });
    await writer.write({ requestId: 2, params });
    await turns();
    encoder.abort(1, broken);
    encoder.abort(2);
    await writer.close();
    expect(body.cancelled).toBe(broken);
    const aborts = (await records).filter(({ type }) => type === AbortRequest);
    expect(aborts.map(({ requestId }) => requestId)).toEqual([1, 2]);
  });

  it.each<[string, object, string]>([
    [
      "an id is none",
      { requestId: 0, params },
      "Cannot send a request: expected requestId to be an integer from 1 to 65535, got 0",
    ],
    [
      "a variable is no string",
      { requestId: 1, params: [["A", 1]] },
      'Cannot send the variable "A": expected a string',
    ],
    [
      "its body is too short",
      { requestId: 1, params: [["CONTENT_LENGTH", "2"]], stdin: "1" },
      "expected 2 bytes, got 1",
    ],
    ["its role is none", { requestId: 1, params, role: 70_000 }, "expected role to be an integer from 1 to 65535"],
  ])("fails with what is wrong with a request when %s", async (_, request, message) => {
    const encoder = new RequestEncoderStream();
    const written = encoder.writable.getWriter().write(request as never);
    await expect(written).rejects.toThrow(message);
    await expect(encoder.readable.getReader().read()).rejects.toThrow(message);
  });

  it("sets FCGI_KEEP_CONN only when keepConn says so", async () => {
    for (const keepConn of [undefined, false, true]) {
      const [begin] = await collected(
        streamOf({ requestId: 1, keepConn, params }).pipeThrough(new RequestEncoderStream()),
      );
      expect(begin!.contentData[2]).toBe(keepConn === true ? 1 : 0);
    }
  });

  it("takes turns record by record when two large bodies are sent at once", async () => {
    const encoder = new RequestEncoderStream();
    const writer = encoder.writable.getWriter();
    for (const requestId of [1, 2]) void writer.write({ requestId, params, stdin: new Uint8Array(65_528 * 8) });
    void writer.close();
    expect(changesOf(await collected(encoder.readable))).toBeGreaterThan(8);
  });

  it("cancels the body of a request that can't be sent", async () => {
    const body = new OpenStream();
    const encoder = new RequestEncoderStream();
    const written = encoder.writable.getWriter().write({ requestId: -1, params, stdin: body.stream });
    await expect(written).rejects.toThrow(RangeError);
    expect(await body.cancellation).toBeInstanceOf(RangeError);
  });

  it("cancels what it reads when its reader has gone, and when its writer aborts", async () => {
    for (const end of [
      (encoder: RequestEncoderStream) => encoder.readable.cancel(broken),
      (_: RequestEncoderStream, writer: WritableStreamDefaultWriter) => writer.abort(broken),
    ]) {
      const encoder = new RequestEncoderStream();
      const body = new OpenStream();
      const writer = encoder.writable.getWriter();
      const written = writer.write({ requestId: 1, params, stdin: body.stream });
      await body.pulled();
      await written;
      await end(encoder, writer);
      expect(await body.cancellation).toBe(broken);
      await expect(writer.write({ requestId: 2, params })).rejects.toBe(broken);
      await writer.closed.catch(() => {});
    }
  });
});

describe("ResponseEncoderStream", () => {
  it("gives the records of a response that is whole at once, and tells of its end before", async () => {
    const ended: number[] = [];
    const encoder = new ResponseEncoderStream({ onEnd: (requestId) => void ended.push(requestId) });
    const records = await collected(streamOf({ requestId: 3, stdout: "answer" }).pipeThrough(encoder));
    expect(shapeOf(records)).toBe(`${Stdout}:3:6 ${Stdout}:3:0 ${EndRequest}:3:8`);
    expect(ended).toEqual([3]);
  });

  it("reads nothing more of a response when nobody takes the records", async () => {
    const encoder = new ResponseEncoderStream();
    const output = endless();
    const reader = encoder.readable.getReader();
    void encoder.writable.getWriter().write({ requestId: 1, stdout: output.stream });
    await turns();
    const before = output.read();
    expect(before).toBeLessThan(5);
    for (let count = 0; count < 10; count++) await reader.read();
    await turns();
    expect(output.read()).toBeGreaterThan(8);
    expect(output.read()).toBeLessThan(15);
    await reader.cancel();
  });

  it("takes turns between responses that are sent at once", async () => {
    const encoder = new ResponseEncoderStream();
    const writer = encoder.writable.getWriter();
    for (const requestId of [1, 2]) void writer.write({ requestId, stdout: endless().stream });
    const reader = encoder.readable.getReader();
    const counts = [0, 0, 0];
    for (let count = 0; count < 40; count++) counts[(await reader.read()).value!.requestId]!++;
    expect(Math.min(counts[1]!, counts[2]!)).toBeGreaterThan(10);
    await reader.cancel();
  });

  it("takes turns record by record when two large responses are sent at once", async () => {
    const encoder = new ResponseEncoderStream();
    const writer = encoder.writable.getWriter();
    for (const requestId of [1, 2]) void writer.write({ requestId, stdout: new Uint8Array(65_528 * 8) });
    void writer.close();
    expect(changesOf(await collected(encoder.readable))).toBeGreaterThan(8);
  });

  it("answers with an error document when a response fails before its first byte", async () => {
    const errors: unknown[] = [];
    const encoder = new ResponseEncoderStream({ onError: (error) => void errors.push(error) });
    const output = new OpenStream();
    output.fail(broken);
    const responses = [{ requestId: 1, stdout: output.stream }, { requestId: 2, stdout: "fine" }, { requestId: 3 }];
    const records = await collected(streamOf(...responses).pipeThrough(encoder));
    expect(textOf(records, Stdout, 1)).toMatch(/^Status: 500 /);
    expect(textOf(records, Stdout, 2)).toBe("fine");
    expect(textOf(records, Stdout, 3)).toMatch(/^Status: 500 /);
    const ends = records.filter(({ type }) => type === EndRequest);
    const statuses = ends.map(({ requestId, contentData }) => [requestId, decodeEndRequestBody(contentData).appStatus]);
    expect(statuses.sort()).toEqual([
      [1, 1],
      [2, 0],
      [3, 1],
    ]);
    expect(errors).toEqual([
      broken,
      expect.objectContaining({ message: "Cannot send a response: its stdout is empty" }),
    ]);
  });

  it("fails when a response fails behind its first byte, and stops the others", async () => {
    const errors: unknown[] = [];
    const encoder = new ResponseEncoderStream({ onError: (error) => void errors.push(error) });
    const [output, other] = [new OpenStream(), new OpenStream()];
    const writer = encoder.writable.getWriter();
    const reader = encoder.readable.getReader();
    await writer.write({ requestId: 1, stdout: output.stream });
    await writer.write({ requestId: 2, stdout: other.stream });
    output.write("half");
    expect((await reader.read()).value).toMatchObject({ type: Stdout, contentData: latin1("half") });
    output.fail(broken);
    await expect(reader.read()).rejects.toBe(broken);
    expect(await other.cancellation).toBe(broken);
    await expect(writer.write({ requestId: 3, stdout: "more" })).rejects.toBe(broken);
    await writer.closed.catch(() => {});
    expect(errors).toEqual([broken]);
  });

  it("fails its close when a response fails that it waits for", async () => {
    const encoder = new ResponseEncoderStream();
    const output = new OpenStream();
    const reader = encoder.readable.getReader();
    const writer = encoder.writable.getWriter();
    await writer.write({ requestId: 1, stdout: output.stream });
    const closed = writer.close();
    output.write("half");
    await reader.read();
    output.fail(broken);
    await expect(closed).rejects.toBe(broken);
    await expect(reader.read()).rejects.toBe(broken);
  });

  it("cancels what it reads when its reader has gone", async () => {
    const encoder = new ResponseEncoderStream();
    const output = new OpenStream();
    await encoder.writable.getWriter().write({ requestId: 1, stdout: output.stream });
    await encoder.readable.cancel(broken);
    expect(await output.cancellation).toBe(broken);
  });

  it("stops a response and ends the request when its signal aborts", async () => {
    for (const early of [true, false]) {
      const controller = new AbortController();
      const encoder = new ResponseEncoderStream();
      const records = collected(encoder.readable);
      const output = new OpenStream();
      const writer = encoder.writable.getWriter();
      if (early) controller.abort(broken);
      await writer.write({ requestId: 1, stdout: ["start", output.stream], signal: controller.signal });
      await turns();
      controller.abort(broken);
      await writer.close();
      expect(output.cancelled).toBe(broken);
      const sent = await records;
      expect(textOf(sent, Stdout, 1)).toBe(early ? "" : "start");
      expect(shapeOf(sent.slice(-1))).toBe(`${EndRequest}:1:8`);
    }
  });

  it("refuses a request with nothing but its end when protocolStatus says so", async () => {
    const output = new OpenStream();
    const response = { requestId: 1, protocolStatus: ProtocolStatus.UnknownRole, stdout: output.stream };
    const records = await collected(streamOf(response).pipeThrough(new ResponseEncoderStream()));
    expect(shapeOf(records)).toBe(`${EndRequest}:1:8`);
    expect(await output.cancellation).toEqual(
      new TypeError("Cannot send a response: its protocolStatus refuses the request"),
    );
    expect(decodeEndRequestBody(records[0]!.contentData).protocolStatus).toBe(ProtocolStatus.UnknownRole);
  });

  it.each<[string, FastCgiOutgoingResponse, string, ProtocolStatus]>([
    ["null", { requestId: 1, stdout: "fine", appStatus: none }, "error document", 0],
    ["a promise of null", { requestId: 1, stdout: "fine", appStatus: Promise.resolve(none) }, "fine", 0],
    ["null in a refusal", { requestId: 1, protocolStatus: 2, appStatus: none }, "error document", 0],
    ["a promise of null in a refusal", { requestId: 1, protocolStatus: 2, appStatus: Promise.resolve(none) }, "", 2],
  ])(
    "reports an appStatus that is %s, ends the request once and sends the others",
    async (_, response, sent, status) => {
      const errors: unknown[] = [];
      const ended: number[] = [];
      const encoder = new ResponseEncoderStream({
        onEnd: (requestId) => void ended.push(requestId),
        onError: (error) => void errors.push(error),
      });
      const responses = streamOf<FastCgiOutgoingResponse>(response, { requestId: 2, stdout: "fine" });
      const records = await collected(responses.pipeThrough(encoder));
      expect(textOf(records, Stdout, 1).replace(/^Status: 500 .*/s, "error document")).toBe(sent);
      expect(textOf(records, Stdout, 2)).toBe("fine");
      const ends = records.filter(({ type, requestId }) => type === EndRequest && requestId === 1);
      const bodies = ends.map(({ contentData }) => decodeEndRequestBody(contentData));
      expect(bodies).toEqual([{ appStatus: 1, protocolStatus: status }]);
      expect(ended.sort()).toEqual([1, 2]);
      expect(errors).toMatchObject([{ message: expect.stringMatching(/appStatus/) }]);
    },
  );
});
