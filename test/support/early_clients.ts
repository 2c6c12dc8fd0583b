import { Worker } from "node:worker_threads";

/** Where clients connect to. */
export type EarlyTarget = { readonly path: string } | { readonly port: number; readonly host: string };

/** Clients that are connected, and of whom the server has not heard yet. */
export interface EarlyClients {
  /** Sends these bytes on every connection; resolves to what came on each until the server closed it. */
  exchange(bytes: Uint8Array): Promise<Buffer[]>;
}

const CONNECTED = 0;

const SCRIPT = `
const { connect } = require("node:net");
const { parentPort, workerData: { target, count, state } } = require("node:worker_threads");
let connected = 0;
const sockets = Array.from({ length: count }, () => connect(target, () => {
  if (++connected < count) return;
  Atomics.store(state, ${CONNECTED}, 1);
  Atomics.notify(state, ${CONNECTED});
}).on("error", () => {}));
parentPort.once("message", async (bytes) => {
  parentPort.postMessage(await Promise.all(sockets.map(async (socket) => {
    socket.write(bytes);
    const pieces = [];
    socket.on("data", (piece) => pieces.push(piece));
    await new Promise((resolve) => socket.once("close", resolve));
    return Buffer.concat(pieces);
  })));
});
`;

/**
 * Connects clients in a thread of their own, and lets this one do nothing until the system has connected them all: a server of this
 * thread hears of them afterwards only.
 */
export function connectEarly(target: EarlyTarget, count: number): EarlyClients {
  const state = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(SCRIPT, { eval: true, workerData: { target, count, state } });
  Atomics.wait(state, CONNECTED, 0, 60_000);
  if (state[CONNECTED] !== 1) throw new Error(`Cannot go on: ${count} clients are not connected after a minute`);
  return {
    async exchange(bytes) {
      const answers = new Promise<Uint8Array[]>((resolve, reject) =>
        worker.once("message", resolve).once("error", reject),
      );
      worker.postMessage(bytes);
      try {
        return (await answers).map((answer) => Buffer.from(answer));
      } finally {
        await worker.terminate();
      }
    },
  };
}
