import { describe, expect, it } from "vitest";
import { GivenVariables } from "../../src/cgi/variables.ts";
import { IncomingRequest } from "../../src/codec/incoming_request.ts";
import { REQUEST_DECODER_DEFAULTS } from "../../src/codec/request_decoder_options.ts";
import { WholeOutput } from "../../src/codec/whole_output.ts";
import { Exchange } from "../../src/server/exchange.ts";
import type { FastCgiHandler } from "../../src/server/response.ts";
import { decodeEndRequestBody, FastCgiError, type FastCgiResponse, RecordType, Role } from "../../src/toolkit.ts";
import { RecordWriter } from "../../src/transport/record_writer.ts";
import { hexOf, joined, latin1 } from "../support/bytes.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { textOf } from "../support/records.ts";
import { resizable } from "../support/resizable.ts";
import { SlowTransport } from "../support/slow_transport.ts";
import { sourceForms } from "../support/source_forms.ts";
import { isSettled, streamOf } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const broken = new Error("broken");
const LIMITS = REQUEST_DECODER_DEFAULTS;

function failing(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.error(broken);
    },
  });
}

/** An exchange whose handler answers with what `handler` gives. */
class TestedExchange extends Exchange {
  readonly transport: SlowTransport;
  readonly errors: unknown[] = [];
  #isEnded = false;

  constructor(handler: () => ReturnType<FastCgiHandler>) {
    const transport = new SlowTransport({ patient: true });
    const errors: unknown[] = [];
    const host = {
      writer: new RecordWriter(transport.channel, {
        options: { writeTimeout: 1000 },
        isShared: false,
        onWriteError() {},
      }),
      maxQueuedBytes: 1000,
      answer: handler,
      onStreaming() {},
      onEnding: () => true,
      onEnded: () => {
        this.#isEnded = true;
      },
      onFailure: (error: unknown) => void errors.push(error),
    };
    super(host, new IncomingRequest(1, Role.Responder, true, new GivenVariables(new Map()), LIMITS));
    this.transport = transport;
    this.errors = errors;
  }

