import { describe, expect, it } from "vitest";
import { StreamSender } from "../../src/codec/stream_sender.ts";
import { RecordType } from "../../src/toolkit.ts";
import { RecordWriter } from "../../src/transport/record_writer.ts";
import { sha256 } from "../support/bytes.ts";
import { OpenStream } from "../support/open_stream.ts";
import { patternBytes } from "../support/pattern.ts";
import { SlowTransport } from "../support/slow_transport.ts";
import { isSettled, streamOf } from "../support/streams.ts";
import { transferred } from "../support/transferred.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

function senderOver(
  transport: SlowTransport,
  type: number = RecordType.Stdout,
  isShared = false,
): { sender: StreamSender; writer: RecordWriter } {
  const writer = new RecordWriter(transport.channel, {
    options: { writeTimeout: 1000 },
    isShared,
    onWriteError() {},
  });
  return { sender: new StreamSender(writer, type, 1), writer };
}

/** Content lengths of the records in all writes. */
function lengths(transport: SlowTransport): number[] {
  return transport.records.flat().map(({ contentData }) => contentData.length);
}

describe("StreamSender.send", () => {
  it.each([
    ["STDOUT", RecordType.Stdout, 65_528],
    ["STDIN", RecordType.Stdin, 65_528],
    ["STDERR", RecordType.Stderr, 65_520],
  ] as const)("splits bytes into as few records as it takes, of about the same size, for %s", async (_, type, most) => {
    const transport = new SlowTransport({ patient: true });
    const { sender, writer } = senderOver(transport, type);
    const bytes = patternBytes(most * 2 + 100);
    await sender.send(bytes);
    await writer.idle();
    const third = Math.ceil(bytes.length / 3 / 8) * 8;
    expect(lengths(transport)).toEqual([third, third, bytes.length - 2 * third]);
    expect(sha256(...transport.records.flat().map(({ contentData }) => contentData))).toBe(sha256(bytes));
    expect(transport.records.flat().every((record) => record.type === type && record.requestId === 1)).toBe(true);
    expect(sender.sent).toBe(bytes.length);
    // FastCGI 3.3: records end on multiples of eight bytes; but nginx keeps a header back that padding follows.
    const paddings = transport.records
      .flat()
      .map(({ contentData, paddingLength }) => [contentData.length, paddingLength]);
    const isStdout = type === RecordType.Stdout;
    expect(paddings.filter(([, padding]) => isStdout && padding !== 0)).toEqual([]);
    expect(isStdout || transport.writes.every((write) => write.length % 8 === 0)).toBe(true);
  });

  it.each([
    ["STDOUT", RecordType.Stdout, 65_528, [65_528, 32_768, 32_761, 65_528, 65_528]],
    // Padded by eight bytes, and within 65,535 with them.
    ["STDERR", RecordType.Stderr, 65_520, [65_520, 32_768, 32_753, 65_520, 65_520]],
  ] as const)(
    "fills a record to the most that a record of %s can hold, and no further",
    async (_, type, most, sent) => {
      const transport = new SlowTransport({ patient: true });
      const { sender, writer } = senderOver(transport, type);
      await sender.send(patternBytes(most));
      await sender.send(patternBytes(most + 1));
      await sender.send(patternBytes(most * 2));
      await writer.idle();
      expect(lengths(transport)).toEqual(sent);
    },
  );

  it("sends no record when there are no bytes, because an empty one is the end of the stream", async () => {
    const transport = new SlowTransport({ patient: true });
    const { sender } = senderOver(transport);
    await sender.send(new Uint8Array(0));
    await sender.send(streamOf(new Uint8Array(0), new Uint8Array(3), new Uint8Array(0)));
    await turns();
    expect(lengths(transport)).toEqual([3]);
  });

  it("sends sources one after the other when there are several", async () => {
    const transport = new SlowTransport({ patient: true });
    const { sender, writer } = senderOver(transport);
    await sender.send(new Uint8Array(1));
    await sender.send(streamOf(new Uint8Array(2), new Uint8Array(3)));
    await sender.send(streamOf(new Uint8Array(4)).getReader());
    await writer.idle();
    expect(lengths(transport)).toEqual([1, 2, 3, 4]);
  });

  it("fails when the bytes are those of a buffer that was transferred, because the stream would be cut", async () => {
    const message = "Cannot send stdout: expected bytes that are there, got those of a buffer that was transferred";
    const { sender } = senderOver(new SlowTransport({ patient: true }));
    await expect(sender.send(transferred(new Uint8Array(3)))).rejects.toThrow(message);
    await expect(sender.send(streamOf(new Uint8Array(2), transferred(new Uint8Array(3))))).rejects.toThrow(message);
  });

  it("fails when the buffer of a long piece is transferred while it is sent", async () => {
    const transport = new SlowTransport();
    const { sender } = senderOver(transport);
    const bytes = new Uint8Array(65_528 * 9);
    const sent = sender.send(bytes);
    await turns();
    transferred(bytes);
    transport.take();
    await expect(sent).rejects.toThrow("Cannot send stdout: expected 589752 bytes, got 0");
  });

  it("resolves before the last record is taken, so that what follows leaves with it", async () => {
    const transport = new SlowTransport();
    const { sender, writer } = senderOver(transport);
    await sender.send(new Uint8Array(5));
    await sender.send(new Uint8Array(6));
    void writer.write([{ type: RecordType.Stdout, requestId: 1, contentData: new Uint8Array(0) }]);
    await turns();
    expect(transport.summary).toEqual(["6:1:5 6:1:6 6:1:0"]);
  });

  it("waits when four full records of a piece wait for the transport", async () => {
    const transport = new SlowTransport();
    const { sender, writer } = senderOver(transport);
    const sent = sender.send(new Uint8Array(65_528 * 9));
    await turns();
    expect(sender.sent).toBe(65_528 * 4);
    transport.take();
    await turns();
    expect(sender.sent).toBe(65_528 * 8);
    expect(await isSettled(sent)).toBe(false);
    transport.take();
    await sent;
    expect(sender.sent).toBe(65_528 * 9);
    await turns();
    transport.take();
    await writer.idle();
    // Four records are one write.
    expect(transport.records.map((records) => records.length)).toEqual([4, 4, 1]);
  });

  it("waits after each record of a piece where others want their turn", async () => {
    const transport = new SlowTransport();
    const { sender } = senderOver(transport, RecordType.Stdout, true);
    const sent = sender.send(new Uint8Array(65_528 * 3));
    for (let records = 1; records <= 3; records++) {
      await turns();
      expect(sender.sent).toBe(65_528 * records);
      expect(await isSettled(sent)).toBe(records === 3);
      transport.take();
    }
  });

  it("sends a small piece and a large one behind it as one write", async () => {
    const transport = new SlowTransport();
    const { sender } = senderOver(transport);
    await sender.send(new Uint8Array(60));
    await sender.send(new Uint8Array(65_536));
    await turns();
    expect(transport.summary).toEqual(["6:1:60 6:1:32768 6:1:32768"]);
  });

  it("sends the pieces that a source has at hand in one turn, up to a full record", async () => {
    const { sender } = senderOver(new SlowTransport({ patient: true }));
    const pieces = [1, 2, 3, 65_528].map((length) => new Uint8Array(length));
    let reads = 0;
    const sent = sender.send({
      read: () => {
        const value = pieces[reads++];
        return value === undefined ? { done: true, value } : { done: false, value };
      },
      cancel: () => {},
    });
    expect([sender.sent, reads]).toEqual([65_534, 5]);
    await sent;
  });

  it("takes no further piece when one that is larger than a record waits", async () => {
    const transport = new SlowTransport();
    const { sender } = senderOver(transport);
    const source = new OpenStream();
    const sent = sender.send(source.stream);
    source.write(new Uint8Array(65_536));
    source.write(new Uint8Array(65_536));
    await turns();
    expect(sender.sent).toBe(65_536);
    transport.take();
    await turns();
    expect(sender.sent).toBe(2 * 65_536);
    source.close();
    await sent;
  });

  it("stops pulling from its source when the transport takes nothing", async () => {
    const transport = new SlowTransport();
    const { sender } = senderOver(transport);
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled++;
          controller.enqueue(new Uint8Array(1000));
        },
      },
      { highWaterMark: 0 },
    );
    const sent = sender.send(endless);
    await turns();
    // 66 records of 1000 bytes are more than a full one; the next one waits.
    expect(pulled).toBe(67);
    expect(sender.sent).toBe(66_000);
    // What is ready without a wait leaves as one write.
    expect(transport.writes).toHaveLength(1);
    transport.take();
    await turns();
    // Now all 66 are taken, and so many again are there.
    expect(pulled).toBe(133);
    sender.stop("enough");
    while (!(await isSettled(sent))) transport.take();
  });

  it("rejects with the source's error when that fails", async () => {
    const { sender } = senderOver(new SlowTransport({ patient: true }));
    const source = new OpenStream();
    const sent = sender.send(source.stream);
    source.write("abc");
    await turns();
    const broken = new Error("broken");
    source.fail(broken);
    await expect(sent).rejects.toBe(broken);
    expect(sender.sent).toBe(3);
  });

  it("rejects with TypeError and cancels the source when that gives something else than bytes", async () => {
    const { sender } = senderOver(new SlowTransport({ patient: true }));
    const source = new OpenStream();
    const sent = sender.send(source.stream);
    source.write("text" as never);
    await turns();
    source.write([1, 2] as never);
    await expect(sent).rejects.toThrow(
      new TypeError("Cannot send stdout: expected chunks that are Uint8Arrays, got Array"),
    );
    expect(source.cancelled).toBeInstanceOf(TypeError);
    await expect(sender.send("text" as never)).rejects.toThrow(TypeError);
  });

  it("rejects with TypeError when somebody else reads the source", async () => {
    const { sender } = senderOver(new SlowTransport({ patient: true }));
    const source = new OpenStream();
    source.stream.getReader();
    await expect(sender.send(source.stream)).rejects.toThrow(TypeError);
  });

  it("rejects and cancels the source when the transport fails", async () => {
    const transport = new SlowTransport();
    const { sender } = senderOver(transport);
    const source = new OpenStream();
    const sent = sender.send(source.stream);
    source.write(new Uint8Array(65_528));
    source.write(new Uint8Array(65_528));
    await turns();
    const broken = new Error("broken");
    transport.refuse(broken);
    await expect(sent).rejects.toBe(broken);
    expect(source.cancelled).toBe(broken);
  });
});

