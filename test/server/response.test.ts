import { describe, expect, it } from "vitest";
import { FastCgiError, type FastCgiResponse, RecordType } from "../../src/index.ts";
import { ResponseSender } from "../../src/server/response.ts";
import { RecordWriter } from "../../src/transport/record_writer.ts";
import { joined, latin1 } from "../support/bytes.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { SlowTransport } from "../support/slow_transport.ts";
import { sourceForms } from "../support/source_forms.ts";
import { isSettled } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const broken = new Error("broken");

function failing(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.error(broken);
    },
  });
}

function sending(): { sender: ResponseSender; transport: SlowTransport; errors: unknown[] } {
  const transport = new SlowTransport({ patient: true });
  const writer = new RecordWriter(transport.channel, { writeTimeout: 1000, onError() {} });
  const errors: unknown[] = [];
  return { sender: new ResponseSender(writer, 1, (error) => errors.push(error)), transport, errors };
}

describe("ResponseSender.send", () => {
  it("sends several sources one after the other and neither their end nor END_REQUEST", async () => {
    const { sender, transport, errors } = sending();
    const body = new OpenStream();
    const sent = sender.send(() => ({ stdout: [latin1("header"), body.stream, latin1("!")], appStatus: 3 }));
    await turns();
    body.write("body");
    body.close();
    expect(await sent).toEqual({ outcome: "sent", appStatus: 3, unsent: null, sentStderr: false });
    await turns();
    expect(transport.summary.join(" ")).toBe("6:1:6 6:1:4 6:1:1");
    expect(errors).toEqual([]);
  });

  it("does not change the array it is given", async () => {
    const stdout = Object.freeze([latin1("a"), latin1("b")]);
    expect(await sending().sender.send(() => ({ stdout }))).toMatchObject({ outcome: "sent", appStatus: 0 });
    expect(stdout).toHaveLength(2);
  });

  it.each<[string, NonNullable<FastCgiResponse["stdout"]>]>([
    ["bytes", latin1("all")],
    ["one piece of bytes", [latin1("all")]],
  ])("leaves the output to whoever ends the request when it is %s", async (_, stdout) => {
    const { sender, transport } = sending();
    const sent = await sender.send(() => ({ stdout }));
    expect(sent).toEqual({ outcome: "sent", appStatus: 0, unsent: latin1("all"), sentStderr: false });
    await turns();
    expect(transport.writes).toEqual([]);
  });

  it("sends the output when it does not fit one record", async () => {
    const { sender, transport } = sending();
    expect(await sender.send(() => ({ stdout: new Uint8Array(65_529) }))).toMatchObject({ unsent: null });
    await turns();
    expect(transport.records.flat()).toHaveLength(2);
  });

  it("waits for appStatus when that is a promise", async () => {
    const { sender } = sending();
    const appStatus = deferred<number>();
    const sent = sender.send(() => ({ stdout: latin1("a"), appStatus: appStatus.promise }));
    expect(await isSettled(sent)).toBe(false);
    appStatus.resolve(5);
    expect(await sent).toMatchObject({ outcome: "sent", appStatus: 5 });
  });

  it.each<[string, (body: OpenStream) => FastCgiResponse]>([
    ["stdout is being sent", ({ stream }) => ({ stdout: stream, appStatus: Promise.reject(broken) })],
    ["stdout fails", ({ stream }) => ({ stdout: [stream, failing()], appStatus: Promise.reject(broken) })],
  ])("leaves no rejection unhandled when appStatus fails while %s", async (_, response) => {
    const { sender, errors } = sending();
    const body = new OpenStream();
    const sent = sender.send(() => response(body));
    await turns();
    body.write("x");
    body.close();
    expect(await sent).toMatchObject({ outcome: "truncated", appStatus: 1 });
    expect(errors).toHaveLength(1);
  });

  it("leaves no rejection unhandled when appStatus fails and stdout can't be sent", async () => {
    const { sender, errors } = sending();
    const response = { stdout: 5 as never, appStatus: Promise.reject(broken) };
    expect(await sender.send(() => response)).toMatchObject({ outcome: "sent", appStatus: 1 });
    expect(errors).toEqual([expect.any(TypeError)]);
  });

  it("takes text, Blobs, buffers and what else a program has bytes in, also for stderr", async () => {
    const text = "Status: 200 OK\r\n\r\ncafé";
    for (const [kind, source] of sourceForms(text)) {
      for (const response of [{ stdout: source() }, { stdout: [source()] }, { stdout: ["", source()] }]) {
        const { sender, transport, errors } = sending();
        const { outcome, unsent } = await sender.send(() => response);
        await turns();
        const sent = joined(
          ...transport.records.flat().map(({ contentData }) => contentData),
          unsent ?? new Uint8Array(0),
        );
        expect([errors, outcome, new TextDecoder().decode(sent)], kind).toEqual([[], "sent", text]);
      }
      const { sender, transport, errors } = sending();
      await sender.send(() => ({ stdout: "x", stderr: source() }));
      await turns();
      const stderr = transport.records.flat().filter(({ type }) => type === RecordType.Stderr);
      expect([errors, new TextDecoder().decode(joined(...stderr.map(({ contentData }) => contentData)))], kind).toEqual(
        [[], text],
      );
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
      const { sender, errors } = sending();
      const [other, stderr] = [new OpenStream(), new OpenStream()];
      const stdout = [other.stream, ...(Array.isArray(part) ? part : [part])];
      const { outcome, unsent } = await sender.send(() => ({ stdout, stderr: stderr.stream }));
      expect([outcome, new TextDecoder().decode(unsent!)]).toEqual(["sent", expect.stringMatching(/^Status: 500 /)]);
      const error = new TypeError(
        `Cannot send stdout: expected text, bytes, a Blob, URLSearchParams, a stream or an async iterable, got ${kind}`,
      );
      expect(errors).toEqual([error]);
      expect([other.cancelled, stderr.cancelled]).toEqual([error, error]);
    }
  });

  it("answers all the same, and names stderr, when that can't be sent", async () => {
    const { sender, errors } = sending();
    expect(await sender.send(() => ({ stdout: "x", stderr: 0 as never }))).toMatchObject({
      outcome: "sent",
      appStatus: 0,
    });
    expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining("Cannot send stderr: ") })]);
  });

  it.each([undefined, null, "text", 5])("answers 500 when the handler gives %j", async (response) => {
    const { sender, errors } = sending();
    const { unsent } = await sender.send(() => response as never);
    expect(new TextDecoder().decode(unsent!)).toMatch(/^Status: 500 /);
    expect(errors).toEqual([
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
      const { sender, errors } = sending();
      const pieces = [...start, chunk];
      const stdout = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (pieces.length > 0) controller.enqueue(pieces.shift() as Uint8Array);
          else controller.close();
        },
      });
      const { outcome, unsent } = await sender.send(() => ({ stdout }));
      expect(outcome).toBe(start.length > 0 ? "truncated" : "sent");
      if (start.length === 0) expect(new TextDecoder().decode(unsent!)).toMatch(/^Status: 500 /);
      expect(errors).toEqual([new TypeError(`Cannot send stdout: expected chunks that are Uint8Arrays, got ${kind}`)]);
    }
  });

  it("cancels the sources that are not reached when one fails", async () => {
    const { sender, transport, errors } = sending();
    const [failing, next, last] = [new OpenStream(), new OpenStream(), new OpenStream()] as const;
    failing.fail(broken);
    const stdout = [failing.stream, latin1("never"), next.stream, last.stream.getReader()];
    const { unsent, ...result } = await sender.send(() => ({ stdout }));
    expect(result).toEqual({ outcome: "sent", appStatus: 1, sentStderr: false });
    expect([next.cancelled, last.cancelled]).toEqual([broken, broken]);
    expect(errors).toEqual([broken]);
    await turns();
    // Nothing but the document that says 500.
    expect(new TextDecoder().decode(unsent!)).toMatch(/^Status: 500 /);
    expect(transport.writes).toEqual([]);
  });

  it.each([
    ["before its first byte", "", "sent"],
    ["behind its first byte", "x", "truncated"],
  ])("sends nothing more to STDERR when stdout fails %s", async (_, start, outcome) => {
    const { sender, transport } = sending();
    const stdout = new OpenStream();
    const stderr = new OpenStream();
    const sent = sender.send(() => ({ stdout: stdout.stream, stderr: stderr.stream }));
    await turns();
    stderr.write("careful");
    if (start !== "") stdout.write(start);
    await turns();
    stdout.fail(broken);
    expect(await sent).toMatchObject({ outcome, sentStderr: true });
    expect(stderr.cancelled).toBe(broken);
    await turns();
    expect(transport.records.flat().filter(({ type }) => type === 7)).toHaveLength(1);
  });

  it("reports a STDERR that fails and sends the response all the same", async () => {
    const { sender, errors } = sending();
    const stderr = new OpenStream();
    stderr.fail(broken);
    const sent = sender.send(() => ({ stdout: latin1("fine"), stderr: stderr.stream }));
    expect(await sent).toMatchObject({ outcome: "sent", appStatus: 0 });
    expect(errors).toEqual([broken]);
  });

  it.each([
    [413, new FastCgiError("limit", "too much", { limit: "maxStdinBytes" })],
    [413, new FastCgiError("limit", "too much", { limit: "maxDataBytes" })],
    [500, new FastCgiError("limit", "too much", { limit: "maxStdoutBytes" })],
    [400, new FastCgiError("malformedRequest", "no method")],
    [400, new FastCgiError("lengthMismatch", "short", { requestId: 1 })],
    // Not the request's own length.
    [500, new FastCgiError("lengthMismatch", "short")],
    [500, new FastCgiError("connectFailed", "no backend")],
    [500, "a string"],
  ])("answers %i when the handler fails with %s", async (status, error) => {
    const { sender, errors } = sending();
    const { unsent, ...result } = await sender.send(() => Promise.reject(error));
    expect(result).toEqual({ outcome: "sent", appStatus: 1, sentStderr: false });
    expect(errors).toEqual([error]);
    const text = new TextDecoder().decode(unsent!);
    expect(text).toMatch(new RegExp(`^Status: ${status} .*\r\nContent-Type: text/plain; charset=utf-8\r\n`));
    // What went wrong is nobody's business.
    expect(text).not.toMatch(/broken|string|backend/);
  });
});

describe("ResponseSender.stop", () => {
  it("makes send() resolve, send nothing and report nothing when the handler answers afterwards", async () => {
    const { sender, transport, errors } = sending();
    const answer = deferred<FastCgiResponse>();
    const sent = sender.send(() => answer.promise);
    sender.stop(broken);
    const late = [new OpenStream(), new OpenStream()] as const;
    answer.resolve({ stdout: [latin1("late"), late[0].stream], stderr: late[1].stream });
    expect(await sent).toMatchObject({ outcome: "sent", appStatus: 0 });
    expect(late.map(({ cancelled }) => cancelled)).toEqual([broken, broken]);
    await turns();
    expect(transport.writes).toEqual([]);
    expect(errors).toEqual([]);
  });

  it("cancels what is being sent and reports nothing, whatever becomes of that", async () => {
    const { sender, errors } = sending();
    const sent = sender.send(() => ({
      stdout: new ReadableStream({
        cancel() {
          throw new Error("late");
        },
      }),
      appStatus: new Promise(() => {}),
    }));
    await turns();
    sender.stop(broken);
    // The exit status is the handler's, and is waited for as the handler itself.
    expect(await isSettled(sent)).toBe(false);
    expect(errors).toEqual([]);
  });
});
