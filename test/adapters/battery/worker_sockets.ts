import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, onTestFinished } from "vitest";
import type { Setting } from "./battery.ts";
import type { Operation } from "./programs/operations.ts";

/** The ways in which only a Worker connects. */
export function workerSocketCases({ column, row, link }: Setting): void {
  column.test(row, "connect uses the binding of the Worker when it is given one", async () => {
    const { text } = await link().run({ do: "fetch", through: "binding", url: "/path" });
    expect(text).toBe("answered /path");
  });

  column.test(row, "connect speaks TLS when secureTransport is on", async () => {
    const server = createServer();
    onTestFinished(() => void server.close());
    await once(server.listen({ port: 0, host: "127.0.0.1" }), "listening");
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const target = { port: (server.address() as AddressInfo).port };
    const options = { maxConnectRetries: 0 };
    const outcome = link().run({ do: "fetch", target, through: "TLS", options } as Operation);
    // What fails before it connects must not look like a test that hangs.
    const failed = outcome.then(({ error }) => Promise.reject(new Error(`Cannot go on: not connected, ${error}`)));
    const [socket] = await Promise.race([accepted, failed]);
    failed.catch(() => {});
    const [bytes] = (await once(
      socket.on("error", () => {}),
      "data",
    )) as [Uint8Array];
    // A handshake record (RFC 8446 5.1); a FastCGI record would begin with 1.
    expect(bytes[0]).toBe(22);
    socket.destroy();
    expect((await outcome).error).toBeDefined();
  });
}
