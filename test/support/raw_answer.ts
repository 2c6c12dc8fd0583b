import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { encodeRecords, RecordType } from "../../src/toolkit.ts";
import { record } from "./records.ts";

/** An application that answers every connection with the same FCGI_STDOUT as soon as anything comes, and closes. */
export async function startRawApplication(
  stdout: string,
  { endsRequest }: { readonly endsRequest: boolean },
): Promise<{ address: string; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => {
      const records = stdout === "" ? [] : [record(RecordType.Stdout, 1, stdout)];
      if (endsRequest) records.push(record(RecordType.EndRequest, 1, new Uint8Array(8)));
      socket.end(encodeRecords(records));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as { port: number }).port}`,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
