import type { Socket } from "node:net";
import type { Duplex } from "./duplex.ts";

/**
 * The two streams of a socket of node:net, which Node, Bun and Deno have. On Node 22 and later `Duplex.toWeb` would do.
 * On Node 20 its readable does not end before the socket has ended both ways.
 */
export function streamsOf(socket: Socket): Duplex {
  const readable = new ReadableStream<Uint8Array>({
    start(controller) {
      let isOver = false;
      const end = (settle: () => void): void => {
        if (!isOver) settle();
        isOver = true;
      };
      socket.on("data", (piece) => {
        if (isOver) return;
        controller.enqueue(piece as Uint8Array);
        if (controller.desiredSize! <= 0) socket.pause();
      });
      socket.on("end", () => end(() => controller.close()));
      socket.on("error", (error) => end(() => controller.error(error)));
      socket.on("close", () => end(() => controller.error(new Error("The connection was closed"))));
    },
    pull: () => void socket.resume(),
    cancel: () => void socket.destroy(),
  });
  const settled = (run: (settle: (error?: Error | null) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => run((error) => (error ? reject(error) : resolve())));
  const writable = new WritableStream<Uint8Array>({
    write: (piece) => settled((settle) => socket.write(piece, settle)),
    close: () => settled((settle) => socket.end(settle)),
    abort: () => void socket.destroy(),
  });
  return { readable, writable };
}
