import { createConnection } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { freePort } from "../support/free_port.ts";
import { startProcess, waitUntil } from "../support/process.ts";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

it("fetchcgi as a program ends with its report and its code when Ctrl+C is pressed", async () => {
  const port = await freePort();
  const running = await startProcess(process.execPath, {
    name: "fetchcgi",
    args: ["--import", "tsx", main, "check", "server", "--listen", `127.0.0.1:${port}`],
  });
  onTestFinished(() => running.stop());
  await waitUntil(() => running.stderr().includes(`fetchcgi: listening on 127.0.0.1:${port}`));
  await new Promise<void>((resolve) => {
    // A record of version 0, for which the connection is closed.
    const socket = createConnection(port, "127.0.0.1", () => socket.write(new Uint8Array(8)));
    socket.once("close", () => resolve()).resume();
  });
  process.kill(running.pid, "SIGINT");
  expect(await running.exited).toBe("code 1");
  expect(running.stdout()).toMatch(/^broken +FCGI-3\.3-2 +Everything is a record of version 1$/m);
  expect(running.stdout()).toMatch(/^failed: /m);
});