  /** The output of the response and its status. One that failed behind its beginning is ended as after an abort. */
  async ended(): Promise<{ stdout: string; appStatus: number }> {
    if (!this.#isEnded) this.endFailed();
    await turns();
    const records = this.transport.records.flat();
    expect(records.filter(({ type }) => type === RecordType.EndRequest)).toHaveLength(1);
    const { appStatus } = decodeEndRequestBody(records.at(-1)!.contentData);
    return { stdout: textOf(records, RecordType.Stdout, 1), appStatus };
  }
}

describe("Exchange.run", () => {
  it("sends several sources one after the other, their end and END_REQUEST", async () => {
    const body = new OpenStream();
    const exchange = new TestedExchange(() => ({
      stdout: [latin1("header"), body.stream, latin1("!")],
      appStatus: 3,
    }));
    const sent = exchange.run();
    await turns();
    expect(exchange.hasBegun).toBe(true);
    body.write("body");
    body.close();
    expect(await sent).toBe(true);
    await turns();
    expect(exchange.transport.summary.join(" ")).toBe("6:1:6 6:1:4 6:1:1 6:1:0 3:1:8");
    expect(exchange.errors).toEqual([]);
    expect(await exchange.ended()).toEqual({ stdout: "headerbody!", appStatus: 3 });
  });

  it("does not change the array it is given", async () => {
    const stdout = Object.freeze([latin1("a"), latin1("b")]);
    expect(await new TestedExchange(() => ({ stdout })).run()).toBe(true);
    expect(stdout).toHaveLength(2);
  });

  it.each<[string, NonNullable<FastCgiResponse["stdout"]>]>([
    ["bytes", latin1("all")],
    ["one piece of bytes", [latin1("all")]],
  ])("sends the output and the end in one write when it is %s", async (_, stdout) => {
    const exchange = new TestedExchange(() => ({ stdout }));
    expect(await exchange.run()).toBe(true);
    expect(exchange.hasBegun).toBe(false);
    expect(await exchange.ended()).toEqual({ stdout: "all", appStatus: 0 });
    expect(exchange.transport.summary).toEqual(["6:1:3 6:1:0 3:1:8"]);
  });

  it("sends the output when it does not fit one record", async () => {
    const exchange = new TestedExchange(() => ({ stdout: new Uint8Array(65_529) }));
    expect(await exchange.run()).toBe(true);
    await turns();
    expect(exchange.transport.records.flat().map(({ contentData }) => contentData.length)).toEqual([
      32_768, 32_761, 0, 8,
    ]);
  });

  it("waits for appStatus when that is a promise", async () => {
    const appStatus = deferred<number>();
    const exchange = new TestedExchange(() => ({ stdout: latin1("a"), appStatus: appStatus.promise }));
    const sent = exchange.run();
    expect(await isSettled(Promise.resolve(sent))).toBe(false);
    appStatus.resolve(5);
    expect(await sent).toBe(true);
    expect(await exchange.ended()).toEqual({ stdout: "a", appStatus: 5 });
  });

  const WRONG_STATUSES = [null, "1", 1.5, 2 ** 33, -(2 ** 31) - 1, Number.NaN, true, {}];

  it.each(WRONG_STATUSES)("answers with an error document when appStatus is %s", async (value) => {
    const body = new OpenStream();
    const exchange = new TestedExchange(() => ({ stdout: ["head", body.stream], appStatus: value as number }));
    expect(await exchange.run()).toBe(true);
    const error = { message: expect.stringMatching(/^Cannot send a response: expected appStatus to be an integer/) };
    expect(exchange.errors).toMatchObject([error]);
    expect(await body.cancellation).toBe(exchange.errors[0]);
    expect(await exchange.ended()).toEqual({ stdout: expect.stringMatching(/^Status: 500 /), appStatus: 1 });
  });

  it.each([...WRONG_STATUSES, undefined])(
    "reports appStatus when it is a promise of %s, and sends all",
    async (value) => {
      const exchange = new TestedExchange(() => ({
        stdout: streamOf(latin1("a"), latin1("b")),
        appStatus: Promise.resolve(value as number),
      }));
      expect(await exchange.run()).toBe(true);
      const error = { message: expect.stringMatching(/^Cannot send a response: expected appStatus to be an integer/) };
      expect(exchange.errors).toMatchObject([error]);
      expect(await exchange.ended()).toEqual({ stdout: "ab", appStatus: 1 });
    },
  );

  it.each<[string, (body: OpenStream) => FastCgiResponse]>([
    ["stdout is being sent", ({ stream }) => ({ stdout: stream, appStatus: Promise.reject(broken) })],
    ["stdout fails", ({ stream }) => ({ stdout: [stream, failing()], appStatus: Promise.reject(broken) })],
  ])("leaves no rejection unhandled when appStatus fails while %s", async (_, response) => {
    const body = new OpenStream();
    const exchange = new TestedExchange(() => response(body));
    const sent = exchange.run();
    await turns();
    body.write("x");
    body.close();
    expect(await sent).toBe(false);
    expect(exchange.errors).toHaveLength(1);
  });

  it("leaves no rejection unhandled when appStatus fails and stdout can't be sent", async () => {
    const exchange = new TestedExchange(() => ({ stdout: 5 as never, appStatus: Promise.reject(broken) }));
    expect(await exchange.run()).toBe(true);
    expect(exchange.errors).toEqual([expect.any(TypeError)]);
    expect(await exchange.ended()).toMatchObject({ appStatus: 1 });
  });

  it("answers with an error document when the bytes of a whole response are gone", async () => {
    const { bytes, resize } = resizable(4);
    const stdout = new WholeOutput("head", [bytes]);
    resize(0);
    const exchange = new TestedExchange(() => ({ stdout }));
    expect(await exchange.run()).toBe(true);
    expect(exchange.errors).toEqual([new TypeError("Cannot send a response: expected 8 bytes, got 4")]);
    expect(await exchange.ended()).toMatchObject({ stdout: expect.stringMatching(/^Status: 500 /), appStatus: 1 });
  });

  it("takes text, Blobs, buffers and what else a program has bytes in, also for stderr", async () => {
    const text = "Status: 200 OK\r\n\r\ncafé";
    for (const [kind, source] of sourceForms(text)) {
      for (const response of [{ stdout: source() }, { stdout: [source()] }, { stdout: ["", source()] }]) {
        const exchange = new TestedExchange(() => response);
        const isSent = await exchange.run();
        expect([exchange.errors, isSent, (await exchange.ended()).stdout], kind).toEqual([[], true, text]);
      }
      const exchange = new TestedExchange(() => ({ stdout: "x", stderr: source() }));
      await exchange.run();
      await turns();
      const stderr = exchange.transport.records.flat().filter(({ type }) => type === RecordType.Stderr);
      const sent = new TextDecoder().decode(joined(...stderr.map(({ contentData }) => contentData)));
      expect([exchange.errors, sent], kind).toEqual([[], text]);
    }
  });

  it.each<[string, unknown, string]>([
    ["a number", 5, "number"],
    ["a Response", new Response("x"), "Response"],
    ["FormData", new FormData(), "FormData"],
    ["an object", {}, "Object"],
    ["a function", () => "x", "function"],
  ])("answers 500 and names stdout, and cancels the other sources, when a part of it is %s", async (_, wrong, kind) => {
    for (const part of [wrong, [wrong], ["x", wrong]]) {
      const [other, stderr] = [new OpenStream(), new OpenStream()];
      const stdout = [other.stream, ...(Array.isArray(part) ? part : [part])];
      const exchange = new TestedExchange(() => ({ stdout, stderr: stderr.stream }));
      expect(await exchange.run()).toBe(true);
      expect((await exchange.ended()).stdout).toMatch(/^Status: 500 /);
      const error = new TypeError(
        `Cannot send stdout: expected text, bytes, a Blob, URLSearchParams, a stream or an async iterable, got ${kind}`,
      );
      expect(exchange.errors).toEqual([error]);
      expect([other.cancelled, stderr.cancelled]).toEqual([error, error]);
    }
  });

  it("sends text and bytes at the beginning of stderr before stdout, and the rest beside it", async () => {
    const late = new OpenStream();
    const exchange = new TestedExchange(() => ({ stdout: "x", stderr: ["one ", latin1("two "), late.stream, "four"] }));
    const sending = exchange.run();
    await late.pulled();
    late.write("three ");
    late.close();
    expect(await sending).toBe(true);
    await turns();
    const records = exchange.transport.records
      .flat()
      .filter(({ type, contentData }) => type !== RecordType.EndRequest && contentData.length > 0);
    const sent = records.map(({ type, contentData }) => `${type === RecordType.Stderr} ${hexOf(contentData)}`);
    const expected = ["one ", "two ", "x", "three ", "four"].map((text) => `${text !== "x"} ${hexOf(latin1(text))}`);
    expect(sent).toEqual(expected);
  });

  it("answers all the same, and names stderr, when that can't be sent", async () => {
    const exchange = new TestedExchange(() => ({ stdout: "x", stderr: 0 as never }));
    expect(await exchange.run()).toBe(true);
    expect(await exchange.ended()).toEqual({ stdout: "x", appStatus: 0 });
    expect(exchange.errors).toEqual([
      expect.objectContaining({ message: expect.stringContaining("Cannot send stderr: ") }),
    ]);
  });

  it.each([undefined, null, "text", 5])("answers 500 when the handler gives %j", async (response) => {
    const exchange = new TestedExchange(() => response as never);
    await exchange.run();
    expect((await exchange.ended()).stdout).toMatch(/^Status: 500 /);
    expect(exchange.errors).toEqual([
      expect.objectContaining({
        name: "TypeError",
        message: expect.stringMatching(/^Cannot send a response: expected an object with stdout, got \w+$/),
      }),
    ]);
  });

  it.each<[string, unknown]>([
    ["string", "text"],
    ["Uint16Array", new Uint16Array(2)],
    ["ArrayBuffer", new ArrayBuffer(2)],
    ["undefined", undefined],
    ["Object", { length: 4 }],
  ])("breaks a response off when a chunk of its stream is %s", async (kind, chunk) => {
    for (const start of [[], [latin1("start")]]) {
      const pieces = [...start, chunk];
      const stdout = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (pieces.length > 0) controller.enqueue(pieces.shift() as Uint8Array);
          else controller.close();
        },
      });
      const exchange = new TestedExchange(() => ({ stdout }));
      expect(await exchange.run()).toBe(start.length === 0);
      if (start.length === 0) expect((await exchange.ended()).stdout).toMatch(/^Status: 500 /);
      const message = `Cannot send stdout: expected chunks that are Uint8Arrays, got ${kind}`;
      expect(exchange.errors).toEqual([new TypeError(message)]);
    }
  });

  it("cancels the sources that are not reached when one fails", async () => {
    const [failing, next, last] = [new OpenStream(), new OpenStream(), new OpenStream()] as const;
    failing.fail(broken);
    const exchange = new TestedExchange(() => ({
      stdout: [failing.stream, latin1("never"), next.stream, last.stream.getReader()],
    }));
    expect(await exchange.run()).toBe(true);
    expect([next.cancelled, last.cancelled]).toEqual([broken, broken]);
    expect(exchange.errors).toEqual([broken]);
    // Nothing but the document that says 500.
    expect(await exchange.ended()).toMatchObject({ stdout: expect.stringMatching(/^Status: 500 /), appStatus: 1 });
  });

  it.each([
    ["before its first byte", "", true],
    ["behind its first byte", "x", false],
  ])("sends nothing more to STDERR when stdout fails %s", async (_, start, isSent) => {
    const stdout = new OpenStream();
    const stderr = new OpenStream();
    const exchange = new TestedExchange(() => ({ stdout: stdout.stream, stderr: stderr.stream }));
    const sent = exchange.run();
    await turns();
    stderr.write("careful");
    if (start !== "") stdout.write(start);
    await turns();
    stdout.fail(broken);
    expect(await sent).toBe(isSent);
    expect(stderr.cancelled).toBe(broken);
    expect(await exchange.ended()).toMatchObject({ appStatus: 1 });
    // What was sent, and the end of the stream.
    const lengths = exchange.transport.records.flat().filter(({ type }) => type === RecordType.Stderr);
    expect(lengths.map(({ contentData }) => contentData.length)).toEqual([7, 0]);
  });

  it("reports a STDERR that fails and sends the response all the same", async () => {
    const stderr = new OpenStream();
    stderr.fail(broken);
    const exchange = new TestedExchange(() => ({ stdout: latin1("fine"), stderr: stderr.stream }));
    expect(await exchange.run()).toBe(true);
    expect(exchange.errors).toEqual([broken]);
    expect(await exchange.ended()).toEqual({ stdout: "fine", appStatus: 0 });
  });

  it.each([
    [413, new FastCgiError("limit", "too much", { limit: "maxStdinBytes" })],
    [413, new FastCgiError("limit", "too much", { limit: "maxDataBytes" })],
    [500, new FastCgiError("limit", "too much", { limit: "maxStdoutBytes" })],
    [400, new FastCgiError("malformedRequest", "no method")],
    [400, new FastCgiError("lengthMismatch", "short", { requestId: 1 })],
    // Not the request's own length.
    [500, new FastCgiError("lengthMismatch", "short")],
    // An application that the handler has called.
    [500, new FastCgiError("timeout", "slow", { requestId: 1, limit: "readTimeout" })],
    [500, new FastCgiError("connectFailed", "no backend")],
    [500, "a string"],
  ])("answers %i when the handler fails with %s", async (status, error) => {
    const exchange = new TestedExchange(() => Promise.reject(error));
    expect(await exchange.run()).toBe(true);
    expect(exchange.errors).toEqual([error]);
    const { stdout, appStatus } = await exchange.ended();
    expect(appStatus).toBe(1);
    expect(stdout).toMatch(new RegExp(`^Status: ${status} .*\r\nContent-Type: text/plain; charset=utf-8\r\n`));
    // The web server does not learn what went wrong.
    expect(stdout).not.toMatch(/broken|string|backend|slow/);
  });

  it("answers 408 when the handler fails with what the input has failed with", async () => {
    const error = new FastCgiError("timeout", "slow", { requestId: 1, limit: "readTimeout" });
    const exchange = new TestedExchange(() => Promise.reject(error));
    exchange.request.failStreams(error);
    await exchange.run();
    expect((await exchange.ended()).stdout).toMatch(/^Status: 408 Request Timeout\r\n/);
  });
});

