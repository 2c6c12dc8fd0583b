// Workers of node:cluster that serve with the options that the first argument has as JSON, and answer with their number. Reads lines:
// `fork`; `close 1` and `kill 1` for the worker with that number; `end`. Prints what happens, a line of JSON for each.

import cluster, { type Worker } from "node:cluster";
import { createInterface } from "node:readline";
import { serve } from "../../../adapters/node/index.ts";

const print = (line: object): void => console.log(JSON.stringify(line));

if (cluster.isPrimary) {
  const workers = new Map<number, Worker>();
  const commands: Readonly<Record<string, (worker: Worker) => void>> = {
    close: (worker) => worker.send("close"),
    kill: (worker) => worker.process.kill("SIGKILL"),
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, id] = line.split(" ");
    if (command === "fork") {
      const worker = cluster.fork();
      workers.set(worker.id, worker);
      worker.once("exit", () => print({ worker: worker.id, exited: true }));
    } else commands[command!]!(workers.get(Number(id))!);
  }
  process.exit();
} else {
  const { id } = cluster.worker!;
  try {
    const server = await serve({
      ...JSON.parse(process.argv[2]!),
      fetch: () => new Response(String(id)),
      onError: (error) => print({ worker: id, onError: String(error) }),
    });
    print({ worker: id, address: server.address });
    process.on("message", async () => {
      await server.close();
      print({ worker: id, closed: true });
      process.disconnect();
    });
  } catch (error) {
    print({ worker: id, error: (error as Error).message });
    process.disconnect();
  }
}
