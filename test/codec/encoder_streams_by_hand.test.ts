import { describe, expect, it, vi } from "vitest";
import { type FastCgiRecord, RecordType, RequestEncoder, ResponseEncoder } from "../../src/toolkit.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { isSettled } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const { EndRequest } = RecordType;
const broken = new Error("broken");
const params = [["REQUEST_METHOD", "GET"]] as const;

/** What a stage has given out, to an output that has no room for more. */
class FullOutput {
  readonly records: FastCgiRecord[] = [];
  readonly ready = new Promise<void>(() => {});

  enqueue(record: FastCgiRecord): void {
    this.records.push(record);
  }

  /** The number of records with much content. */
  get full(): number {
    return this.records.filter(({ contentData }) => contentData.length > 1000).length;
  }
}

describe("RequestEncoder", () => {
  it("asks for a pause when as many requests are sent as may be, and not before", async () => {
    const encoder = new RequestEncoder({ maxConcurrentRequests: 2 });
    const bodies = [new OpenStream(), new OpenStream()];
    const [first, second] = bodies.map(({ stream }, index) =>
      encoder.transform({ requestId: index + 1, params, stdin: stream }, { enqueue() {} }),
    );
    expect(first).toBeUndefined();
    expect(encoder.activeRequests).toBe(2);
    expect(await isSettled(second!)).toBe(false);
    bodies[0]!.close();
    expect(await isSettled(second!)).toBe(true);
    expect(encoder.activeRequests).toBe(1);
    bodies[1]!.close();
    await encoder.flush();
    expect(encoder.activeRequests).toBe(0);
  });

  it("gives out four records of a large body before it waits, or one beside another", async () => {
    const stdin = new Uint8Array(65_528 * 8);
    const output = new FullOutput();
    const encoder = new RequestEncoder();
    void encoder.transform({ requestId: 1, params, stdin }, output);
    await turns();
    expect(output.full).toBe(4);
    void encoder.transform({ requestId: 2, params, stdin }, output);
    await turns();
    expect(output.full).toBe(5);
  });

  it.each<[string, (encoder: RequestEncoder) => unknown, string]>([
    ["onError is no function", () => new RequestEncoder({ onError: 5 as never }), "onError"],
    [
      "a request is none",
      (encoder) => encoder.transform(null as never, { enqueue() {} }),
      "Cannot send a request: expected request to be an object, got null",
    ],
    [
      "keepConn is no boolean",
      (encoder) => encoder.transform({ requestId: 1, params, keepConn: "no" as never }, { enqueue() {} }),
      "Cannot send a request: expected keepConn to be a boolean",
    ],
    [
      "the id to abort is none",
      (encoder) => encoder.abort(0),
      "Cannot abort a request: expected requestId to be an integer from 1 to 65535, got 0",
    ],
  ])("throws and says what is wrong when %s", (_, call, message) => {
    expect(() => call(new RequestEncoder())).toThrow(message);
  });

  it("does not report a body that fails after all were stopped", async () => {
    for (const isStopped of [false, true]) {
      const errors: unknown[] = [];
      const read = deferred<never>();
      const encoder = new RequestEncoder({ onError: (error) => void errors.push(error) });
      const stdin = { read: () => read.promise, cancel() {} };
      void encoder.transform({ requestId: 1, params, stdin }, { enqueue() {} });
      if (isStopped) encoder.stopAll(new Error("Gone"));
      read.reject(broken);
      await turns();
      expect(errors).toEqual(isStopped ? [] : [broken]);
    }
  });

  it("aborts nothing before its first request, nor when all were stopped", () => {
    const records: FastCgiRecord[] = [];
    const encoder = new RequestEncoder();
    encoder.abort(1);
    void encoder.transform({ requestId: 1, params }, { enqueue: (piece) => void records.push(piece) });
    const { length } = records;
    encoder.stopAll(broken);
    encoder.abort(1);
    expect(length).toBeGreaterThan(0);
    expect(records).toHaveLength(length);
  });
});