describe("Exchange and an abort", () => {
  const aborted = new FastCgiError("aborted", "gone");

  it("sends nothing and reports nothing when the handler answers afterwards", async () => {
    const answer = deferred<FastCgiResponse>();
    const exchange = new TestedExchange(() => answer.promise);
    const sent = exchange.run();
    exchange.request.abort(aborted);
    const late = [new OpenStream(), new OpenStream()] as const;
    answer.resolve({ stdout: [latin1("late"), late[0].stream], stderr: late[1].stream });
    expect(await sent).toBe(true);
    expect(late.map(({ cancelled }) => cancelled)).toEqual([aborted, aborted]);
    expect(exchange.errors).toEqual([]);
    expect(await exchange.ended()).toEqual({ stdout: "", appStatus: 0 });
  });

  it("cancels what is being sent and reports nothing, whatever becomes of that", async () => {
    const exchange = new TestedExchange(() => ({
      stdout: new ReadableStream({
        cancel() {
          throw new Error("late");
        },
      }),
      appStatus: new Promise(() => {}),
    }));
    const sent = exchange.run();
    await turns();
    exchange.request.abort(aborted);
    // The exit status is the handler's, and is waited for as the handler itself.
    expect(await isSettled(Promise.resolve(sent))).toBe(false);
    expect(exchange.errors).toEqual([]);
  });
});
