import { describe, expect, it, vi } from "vitest";
import type { FastCgiResponse } from "../../src/codec/outgoing_response.ts";
import type { RecordSink, WrittenRecords } from "../../src/codec/record_sink.ts";
import { ResponseSender } from "../../src/codec/response_sender.ts";
import { MAX_WHOLE_LENGTH, WholeOutput } from "../../src/codec/whole_output.ts";
import { MAX_SENT_CONTENT_LENGTH } from "../../src/protocol/constants.ts";
import { decodeEndRequestBody, type FastCgiRecord, ProtocolStatus, RecordType } from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { recordsIn } from "../support/records.ts";
import { isSettled } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const { Stdout, Stderr, EndRequest } = RecordType;
const broken = new Error("broken");

/** A sink that takes all at once, and notes each write: its records, and whether it was to leave at once. */
class NotedSink implements RecordSink {
  readonly writes: string[] = [];
  readonly records: FastCgiRecord[] = [];
  readonly isShared: boolean;

  constructor(isShared: boolean) {
    this.isShared = isShared;
  }

  write(records: readonly FastCgiRecord[], atOnce = false): WrittenRecords {
    this.records.push(...records);
    const shape = records.map(({ type, contentData }) => `${type}:${contentData.length}`).join(" ");
    this.writes.push(atOnce ? `${shape}, at once` : shape);
    return { taken: undefined, hasLeft: true };
  }

  writeEncoded(bytes: Uint8Array, atOnce = false): WrittenRecords {
    return this.write(recordsIn(bytes), atOnce);
  }
}

/** A sender of the response to request 1, what it has written, and what it has told. */
function sending({ isShared = false, mayEnd = true } = {}) {
  const sink = new NotedSink(isShared);
  const hooks = {
    onStreaming: vi.fn(),
    onHarmlessError: vi.fn(),
    onEnding: vi.fn(() => mayEnd),
    onEnded: vi.fn(),
  };
  const sender = new ResponseSender(sink, 1, hooks);
  return {
    ...hooks,
    sender,
    sink,
    /** The bytes of which the end of the response tells. */
    unsent: (): unknown[] => hooks.onEnded.mock.calls.map(([, bytes]) => bytes),
    appStatus: (): number => decodeEndRequestBody(sink.records.at(-1)!.contentData).appStatus,
  };
}

const noHeader = { stdout: "four" } satisfies FastCgiResponse;

