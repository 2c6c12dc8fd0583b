import { connect, type Socket } from "node:net";
import { waitUntil } from "../test/support/process.ts";
import { encodedGet } from "./encoded_get.ts";
import { HELLO } from "./peers/answers.mjs";

/** Connections that had one answer each and are kept. */
export interface IdleConnections {
  /** How many had the right one. */
  readonly answered: number;
  /** Sends a request on each that its handler does not answer; resolves when the handler has them all. */
  hold(): Promise<void>;
  close(): Promise<void>;
}

/** Connections that are opened at the same time: a listener's queue has an end. */
const AT_ONCE = 100;

/** Opens connections to a server and asks for one hello on each. */
export async function openIdleConnections(path: string, count: number): Promise<IdleConnections> {
  const request = encodedGet("/");
  const sockets: Socket[] = [];
  let answered = 0;
  const open = async (): Promise<void> => {
    while (sockets.length < count) {
      const socket = connect(path);
      sockets.push(socket);
      if (await answers(socket, request, HELLO)) answered++;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, open));
  return {
    answered,
    async hold() {
      const held = encodedGet("/hold");
      for (const socket of sockets) socket.write(held);
      const areHeld = (): Promise<boolean> => {
        const asking = connect(path);
        sockets.push(asking);
        return answers(asking, encodedGet("/held"), `${count} held\n`);
      };
      await waitUntil(areHeld, { message: "Cannot hold the requests: some did not come" });
    },
    async close() {
      const closed = sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
    },
  };
}

/** Whether the server ends the request, with this text in its answer. */
function answers(socket: Socket, request: Uint8Array, expected: string): Promise<boolean> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      // FCGI_END_REQUEST of request 1 with eight bytes of content.
      if (text.includes("\x01\x03\x00\x01\x00\x08")) resolve(text.includes(expected));
    });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
    socket.write(request);
  });
}
