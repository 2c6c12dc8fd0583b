import { describe, expect, it, vi } from "vitest";
import {
  type ByteChannel,
  encodeRecords,
  type FastCgiError,
  type FastCgiRecord,
  RecordType,
} from "../../src/toolkit.ts";
import { RecordWriter, type RecordWriterHost } from "../../src/transport/record_writer.ts";
import { joined } from "../support/bytes.ts";
import { DrivenChannel } from "../support/driven_channel.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { deferred } from "../support/open_stream.ts";
import { record, recordsIn } from "../support/records.ts";
import { SlowTransport } from "../support/slow_transport.ts";
import { isSettled } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const RECORD_BYTES = 65_528;
const WRITE_TIMEOUT = 1000;

function writerOver(
  { channel }: { readonly channel: ByteChannel },
  more: Partial<RecordWriterHost> = {},
): { writer: RecordWriter; errors: unknown[] } {
  const errors: unknown[] = [];
  const onWriteError = (error: unknown): void => void errors.push(error);
  const host = { options: { writeTimeout: WRITE_TIMEOUT }, isShared: false, onWriteError, ...more };
  return { writer: new RecordWriter(channel, host), errors };
}

/** Lets so many turns of the microtask queue pass. */
async function microtasks(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await null;
}

function stdout(requestId: number, length: number): FastCgiRecord {
  return record(RecordType.Stdout, requestId, new Uint8Array(length));
}

/** Records that fill a write. */
function fullWrite(): FastCgiRecord[] {
  return Array.from({ length: 4 }, () => stdout(1, RECORD_BYTES));
}

describe("RecordWriter.write", () => {
  it("writes whole records when they come, in their order", async () => {
    const transport = new SlowTransport({ patient: true });
    const { writer } = writerOver(transport);
    await writer.write([stdout(1, 5), stdout(2, 0)]).taken;
    await writer.write([stdout(3, 1)]).taken;
    await writer.write([stdout(1, 2)]).taken;
    expect(transport.summary).toEqual(["6:1:5 6:2:0", "6:3:1", "6:1:2"]);
  });

  it("gathers into one write when records come in the same turn", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    writer.write([stdout(1, 5)]);
    writer.write([stdout(2, 6)]);
    await Promise.resolve();
    writer.write([stdout(1, 0)]);
    await turns();
    expect(transport.summary).toEqual(["6:1:5 6:2:6 6:1:0"]);
  });

  it("gathers into one write when each record comes a turn of the microtask queue after the other", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    for (let sent = 0; sent < 30; sent++) {
      writer.write([stdout(1, 5)]);
      await null;
    }
    await turns();
    expect(transport.records.map((records) => records.length)).toEqual([30]);
  });

  it("does not wait for more when a write is full", async () => {
    const channel = new DrivenChannel();
    const { written } = channel;
    const { writer } = writerOver({ channel });
    writer.write([...fullWrite(), stdout(1, 5)]);
    await microtasks(4);
    expect(recordsIn(joined(...written))).toHaveLength(5);
  });

  it("sends records with all that was gathered when they are to be sent at once", () => {
    const channel = new DrivenChannel();
    const { written } = channel;
    const { writer } = writerOver({ channel });
    writer.write([stdout(1, 5)]);
    expect(written).toEqual([]);
    const sent = writer.write([stdout(2, 6)], true);
    expect(recordsIn(joined(...written)).map(({ requestId }) => requestId)).toEqual([1, 2]);
    expect([sent.taken, sent.hasLeft, writer.pendingBytes]).toEqual([undefined, true, 0]);
  });

  it("says of records whether the transport was given them, as the peer may have read them then", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    const batch = writer.write([stdout(1, 5)]);
    expect(batch.hasLeft).toBe(false);
    await turns();
    expect(batch.hasLeft).toBe(true);
    transport.take();
    await batch.taken;
    expect(batch.hasLeft).toBe(true);
    const never = writer.write([stdout(1, 5)]);
    writer.fail(new Error("gone"));
    expect(never.hasLeft).toBe(false);
  });

  it.each([true, false])("says whether several streams may write: %s", (isShared) => {
    expect(writerOver(new SlowTransport(), { isShared }).writer.isShared).toBe(isShared);
  });

  it("gathers into one write when the transport is busy", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    writer.write([stdout(1, 5)]);
    await turns();
    for (let requestId = 2; requestId < 6; requestId++) {
      writer.write([stdout(requestId, 1)]);
      await turns();
    }
    expect(transport.summary).toEqual(["6:1:5"]);
    transport.take();
    await turns();
    expect(transport.summary).toEqual(["6:1:5", "6:2:1 6:3:1 6:4:1 6:5:1"]);
  });

  it("begins another write when one has 256 KiB", async () => {
    const transport = new SlowTransport({ patient: true });
    const { writer } = writerOver(transport);
    const records = Array.from({ length: 200 }, (_, index) => stdout(index + 1, 1000 * (index % 9)));
    for (const one of records) writer.write([one]);
    await writer.write([...records, stdout(1, RECORD_BYTES)]).taken;
    expect(transport.records.flat()).toHaveLength(401);
    for (const [index, bytes] of transport.writes.entries()) {
      expect(bytes.length).toBeLessThan(256 * 1024 + 8 + RECORD_BYTES);
      if (index < transport.writes.length - 1) expect(bytes.length).toBeGreaterThanOrEqual(256 * 1024);
    }
  });

  it("resolves when the transport has taken the bytes, not before", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    const first = writer.write([stdout(1, 5)]).taken!;
    await turns();
    const second = writer.write([stdout(1, 6)]).taken!;
    expect(await isSettled(first)).toBe(false);
    expect(writer.pendingBytes).toBe(8 + 5 + 3 + 8 + 6 + 2);
    transport.take();
    await first;
    expect(await isSettled(second)).toBe(false);
    expect(writer.pendingBytes).toBe(16);
    transport.take();
    await second;
    expect(writer.pendingBytes).toBe(0);
  });

  it("lets streams take turns when each waits for its record", async () => {
    const transport = new SlowTransport({ patient: true });
    const { writer } = writerOver(transport);
    const stream = async (requestId: number, count: number): Promise<void> => {
      for (let sent = 0; sent < count; sent++) await writer.write([stdout(requestId, RECORD_BYTES)]).taken;
    };
    await Promise.all([stream(1, 4), stream(2, 4), stream(3, 1)]);
    const ids = transport.records.flat().map(({ requestId }) => requestId);
    expect(ids).toEqual([1, 2, 3, 1, 2, 1, 2, 1, 2]);
  });

  it("rejects and reports once when the transport fails", async () => {
    const transport = new SlowTransport();
    const { writer, errors } = writerOver(transport);
    const first = writer.write([stdout(1, 5)]).taken;
    await turns();
    const second = writer.write([stdout(2, 5)]).taken;
    const broken = new Error("broken");
    transport.refuse(broken);
    await expect(first).rejects.toBe(broken);
    await expect(second).rejects.toBe(broken);
    await expect(writer.write([stdout(3, 5)]).taken).rejects.toBe(broken);
    expect(errors).toEqual([broken]);
    expect(writer.hasFailed).toBe(true);
    expect(writer.pendingBytes).toBe(0);
    expect(transport.summary).toEqual(["6:1:5"]);
  });

  it("rejects and reports when a record can't be encoded", async () => {
    const transport = new SlowTransport();
    const { writer, errors } = writerOver(transport);
    await expect(writer.write([stdout(70_000, 1)]).taken).rejects.toThrow(RangeError);
    expect(errors).toHaveLength(1);
    expect(transport.writes).toEqual([]);
  });
});

