import { execFileSync } from "node:child_process";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished } from "vitest";
import { cpuTimeOf } from "../../support/cpu_time.ts";
import { waitUntil } from "../../support/process.ts";
import { startRuntimeClient, startRuntimeServer } from "../../support/runtimes.ts";
import type { ServingRuntime, Setting } from "./battery.ts";
import { nodeClient } from "./node_client.ts";
import type { Target } from "./programs/operations.ts";

/** More than any runtime needs for itself once its program is loaded. */
const MAX_FILES = 64;

/** Lets a process open no more than {@linkcode MAX_FILES} files. Loading a program takes more, some of them at a time. */
function limitFiles({ pid }: { readonly pid: number }): void {
  execFileSync("prlimit", [`--pid=${pid}`, `--nofile=${MAX_FILES}`]);
}

/** A process that may open no more files. */
export function shortageCases({ column, kind, row, newPath }: Setting, runtime: ServingRuntime): void {
  column.test(
    row,
    "serve says once that it can't accept connections, waits idle, and goes on when it can",
    async () => {
      const options = kind === "TCP" ? { port: 0 } : { path: newPath() };
      const server = await startRuntimeServer(runtime, options);
      onTestFinished(() => server.stop());
      const target = (await server.line("address")) as Target;
      limitFiles(server);
      const sockets = Array.from({ length: MAX_FILES * 2 }, () => open(target));
      onTestFinished(() => {
        for (const socket of sockets) socket.destroy();
      });
      expect(await server.line("error")).toMatch(
        /^Error: Cannot accept connections: too many files are open \(EMFILE\); /,
      );
      const [before, start] = [cpuTimeOf(server.pid), performance.now()];
      // No event says that nothing happens. A process that spins takes most of the time that passes, or all that it gets.
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      expect(cpuTimeOf(server.pid) - before).toBeLessThan((performance.now() - start) * 0.3);

      for (const socket of sockets) socket.destroy();
      const client = nodeClient(target);
      await waitUntil(() =>
        client.fetch("http://localhost/").then(
          async (response) => (await response.text()) === "answered /",
          () => false,
        ),
      );
      expect(server.lines().filter((line) => "error" in line)).toHaveLength(1);
    },
  );
}

/** A client whose process may open no more files. */
export function clientShortageCases({ column, row, link }: Setting): void {
  // Files of this system's processes: a Worker has none.
  if (column.runtime === "workerd") return;
  const runtime = column.runtime;
  column.test(
    row,
    "fetch fails with what is wrong when no more files may be open, and the next request is answered",
    async () => {
      const client = startRuntimeClient(runtime);
      onTestFinished(() => client.stop());
      const { target } = link();
      expect(await client.run({ do: "fetch", target })).toMatchObject({ status: 200 });
      limitFiles(client);
      const options = { maxConnectRetries: 0 };
      const { error, wrong, text } = await client.run({ do: "crowd", target, count: MAX_FILES * 2, options });
      expect(error).toMatch(/^connectFailed: Cannot connect to \S+: too many files are open; .*\(EMFILE\)$/);
      expect(wrong).toEqual([]);
      expect(text).toBe("answered /");
    },
  );
}

/** A connection that asks for nothing. */
function open(target: Target): Socket {
  const socket = "path" in target ? connect(target.path) : connect(target.port, "127.0.0.1");
  return socket.on("error", () => {});
}
