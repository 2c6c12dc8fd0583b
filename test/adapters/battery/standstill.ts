// A process that stands still for longer than its timeouts: the machine slept, or other programs had the processor. When it goes on, it
// finds that the timeouts have run out, and that what they were for came in time.

import { expect, onTestFinished } from "vitest";
import { RecordType } from "../../../src/toolkit.ts";
import { waitUntil } from "../../support/process.ts";
import { RawConnection } from "../../support/raw_connection.ts";
import { begin, bytesOf, params, record, recordsIn, request, stdin, textOf } from "../../support/records.ts";
import { type RuntimeServer, startRuntimeServer } from "../../support/runtimes.ts";
import type { ServingRuntime, Setting } from "./battery.ts";
import { nodeClient } from "./node_client.ts";
import type { Target } from "./programs/operations.ts";

/** Milliseconds of the timeouts. Between their start and the standstill is what no timer decides, which takes a few. */
const TIMEOUT = 3_000;

/** Stops processes, does what their peers do meanwhile, and lets them go on when their timeouts have run out. */
async function whileTheyStand(
  processes: readonly { readonly pid: number }[],
  act: () => Promise<unknown>,
): Promise<void> {
  for (const { pid } of processes) process.kill(pid, "SIGSTOP");
  try {
    await act();
    // No event tells of timers that run out in a process that is stopped.
    await new Promise((resolve) => setTimeout(resolve, TIMEOUT + 500));
  } finally {
    for (const { pid } of processes) process.kill(pid, "SIGCONT");
  }
}

export function serverStandstillCases({ column, kind, row, newPath }: Setting, runtime: ServingRuntime): void {
  if (kind === "TCP") return;

  async function start(options: object = {}): Promise<{ server: RuntimeServer; target: Target }> {
    const server = await startRuntimeServer(runtime, { path: newPath(), ...options });
    onTestFinished(() => server.stop());
    return { server, target: (await server.line("address")) as Target };
  }

  /** A connection that has had an answer, and is kept. */
  async function keptConnection(target: Target): Promise<RawConnection> {
    const connection = await RawConnection.open(target);
    await connection.write(bytesOf(request(1)));
    await answersOn(connection, 1);
    return connection;
  }

  column.test(
    row,
    "serve takes what came before readTimeout, idleTimeout or its grace ran out when the process stood still for longer",
    async () => {
      const { server, target } = await start({ readTimeout: TIMEOUT, idleTimeout: TIMEOUT });
      const closing = await start();
      const kept = await keptConnection(closing.target);
      closing.server.askToClose();
      await waitUntil(() =>
        RawConnection.open(closing.target)
          .then(() => false)
          .catch(() => true),
      );

      const waiting = await RawConnection.open(target);
      const variables = { REQUEST_METHOD: "POST", REQUEST_URI: "/sha256", HTTP_HOST: "localhost", CONTENT_LENGTH: "8" };
      await waiting.write(bytesOf(begin(1), params(1, variables), record(RecordType.Stdin, 1, "half")));
      const idle = await keptConnection(target);
      await whileTheyStand([server, closing.server], async () => {
        await waiting.write(bytesOf(record(RecordType.Stdin, 1, "half"), stdin(1)));
        for (const connection of [idle, kept]) await connection.write(bytesOf(request(1)));
      });
      expect(await answersOn(waiting, 1)).toMatch(/^Status: 200 /);
      for (const connection of [idle, kept])
        expect(await answersOn(connection, 2)).toMatch(/answered \/.*answered \/$/s);
      expect(await closing.server.exited).toBe(0);
    },
  );
}

export function clientStandstillCases({ column, kind, row, link }: Setting): void {
  if (kind === "TCP") return;
  column.test(
    row,
    "fetch gives the response that came before headerTimeout ran out when the process stood still for longer",
    async () => {
      const { target, pid } = link();
      const response = link().run({ do: "fetch", url: "/hold?id=still", options: { headerTimeout: TIMEOUT } });
      // Other tests have held requests before.
      while ((await link().noticed("held")) !== "still");
      await whileTheyStand([{ pid }], () => nodeClient(target).fetch("http://localhost/release?id=still"));
      expect(await response).toEqual({ status: 200, text: "0" });
    },
  );
}

/** All of the responses on a connection, once so many have ended. */
async function answersOn(connection: RawConnection, count: number): Promise<string> {
  const ends = (received: Uint8Array): number =>
    recordsIn(received).filter(({ type }) => type === RecordType.EndRequest).length;
  return textOf(recordsIn(await connection.readUntil((received) => ends(received) === count)), RecordType.Stdout, 1);
}