describe("RecordWriter.writeEncoded", () => {
  it("RecordWriter.writeEncoded passes the piece on as it is when nothing else waits", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    const piece = encodeRecords([stdout(1, 5), stdout(1, 0)]);
    const written = writer.writeEncoded(piece, true);
    await turns();
    expect(transport.writes).toEqual([piece]);
    expect([written.hasLeft, writer.pendingBytes]).toEqual([true, piece.length]);
    transport.take();
    await written.taken;
    expect([written.taken, writer.pendingBytes]).toEqual([undefined, 0]);
  });

  it("RecordWriter.writeEncoded copies nothing when nothing else waits", () => {
    const channel = new DrivenChannel();
    const { written } = channel;
    const { writer } = writerOver({ channel });
    const piece = encodeRecords([stdout(1, 5), stdout(1, 0)]);
    expect(writer.writeEncoded(piece, true).taken).toBeUndefined();
    expect(written).toHaveLength(1);
    expect(written[0]).toBe(piece);
  });

  it("RecordWriter.writeEncoded gathers the piece with what follows when it is not to be sent at once", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    writer.writeEncoded(encodeRecords([stdout(1, 5)]));
    writer.write([stdout(2, 6)]);
    await turns();
    expect(transport.summary).toEqual(["6:1:5 6:2:6"]);
  });

  it("RecordWriter.writeEncoded waits when the transport is busy, which must not be given more then", async () => {
    const channel = new DrivenChannel();
    const first = deferred();
    const write = vi.spyOn(channel, "write").mockReturnValueOnce(first.promise);
    const { writer } = writerOver({ channel });
    writer.write([stdout(1, 5)], true);
    writer.writeEncoded(encodeRecords([stdout(2, 6)]), true);
    await turns();
    expect(write).toHaveBeenCalledTimes(1);
    first.resolve();
    await turns();
    expect(write).toHaveBeenCalledTimes(2);
    expect(recordsIn(joined(...channel.written)).map(({ requestId }) => requestId)).toEqual([2]);
  });

  it("RecordWriter.writeEncoded keeps the order when other records wait", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    writer.write([stdout(1, 5)]);
    writer.writeEncoded(encodeRecords([stdout(2, 6)]), true);
    await turns();
    writer.write([stdout(3, 7)]);
    const last = writer.writeEncoded(encodeRecords([stdout(4, 8)]));
    transport.take();
    await turns();
    expect(transport.summary).toEqual(["6:1:5 6:2:6", "6:3:7 6:4:8"]);
    transport.take();
    await last.taken;
  });

  it("RecordWriter.writeEncoded refuses after the writer has failed", async () => {
    const { writer } = writerOver(new SlowTransport());
    writer.fail(new Error("gone"));
    await expect(writer.writeEncoded(encodeRecords([stdout(1, 5)]), true).taken).rejects.toThrow("gone");
  });
});