describe("ResponseEncoder", () => {
  it("stays failed when a response fails and its output can't be told", async () => {
    const body = new OpenStream();
    const encoder = new ResponseEncoder();
    void encoder.transform({ requestId: 1, stdout: ["Status: 200 OK\r\n\r\n", body.stream] }, { enqueue() {} });
    body.fail(broken);
    await expect(encoder.flush()).rejects.toBe(broken);
  });

  it("leaves no listener at a signal whose response was sent", async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    const encoder = new ResponseEncoder();
    const stdout = new Response("Status: 200 OK\r\n\r\n").body!;
    void encoder.transform({ requestId: 1, stdout, signal }, { enqueue() {} });
    await encoder.flush();
    expect(added.mock.calls).toHaveLength(1);
    expect(removed.mock.calls).toEqual(added.mock.calls);
  });

  it("asks for a pause when as many responses are sent as may be, and not before", async () => {
    const encoder = new ResponseEncoder({ maxConcurrentResponses: 2 });
    const bodies = [new OpenStream(), new OpenStream()];
    const [first, second] = bodies.map(({ stream }, index) =>
      encoder.transform({ requestId: index + 1, stdout: ["Status: 200 OK\r\n\r\n", stream] }, { enqueue() {} }),
    );
    expect(first).toBeUndefined();
    expect(encoder.activeResponses).toBe(2);
    expect(await isSettled(second!)).toBe(false);
    bodies[0]!.close();
    expect(await isSettled(second!)).toBe(true);
    expect(encoder.activeResponses).toBe(1);
    bodies[1]!.close();
    await encoder.flush();
    expect(encoder.activeResponses).toBe(0);
  });

  it("gives out four records of a large response before it waits, or one beside another", async () => {
    const stdout = new Uint8Array(65_528 * 8);
    const output = new FullOutput();
    const encoder = new ResponseEncoder();
    void encoder.transform({ requestId: 1, stdout }, output);
    await turns();
    expect(output.full).toBe(4);
    void encoder.transform({ requestId: 2, stdout }, output);
    await turns();
    expect(output.full).toBe(5);
  });

  it("neither ends a response nor tells of its end when all were stopped", async () => {
    for (const isStopped of [false, true]) {
      const ended: number[] = [];
      const records: FastCgiRecord[] = [];
      const body = new OpenStream();
      const encoder = new ResponseEncoder({ onEnd: (requestId) => void ended.push(requestId) });
      const output = { enqueue: (record: FastCgiRecord) => void records.push(record) };
      void encoder.transform({ requestId: 1, stdout: ["Status: 200 OK\r\n\r\n", body.stream] }, output);
      if (isStopped) encoder.stopAll(broken);
      else body.close();
      await turns();
      expect(ended).toEqual(isStopped ? [] : [1]);
      expect(records.some(({ type }) => type === EndRequest)).toBe(!isStopped);
    }
  });

  it.each<[string, (encoder: ResponseEncoder) => unknown, string]>([
    ["onEnd is no function", () => new ResponseEncoder({ onEnd: 5 as never }), "onEnd"],
    ["onError is no function", () => new ResponseEncoder({ onError: 5 as never }), "onError"],
    [
      "a response is none",
      (encoder) => encoder.transform(null as never, { enqueue() {} }),
      "Cannot send a response: expected response to be an object, got null",
    ],
    [
      "its signal is none",
      (encoder) => encoder.transform({ requestId: 1, signal: {} as never }, { enqueue() {} }),
      "Cannot send a response: expected signal to be an AbortSignal",
    ],
    [
      "its protocolStatus is none",
      (encoder) => encoder.transform({ requestId: 1, protocolStatus: 256 as never }, { enqueue() {} }),
      "Cannot send a response: expected protocolStatus to be an integer from 0 to 255, got 256",
    ],
  ])("throws and says what is wrong when %s", (_, call, message) => {
    expect(() => call(new ResponseEncoder())).toThrow(message);
  });

  it("stays failed when a response has failed behind its first byte", async () => {
    const records: FastCgiRecord[] = [];
    const errors: unknown[] = [];
    const output = {
      enqueue: (piece: FastCgiRecord) => void records.push(piece),
      error: (error: unknown) => errors.push(error),
    };
    const encoder = new ResponseEncoder();
    const body = new OpenStream();
    void encoder.transform({ requestId: 1, stdout: ["Status: 200 OK\r\n\r\n", body.stream] }, output);
    expect(() => encoder.transform({ requestId: 1, stdout: "" }, output)).toThrow(
      new RangeError("Cannot send a response: one with requestId 1 is being sent"),
    );
    body.write("begun");
    await turns();
    body.fail(broken);
    await turns();
    expect(errors).toEqual([broken]);
    const other = new OpenStream();
    expect(() => encoder.transform({ requestId: 2, stdout: other.stream }, output)).toThrow(broken);
    expect(other.cancelled).toBe(broken);
    await expect(encoder.flush()).rejects.toBe(broken);
    expect(records.some(({ type }) => type === EndRequest)).toBe(false);
  });

  it("neither reports nor answers a refusal whose appStatus fails when all were stopped", async () => {
    const records: FastCgiRecord[] = [];
    const errors: unknown[] = [];
    const output = { enqueue: (piece: FastCgiRecord) => void records.push(piece) };
    for (const isStopped of [false, true]) {
      const encoder = new ResponseEncoder({ onError: (error) => errors.push(error) });
      const appStatus = deferred<number>();
      void encoder.transform({ requestId: 1, protocolStatus: 2, appStatus: appStatus.promise }, output);
      if (isStopped) encoder.stopAll(new Error("Gone"));
      appStatus.reject(broken);
      await turns();
      expect([errors, records.at(-1)?.type]).toEqual([isStopped ? [] : [broken], isStopped ? undefined : EndRequest]);
      errors.length = 0;
      records.length = 0;
    }
  });
});
