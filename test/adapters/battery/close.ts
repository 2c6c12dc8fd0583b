import { existsSync } from "node:fs";
import { expect, onTestFinished } from "vitest";
import { OpenStream } from "../../support/open_stream.ts";
import { waitUntil } from "../../support/process.ts";
import { startRuntimeRacer, startRuntimeServer } from "../../support/runtimes.ts";
import type { ServingRuntime, Setting } from "./battery.ts";
import { nodeClient } from "./node_client.ts";
import type { Target } from "./programs/operations.ts";

/** A client that is closed while a request runs. */
export function clientCloseCases({ column, link }: Setting): void {
  column.test(
    "graceful close",
    "close lets the request that runs finish and sends no other when it is called",
    async () => {
      const { text, error } = await link().run({ do: "close" });
      expect(error).toMatch(/closed/);
      expect(text).toBe("0");
    },
  );
}

/** An application that is closed while a request runs. */
export function serverCloseCases({ column, kind, newPath }: Setting, runtime: ServingRuntime): void {
  column.test(
    "graceful close",
    "close lets the request that runs finish and takes no other when it is called",
    async () => {
      const server = await startRuntimeServer(runtime, kind === "TCP" ? { port: 0 } : { path: newPath() });
      onTestFinished(() => server.stop());
      const address = (await server.line("address")) as Target;
      const client = nodeClient(address, { requestBuffering: "stream" });
      const source = new OpenStream();
      const init = { method: "POST", body: source.stream, duplex: "half" } as RequestInit;
      const response = await client.fetch("http://localhost/body", init);
      const reader = response.body!.getReader();
      expect(new TextDecoder().decode((await reader.read()).value)).toBe("started\n");
      // The request that asks is one of them.
      const status = await (await client.fetch("http://localhost/status")).json();
      expect(status).toMatchObject({ connections: 2, idle: 0, active: 2, waiting: 0, startTime: expect.any(Number) });
      server.askToClose();
      await waitUntil(() =>
        client.fetch("http://localhost/").then(
          () => false,
          () => true,
        ),
      );
      if ("path" in address) expect(existsSync(address.path)).toBe(false);
      expect(server.lines()).not.toContainEqual({ closed: true });
      source.write(new Uint8Array(100));
      source.close();
      expect(new TextDecoder().decode((await reader.read()).value)).toBe("100 bytes\n");
      expect((await reader.read()).done).toBe(true);
      expect(await server.line("closed")).toBe(true);
      expect(await server.exited).toBe(0);
    },
  );
  if (kind !== "TCP") return;
  column.test(
    "graceful close",
    "close resolves when a client of its port is refused, not let in and reset",
    async () => {
      const racer = startRuntimeRacer(runtime);
      onTestFinished(() => racer.stop());
      for (let round = 0; round < 5; round++) {
        await racer.run({ do: "serve", name: "0", options: { port: 0 } });
        expect((await racer.run({ do: "close" })).after).toMatch(/refused/i);
      }
    },
  );
}