describe("RecordWriter.write and time", () => {
  useFakeTime();

  it("fails with timeout when the transport takes nothing for writeTimeout", async () => {
    const transport = new SlowTransport();
    const { writer, errors } = writerOver(transport);
    const settled = writer.write([stdout(1, 5)]).taken!.catch((error: FastCgiError) => error);
    await pass(WRITE_TIMEOUT - 1);
    expect(errors).toEqual([]);
    await pass(1);
    // The transport never says what became of the write.
    const message = "Cannot write: the peer took nothing for 1000 ms";
    expect(await settled).toMatchObject({ code: "timeout", limit: "writeTimeout", message });
    expect(errors).toMatchObject([{ code: "timeout", limit: "writeTimeout" }]);
  });

  it("waits on when its connection has something else to do about a timeout", async () => {
    const transport = new SlowTransport();
    const told: FastCgiError[] = [];
    const { writer, errors } = writerOver(transport, { onWriteTimeout: (error) => void told.push(error) });
    const { taken } = writer.write([stdout(1, 5)]);
    await pass(WRITE_TIMEOUT);
    expect(told).toMatchObject([{ code: "timeout", limit: "writeTimeout" }]);
    expect([writer.hasFailed, errors]).toEqual([false, []]);
    transport.take();
    await taken;
  });

  it.each([
    [999, [32]],
    [1000, [8, 8, 8, 8]],
  ])(
    "after a write that took %i ms, gathers as many records of 8 KiB into a write as %j",
    async (milliseconds, sent) => {
      const transport = new SlowTransport();
      const { writer } = writerOver(transport, { options: { writeTimeout: 60_000 } });
      // Only the time of the write counts, not that of the clock.
      await pass(100);
      const { taken } = writer.write([stdout(1, 5)]);
      await pass(milliseconds);
      transport.take();
      await taken;
      writer.write(Array.from({ length: 32 }, () => stdout(1, 8184)));
      for (let count = 0; count < sent.length; count++) {
        await turns();
        transport.take();
      }
      await writer.idle();
      expect(transport.records.slice(1).map((records) => records.length)).toEqual(sent);
    },
  );

  it("fails with timeout when the transport takes nothing of an encoded piece", async () => {
    const { writer, errors } = writerOver(new SlowTransport());
    writer.writeEncoded(encodeRecords([stdout(1, 5)]), true);
    await pass(WRITE_TIMEOUT - 1);
    expect(errors).toEqual([]);
    await pass(1);
    expect(errors).toMatchObject([{ code: "timeout", limit: "writeTimeout" }]);
  });

  it("does not fail when every single write is in time", async () => {
    const transport = new SlowTransport();
    const { writer, errors } = writerOver(transport);
    for (let sent = 0; sent < 5; sent++) {
      const written = writer.write([stdout(1, 5)]).taken;
      await pass(WRITE_TIMEOUT - 1);
      transport.take();
      await written;
    }
    await pass(WRITE_TIMEOUT * 2);
    expect(errors).toEqual([]);
  });

  it("fails with timeout when the transport does not take the half-close", async () => {
    const transport = new SlowTransport({ patient: true, closeWaits: true });
    const { writer, errors } = writerOver(transport);
    void writer.close();
    await pass(WRITE_TIMEOUT);
    expect(errors).toMatchObject([{ code: "timeout", limit: "writeTimeout" }]);
  });

  it("does not fail, and leaves no timer, when the transport has taken the half-close", async () => {
    const transport = new SlowTransport({ patient: true });
    const { writer, errors } = writerOver(transport);
    await writer.close();
    expect(vi.getTimerCount()).toBe(0);
    await pass(WRITE_TIMEOUT * 2);
    expect([errors, writer.hasFailed, writer.isFlushing]).toEqual([[], false, false]);
  });
});

