// What every connection does, whatever carries its bytes: the tests that an adapter has to pass.

import { describe, expect, it, onTestFinished } from "vitest";
import { type ByteChannelEvents, type FastCgiConnection, fromStreams, toStreams } from "../../src/toolkit.ts";
import { joined, latin1 } from "./bytes.ts";
import { patternBytes } from "./pattern.ts";
import { waitUntil } from "./process.ts";
import { stable } from "./stable.ts";
import { drain, isSettled } from "./streams.ts";

const MIB = 1024 * 1024;
/** More than systems keep of a connection: some MiB of TCP. */
const MORE_THAN_FITS = 32 * MIB;
const PIECE = 65_536;

/** Notes what a channel tells. */
class Receiver implements ByteChannelEvents {
  readonly pieces: Uint8Array[] = [];
  readonly told: string[] = [];
  bytes = 0;
  onData(piece: Uint8Array): void {
    this.bytes += piece.length;
    this.pieces.push(piece);
    if (this.told.at(-1) !== "data") this.told.push("data");
  }
  onEnd(): void {
    this.told.push("end");
  }
  onError(error: unknown): void {
    this.told.push(`error ${error instanceof Error ? error.message : String(error)}`);
  }
  get text(): string {
    return Buffer.from(joined(...this.pieces)).toString("latin1");
  }
}

/**
 * Describes what a kind of connection does.
 *
 * @param pair Both ends of a new connection.
 */
export function connectionCases(name: string, pair: () => Promise<[FastCgiConnection, FastCgiConnection]>): void {
  /** Both ends as channels, until the test is over. */
  async function channels() {
    const [ours, peer] = (await pair()).map((connection) => fromStreams(connection));
    onTestFinished(() => {
      ours!.close();
      peer!.close();
    });
    const [receiver, peerReceiver] = [new Receiver(), new Receiver()];
    return { ours: ours!, peer: peer!, receiver, peerReceiver };
  }

  describe(`a connection: ${name}`, () => {
    it(`carries bytes both ways at once, and ends (${name})`, async () => {
      const [one, two] = (await pair()).map((connection) => toStreams(connection));
      const bytes = patternBytes(3 * MIB);
      const send = async (to: WritableStream<Uint8Array>): Promise<void> => {
        const writer = to.getWriter();
        for (let start = 0; start < bytes.length; start += 100_000) {
          await writer.write(bytes.subarray(start, start + 100_000));
        }
        await writer.close();
      };
      const sending = [send(one!.writable), send(two!.writable)];
      const received = await Promise.all([drain(one!.readable), drain(two!.readable)]);
      await Promise.all(sending);
      for (const { bytes: came, error } of received) {
        expect(error).toBeNull();
        expect(Buffer.compare(came, bytes)).toBe(0);
      }
    });

    it(`writes several pieces as they are, one behind the other (${name})`, async () => {
      const { ours, peer, peerReceiver } = await channels();
      peer.start(peerReceiver);
      await ours.write([latin1("an"), new Uint8Array(0), latin1("swer")]);
      await ours.end();
      await waitUntil(() => peerReceiver.told.includes("end"));
      expect(peerReceiver).toMatchObject({ text: "answer", told: ["data", "end"] });
    });

    it(`can be written on when the peer half-closes (${name})`, async () => {
      const { ours, peer, receiver, peerReceiver } = await channels();
      ours.start(receiver);
      peer.start(peerReceiver);
      await peer.write([latin1("the last words")]);
      await peer.end();
      await waitUntil(() => receiver.told.includes("end"));
      await ours.write([latin1("an answer")]);
      await ours.end();
      await waitUntil(() => peerReceiver.told.includes("end"));
      expect(receiver).toMatchObject({ text: "the last words", told: ["data", "end"] });
      expect(peerReceiver).toMatchObject({ text: "an answer", told: ["data", "end"] });
    });

    it(`tells of a peer that closes as of its end, behind what it sent (${name})`, async () => {
      const { ours, peer, receiver } = await channels();
      ours.start(receiver);
      peer.start(new Receiver());
      await peer.write([latin1("the last words")]);
      await peer.end();
      peer.close();
      await waitUntil(() => receiver.told.includes("end"));
      expect(receiver).toMatchObject({ text: "the last words", told: ["data", "end"] });
    });

    it(`keeps what comes before it is started, in order, and tells nothing before start returns (${name})`, async () => {
      const { ours, peer, receiver } = await channels();
      peer.start(new Receiver());
      await peer.write([latin1("early")]);
      await peer.end();
      // Whether it has come is not to be seen: either way it is told afterwards.
      await new Promise((resolve) => setTimeout(resolve));
      ours.start(receiver);
      expect(receiver.told).toEqual([]);
      await waitUntil(() => receiver.told.includes("end"));
      expect(receiver).toMatchObject({ text: "early", told: ["data", "end"] });
    });

    it(`takes no more writes than fit when the peer is paused, and goes on when it resumes (${name})`, async () => {
      const { ours, peer, peerReceiver } = await channels();
      peer.start(peerReceiver);
      peer.pause();
      let taken = 0;
      const writing = (async () => {
        for (; taken < MORE_THAN_FITS; taken += PIECE) await ours.write([patternBytes(PIECE)]);
        await ours.end();
      })();
      expect(await stable(() => taken)).toBeLessThan(MORE_THAN_FITS / 2);
      expect(peerReceiver.bytes).toBeLessThanOrEqual(4 * PIECE);
      expect(await isSettled(writing)).toBe(false);
      peer.resume();
      await writing;
      await waitUntil(() => peerReceiver.told.includes("end"));
      expect(peerReceiver.bytes).toBe(MORE_THAN_FITS);
    });

    it(`fails a write that waits, and those that come, when we close (${name})`, async () => {
      const { ours, peer, receiver } = await channels();
      ours.start(receiver);
      peer.start(new Receiver());
      peer.pause();
      const writing = ours.write([new Uint8Array(MORE_THAN_FITS)])!;
      expect(await isSettled(writing)).toBe(false);
      const reason = new Error("given up");
      ours.close(reason);
      ours.close(new Error("again"));
      // Streams are closed without a reason.
      const expected = /^(given up|The connection was closed)$/;
      await expect(writing).rejects.toThrow(expected);
      await expect((async () => ours.write([latin1("x")]))()).rejects.toThrow(expected);
      expect(receiver.told).toEqual([]);
    });

    it(`tells nothing more when we have closed (${name})`, async () => {
      const { ours, peer, receiver, peerReceiver } = await channels();
      ours.start(receiver);
      peer.start(peerReceiver);
      ours.close();
      await (async () => peer.write([latin1("late")]))().catch(() => {});
      await waitUntil(() => peerReceiver.told.length > 0);
      expect(receiver.told).toEqual([]);
    });
  });
}
