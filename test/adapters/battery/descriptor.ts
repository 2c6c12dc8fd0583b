import { once } from "node:events";
import { lstatSync, renameSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { expect, onTestFinished } from "vitest";
import { startRuntimeServer } from "../../support/runtimes.ts";
import type { ServingRuntime } from "./battery.ts";
import type { Column } from "./cells.ts";
import { type Kind, kinds } from "./link.ts";
import { nodeClient } from "./node_client.ts";

/** A listening socket that was inherited. */
export function descriptorCases(column: Column, runtime: ServingRuntime, newPath: () => string): void {
  if (runtime === "deno") {
    column.gap("fd 0", "Deno can't take over an inherited descriptor", async () => {
      const server = await startRuntimeServer(runtime, { fd: 0 });
      const message =
        "Cannot listen on descriptor 0: Deno can't take over a socket that was inherited; give path or port";
      expect(server.lines()).toEqual([{ name: "Error", message }]);
    });
    return;
  }

  column.test("fd 0", "serve says what to do when descriptor 0 is no socket", async () => {
    const server = await startRuntimeServer(runtime, { fd: 0 });
    expect(server.lines()[0]!.message).toMatch(/^Cannot listen on descriptor 0: it is not a listening socket; start/);
  });

  column.test("fd 0", "serve says so when it has no descriptor of this number", async () => {
    const server = await startRuntimeServer(runtime, { fd: 987 });
    expect(server.lines()[0]!.message).toMatch(
      /^Cannot listen on descriptor 987: this process has no such descriptor;/,
    );
  });

  for (const kind of kinds) {
    column.test("fd 0", `serve accepts connections when descriptor 0 is a ${kind} socket`, async () => {
      const { target, handle, letGo } = await listeningSocket(kind, newPath);
      const server = await startRuntimeServer(runtime, { fd: 0 }, { stdin: handle });
      onTestFinished(() => server.stop());
      letGo();
      expect(server.lines()).toHaveLength(1);
      expect(server.lines()[0]).toHaveProperty("address");
      const client = nodeClient(target);
      for (let count = 0; count < 3; count++) {
        expect(await (await client.fetch("http://localhost/path")).text()).toBe("answered /path");
      }
      server.askToClose();
      expect(await server.exited).toBe(0);
      // The file belongs to the process that made it.
      if ("path" in target) expect(lstatSync(target.path).isSocket()).toBe(true);
    });
  }
}

/** A socket that listens, to be given to a program. */
async function listeningSocket(kind: Kind, newPath: () => string) {
  const socket = createServer();
  const [temporary, path] = [newPath(), newPath()];
  await once(kind === "Unix" ? socket.listen(temporary) : socket.listen(0, "127.0.0.1"), "listening");
  const { port } = socket.address() as AddressInfo;
  // Closing a server removes the file by its first name.
  if (kind === "Unix") renameSync(temporary, path);
  const { _handle: handle } = socket as unknown as { _handle: never };
  return { target: kind === "Unix" ? { path } : { port }, handle, letGo: () => void socket.close() };
}