describe("StreamSender.stop", () => {
  it("cancels the source and resolves send() when that is read", async () => {
    const transport = new SlowTransport({ patient: true });
    const { sender } = senderOver(transport);
    const source = new OpenStream();
    const sent = sender.send(source.stream);
    source.write("abc");
    await turns();
    sender.stop("aborted");
    sender.stop("again");
    await sent;
    expect(source.cancelled).toBe("aborted");
    expect(lengths(transport)).toEqual([3]);
  });

  it("sends nothing more when bytes wait for the transport", async () => {
    const transport = new SlowTransport();
    const { sender } = senderOver(transport);
    const sent = sender.send(new Uint8Array(65_528 * 5));
    await turns();
    sender.stop("aborted");
    transport.take();
    await sent;
    await sender.send(new Uint8Array(5));
    await turns();
    expect(lengths(transport)).toEqual([65_528, 65_528, 65_528, 65_528]);
  });

  it("does not cancel a source that has ended", async () => {
    const { sender } = senderOver(new SlowTransport({ patient: true }));
    let cancelled = 0;
    const source = { read: () => ({ done: true }), cancel: () => void cancelled++ };
    await sender.send(source);
    sender.stop("aborted");
    await turns();
    expect(cancelled).toBe(0);
  });

  it("cancels a source that is given afterwards, whatever that says", async () => {
    const { sender } = senderOver(new SlowTransport({ patient: true }));
    sender.stop("aborted");
    sender.stop("again");
    const source = new OpenStream();
    await sender.send(source.stream);
    expect(source.cancelled).toBe("aborted");
    const broken = new OpenStream();
    broken.fail(new Error("broken"));
    await sender.send(broken.stream);
  });
});