describe("RecordWriter.idle", () => {
  it("resolves when everything was taken", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    await writer.idle();
    writer.write([...fullWrite(), stdout(1, 5)]);
    const idle = writer.idle();
    await turns();
    transport.take();
    expect(await isSettled(idle)).toBe(false);
    transport.take();
    await idle;
    expect(transport.records.map((records) => records.length)).toEqual([4, 1]);
  });
});

describe("RecordWriter.close", () => {
  it("half-closes behind everything when something waits", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    writer.write([...fullWrite(), stdout(1, 5)]);
    const closed = writer.close();
    await turns();
    expect(transport.closed).toBe(false);
    transport.take();
    await turns();
    expect(transport.closed).toBe(false);
    transport.take();
    await closed;
    expect(transport.closed).toBe(true);
    expect(transport.records.map((records) => records.length)).toEqual([4, 1]);
  });

  it("reports nothing when it is called twice, or something is written behind it", async () => {
    const transport = new SlowTransport({ patient: true });
    const { writer, errors } = writerOver(transport);
    await Promise.all([writer.close(), writer.close()]);
    await writer.close();
    await expect(writer.write([stdout(1, 5)]).taken).rejects.toThrow("Cannot write: the writer was closed");
    expect(errors).toEqual([]);
    expect(transport.writes).toEqual([]);
  });

  it("stays failed when it fails before the transport has taken the half-close", async () => {
    const transport = new SlowTransport({ closeWaits: true });
    const { writer, errors } = writerOver(transport);
    const closed = writer.close();
    await turns();
    expect([transport.closed, writer.isFlushing, writer.hasFailed]).toEqual([true, true, false]);
    const error = new Error("gone");
    writer.fail(error);
    transport.take();
    await closed;
    expect([writer.isFlushing, writer.hasFailed]).toEqual([false, true]);
    expect(errors).toEqual([error]);
  });

  it("does not half-close when the writer fails while something waits", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    writer.write([stdout(1, 5)]);
    const closed = writer.close();
    await turns();
    writer.fail(new Error("gone"));
    await closed;
    expect(transport.closed).toBe(false);
  });

  it("reports the error when the half-close fails", async () => {
    const broken = new Error("broken");
    const channel = new DrivenChannel();
    channel.end = () => Promise.reject(broken);
    const { writer, errors } = writerOver({ channel });
    await writer.close();
    expect([errors, writer.hasFailed]).toEqual([[broken], true]);
  });

  it("resolves when the writer has failed", async () => {
    const transport = new SlowTransport();
    const { writer } = writerOver(transport);
    writer.fail(new Error("gone"));
    await writer.close();
    expect(transport.closed).toBe(false);
  });
});

describe("RecordWriter.breakOff", () => {
  it("half-closes behind what is no record when something waits", async () => {
    const transport = new SlowTransport({ patient: true });
    const { writer, errors } = writerOver(transport);
    writer.write([...fullWrite(), stdout(1, 5)]);
    await Promise.all([writer.breakOff(), writer.breakOff(), writer.close()]);
    expect(transport.closed).toBe(true);
    expect(transport.writes.map(({ length }) => length)).toEqual([4 * (RECORD_BYTES + 8), 16, 8]);
    expect(transport.writes[2]).toEqual(new Uint8Array(8));
    await expect(writer.write([stdout(1, 5)]).taken).rejects.toThrow("Cannot write: the writer was closed");
    expect(errors).toEqual([]);
  });
});

describe("RecordWriter.fail", () => {
  it("rejects what waits and what comes when it is called", async () => {
    const transport = new SlowTransport();
    const { writer, errors } = writerOver(transport);
    const gone = new Error("gone");
    const underWay = writer.write([stdout(1, 5)]).taken;
    await turns();
    const waiting = writer.write([stdout(1, 5)]).taken;
    writer.fail(gone);
    writer.fail(new Error("again"));
    // The transport never settles the write that is under way.
    await expect(underWay).rejects.toBe(gone);
    await expect(waiting).rejects.toBe(gone);
    await expect(writer.write([stdout(1, 5)]).taken).rejects.toBe(gone);
    expect(errors).toEqual([gone]);
    transport.take();
    await turns();
    expect(transport.summary).toEqual(["6:1:5"]);
  });
});
