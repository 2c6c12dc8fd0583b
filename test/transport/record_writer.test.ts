import { describe, expect, it } from "vitest";
import { encodeRecords, type FastCgiError, type FastCgiRecord, RecordType } from "../../src/toolkit.ts";
import { RecordWriter } from "../../src/transport/record_writer.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { record } from "../support/records.ts";
import { SlowTransport } from "../support/slow_transport.ts";
import { isSettled } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const RECORD_BYTES = 65_528;
const WRITE_TIMEOUT = 1000;

function writerOver(transport: SlowTransport): { writer: RecordWriter; errors: unknown[] } {
  const errors: unknown[] = [];
  const onWriteError = (error: unknown): void => void errors.push(error);
  const host = { options: { writeTimeout: WRITE_TIMEOUT }, isShared: false, onWriteError };
  return { writer: new RecordWriter(transport.channel, host), errors };
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
    expect(await settled).toMatchObject({ code: "timeout", limit: "writeTimeout" });
    expect(errors).toMatchObject([{ code: "timeout", limit: "writeTimeout" }]);
  });

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
