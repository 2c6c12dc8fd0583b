// The work of an app that goes on after its response. It connects here, and ends when it is let go on.

import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { type RunningProcess, waitUntil } from "../support/process.ts";

/** Where the work of a program connects. */
export class LaterWork {
  readonly path: string;
  readonly #server: Server;
  #socket: Socket | undefined;

  private constructor(path: string) {
    this.path = path;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      // A program that ends has broken its work off.
      socket.on("error", () => {});
      this.#socket = socket;
    }).listen(path);
  }

  static async listen(path: string): Promise<LaterWork> {
    const work = new LaterWork(path);
    await once(work.#server, "listening");
    return work;
  }

  /**
   * Stops a program whose work has begun, and tells what is wrong if it does not wait for that.
   *
   * @param hasStopped Whether the program takes no more requests.
   */
  async waitedFor({ pid, exited }: RunningProcess, hasStopped: () => Promise<boolean>): Promise<string | null> {
    await waitUntil(() => this.#socket !== undefined, { message: "Cannot see any work after the response" });
    const work = this.#socket!;
    process.kill(pid, "SIGTERM");
    await waitUntil(hasStopped, { message: "Cannot see the program stop" });
    work.write("go on");
    const last = await text(work).catch(() => "broken off");
    work.destroy();
    if (last !== "done") return "the program did not wait for it";
    const end = await exited;
    return end === "code 0" ? null : `the program ended with ${end}`;
  }

  async close(): Promise<void> {
    this.#socket?.destroy();
    this.#server.close();
  }
}
