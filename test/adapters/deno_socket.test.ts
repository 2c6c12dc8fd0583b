// How much a connection of Deno reads at once. What it does with a real socket is in the battery.

import { expect, it } from "vitest";
import type { DenoConn } from "../../adapters/deno/runtime.ts";
import { DenoChannel } from "../../adapters/deno/socket.ts";
import { joined } from "../support/bytes.ts";

const [SMALL, LARGE] = [4 * 1024, 64 * 1024];

/** Reads pieces of these lengths through a channel. Returns the room that each read had, and checks every byte. */
async function roomsFor(lengths: readonly number[]): Promise<number[]> {
  const rooms: number[] = [];
  const sent: Uint8Array[] = [];
  const conn: DenoConn = {
    remoteAddr: { transport: "unix", path: "/app.sock" },
    localAddr: { transport: "unix", path: "/app.sock" },
    async read(buffer) {
      rooms.push(buffer.length);
      const length = lengths[sent.length];
      if (length === undefined) return null;
      const piece = Uint8Array.from({ length }, (_, at) => at + sent.length);
      sent.push(piece);
      buffer.set(piece);
      return length;
    },
    write: async (bytes) => bytes.length,
    closeWrite: async () => {},
    close() {},
  };
  const received: Uint8Array[] = [];
  const channel = new DenoChannel(conn);
  await new Promise<void>((resolve, reject) => {
    channel.start({ onData: (piece) => void received.push(piece), onEnd: resolve, onError: reject });
  });
  channel.close();
  expect(joined(...received)).toEqual(joined(...sent));
  return rooms;
}

it("DenoChannel waits with little memory, reads much while more comes, and waits with little again", async () => {
  expect(await roomsFor([100, SMALL - 1, SMALL, LARGE, 30_000, 40_000, 100, SMALL, 10])).toEqual([
    ...[SMALL, SMALL, SMALL, LARGE, LARGE, LARGE, LARGE, SMALL, LARGE, SMALL],
  ]);
});