describe("ResponseSender", () => {
  it("sends a small response that is complete in one write, at once unless others write as well", () => {
    for (const isShared of [false, true]) {
      for (const response of [noHeader, { stdout: new WholeOutput("fo", [latin1("ur")]) }]) {
        const { sender, sink, unsent, onStreaming } = sending({ isShared });
        expect(sender.send(response)).toBeUndefined();
        const records = `${Stdout}:4 ${Stdout}:0 ${EndRequest}:8`;
        expect(sink.writes).toEqual([isShared ? records : `${records}, at once`]);
        // All bytes of it, or those of its output: the most that wait is known either way.
        expect(unsent()).toEqual([isShared ? 4 : 36]);
        expect(onStreaming).not.toHaveBeenCalled();
        expect([sender.hasBegun, sender.isStopped]).toEqual([false, false]);
      }
    }
  });

  it.each([
    ["as many as are encoded with the end", MAX_WHOLE_LENGTH, MAX_WHOLE_LENGTH + 32],
    ["one more", MAX_WHOLE_LENGTH + 1, MAX_WHOLE_LENGTH + 1],
    ["as many as a record is sent with", MAX_SENT_CONTENT_LENGTH, MAX_SENT_CONTENT_LENGTH],
  ])("sends bytes that fit one record in one write, without padding: %s", (_, length, waiting) => {
    for (const isShared of [false, true]) {
      const { sender, sink, unsent } = sending({ isShared });
      expect(sender.send({ stdout: new Uint8Array(length) })).toBeUndefined();
      const records = `${Stdout}:${length} ${Stdout}:0 ${EndRequest}:8`;
      expect(sink.writes).toEqual([isShared ? records : `${records}, at once`]);
      expect(sink.records[0]!.paddingLength).toBe(0);
      expect(unsent()).toEqual([isShared ? length : waiting]);
    }
  });

  it("sends an error document with exit status 1, and none when the web server wants no response any more", () => {
    const answered = sending();
    answered.sender.sendError(503);
    expect(Buffer.from(answered.sink.records[0]!.contentData).toString()).toMatch(/^Status: 503 /);
    expect(answered.appStatus()).toBe(1);
    const stopped = sending();
    stopped.sender.stop(broken);
    stopped.sender.sendError(503);
    expect(stopped.sink.writes).toEqual([`${Stdout}:0 ${EndRequest}:8, at once`]);
  });

  it.each<[string, FastCgiResponse, number]>([
    ["text", noHeader, 0],
    ["bytes that fit one record", { stdout: new Uint8Array(5_001) }, 0],
    ["several parts", { stdout: ["one", "two"], appStatus: 3 }, 3],
    ["nothing", { stdout: [], appStatus: Promise.resolve(3) }, 3],
  ])("sends nothing but the end of a response of %s when it was stopped before", async (_, response, appStatus) => {
    for (const isShared of [false, true]) {
      const stopped = sending({ isShared });
      stopped.sender.stop(broken);
      expect(stopped.sender.isStopped).toBe(true);
      await stopped.sender.send(response);
      const records = `${Stdout}:0 ${EndRequest}:8`;
      expect(stopped.sink.writes).toEqual([isShared ? records : `${records}, at once`]);
      expect(stopped.appStatus()).toBe(appStatus);
      expect(stopped.onHarmlessError).not.toHaveBeenCalled();
    }
  });

  it("has begun when the first byte of stdout was sent, not before and not with stderr", async () => {
    const { sender, onStreaming, sink } = sending();
    const body = new OpenStream();
    const sent = sender.send({ stdout: body.stream, stderr: "note" });
    await turns();
    expect([sender.hasBegun, onStreaming.mock.calls.length]).toEqual([false, 1]);
    body.write("x");
    await turns();
    expect(sender.hasBegun).toBe(true);
    body.close();
    await sent;
    expect(sink.writes).toEqual([`${Stderr}:4`, `${Stdout}:1`, `${Stdout}:0 ${Stderr}:0 ${EndRequest}:8, at once`]);
  });

  it("tells with the end how much of the streams may still be on its way", async () => {
    const one = sending();
    await one.sender.send({ stdout: ["ab", "cde"] });
    expect(one.unsent()).toEqual([5]);
    const both = sending({ isShared: true });
    await both.sender.send({ stdout: ["ab", "cde"], stderr: "note" });
    expect(both.unsent()).toEqual([9]);
    expect(both.sink.writes.at(-1)).toBe(`${Stdout}:0 ${Stderr}:0 ${EndRequest}:8`);
  });

  it("sends no end of stderr when nothing of it was sent", async () => {
    for (const stderr of ["", [], null, ["", new ArrayBuffer(0)]]) {
      const { sender, sink, onHarmlessError } = sending();
      await sender.send({ stdout: "four", stderr });
      expect(sink.records.map(({ type }) => type)).toEqual([Stdout, Stdout, EndRequest]);
      expect(onHarmlessError).not.toHaveBeenCalled();
    }
  });

  it("sends messages at hand before stdout, whatever kind of bytes they are", async () => {
    for (const message of ["note", latin1("note"), latin1("note").buffer, new DataView(latin1("note").buffer)]) {
      const { sender, sink } = sending();
      await sender.send({ stdout: "x", stderr: message as ArrayBuffer });
      expect(sink.writes.slice(0, 2)).toEqual([`${Stderr}:4`, `${Stdout}:1`]);
    }
  });

  it("cancels the messages behind one that fails, and tells of that once; of none when the response was stopped", async () => {
    for (const isStopped of [false, true]) {
      const { sender, onHarmlessError, sink } = sending();
      const [stdout, failing, other] = [new OpenStream(), new OpenStream(), new OpenStream()];
      const sent = sender.send({ stdout: stdout.stream, stderr: [failing.stream, other.stream] });
      await failing.pulled();
      if (isStopped) sender.stop(broken);
      else failing.fail(broken);
      expect(await other.cancellation).toBe(broken);
      if (!isStopped) {
        stdout.write("x");
        stdout.close();
      }
      await sent;
      expect(onHarmlessError.mock.calls).toEqual(isStopped ? [] : [[broken]]);
      expect(sink.writes.at(-1)).toBe(`${Stdout}:0 ${EndRequest}:8, at once`);
    }
  });

  it("ends when the messages have ended as well as the response", async () => {
    const { sender, sink } = sending();
    const stderr = new OpenStream();
    const sent = sender.send({ stdout: "x", stderr: stderr.stream })!;
    await stderr.pulled();
    expect(await isSettled(sent)).toBe(false);
    stderr.write("late");
    stderr.close();
    await sent;
    expect(sink.writes).toEqual([`${Stdout}:1`, `${Stderr}:4`, `${Stdout}:0 ${Stderr}:0 ${EndRequest}:8, at once`]);
  });

  it("ends a response that was stopped when its source fails with the stop, and throws nothing", async () => {
    const { sender, sink } = sending();
    const read = deferred<never>();
    const source = { read: () => read.promise, cancel: read.reject };
    const sent = sender.send({ stdout: [source, "more"], appStatus: 3 });
    sender.stop(broken);
    await sent;
    expect(sink.writes).toEqual([`${Stdout}:0 ${EndRequest}:8, at once`]);
    const late = sending();
    late.sender.stop(broken);
    expect(late.sender.send(null as never)).toBeUndefined();
    expect(late.sink.writes).toEqual(sink.writes);
  });

  it("tells nothing of a message that can't be sent when the response was stopped", async () => {
    const { sender, onHarmlessError } = sending();
    sender.stop(broken);
    await sender.send({ stdout: "x", stderr: 7 as never });
    expect(onHarmlessError).not.toHaveBeenCalled();
  });

  it("tells nothing of a wrong exit status when the response was stopped, and ends with 1", async () => {
    const { sender, onHarmlessError, appStatus } = sending();
    sender.stop(broken);
    await sender.send({ stdout: "x", appStatus: Promise.resolve(null as never) });
    expect([onHarmlessError.mock.calls, appStatus()]).toEqual([[], 1]);
  });

  it("writes nothing and tells of no end when the response may not end any more", async () => {
    const ways: readonly ((sender: ResponseSender) => unknown)[] = [
      (sender) => sender.send(noHeader),
      (sender) => sender.send({ stdout: new Uint8Array(5_001) }),
      (sender) => sender.sendError(500),
      (sender) => sender.refuse(ProtocolStatus.Overloaded, {}),
    ];
    for (const way of ways) {
      const { sender, sink, onEnding, onEnded } = sending({ mayEnd: false });
      await way(sender);
      expect([onEnding.mock.calls.length, onEnded.mock.calls.length, sink.writes]).toEqual([1, 0, []]);
    }
  });

  it("refuses with nothing but the end, at once unless others write as well", async () => {
    for (const isShared of [false, true]) {
      const { sender, sink, unsent, appStatus } = sending({ isShared });
      await sender.refuse(ProtocolStatus.Overloaded, { appStatus: 7 });
      expect(sink.writes).toEqual([isShared ? `${EndRequest}:8` : `${EndRequest}:8, at once`]);
      expect(unsent()).toEqual([8]);
      expect(appStatus()).toBe(7);
      expect(decodeEndRequestBody(sink.records[0]!.contentData).protocolStatus).toBe(ProtocolStatus.Overloaded);
    }
  });

  it("throws that stdout is empty, and does not end the request", async () => {
    const { sender, sink, onEnding } = sending();
    await expect(sender.send({ stdout: "" })).rejects.toThrow(
      new TypeError("Cannot send a response: its stdout is empty"),
    );
    expect([sink.writes, onEnding.mock.calls.length]).toEqual([[], 0]);
  });
});
