// A process that stands still for longer than its timeouts: the machine slept, or other programs had the processor. When it goes on, it
// finds that the timeouts have run out, and that what they were for came in time.

import { expect, onTestFinished } from "vitest";
import { RecordType } from "../../../src/toolkit.ts";
import { waitUntil } from "../../support/process.ts";
import { RawConnection } from "../../support/raw_connection.ts";
import { begin, bytesOf, params, record, recordsIn, request, stdin, textOf } from "../../support/records.ts";
import { startRuntimeServer } from "../../support/runtimes.ts";
import type { ServingRuntime, Setting } from "./battery.ts";
import { nodeClient } from "./node_client.ts";
import type { Outcome, Target } from "./programs/operations.ts";

/** Milliseconds of the timeouts. */
const TIMEOUT = 3_000;

/** Something with a process of its own. */
interface Process {
  readonly pid: number;
}

/**
 * Begins something, stops the processes, does what their peers do meanwhile, and lets them go on when the timeouts have run out. Resolves with
 * false, and has done nothing meanwhile, if the machine was so slow that timeouts may have run out before that.
 */
async function standStill(
  processes: readonly Process[],
  { begin, meanwhile }: { begin(): Promise<unknown>; meanwhile(): Promise<unknown> },
): Promise<boolean> {
  const start = performance.now();
  await begin();
  for (const { pid } of processes) process.kill(pid, "SIGSTOP");
  const isInTime = performance.now() - start < TIMEOUT;
  try {
    if (isInTime) {
      await meanwhile();
      // No event tells of timers that run out in a process that is stopped.
      await new Promise((resolve) => setTimeout(resolve, TIMEOUT + 500));
    }
  } finally {
    for (const { pid } of processes) process.kill(pid, "SIGCONT");
  }
  return isInTime;
}

/** One kind of socket is enough for each: the timers are the same. */
export function serverStandstillCases(setting: Setting, runtime: ServingRuntime): void {
  if (setting.kind === "TCP") graceCase(setting, runtime);
  else timeoutCase(setting, runtime);
}

/** An application, with a connection that has had an answer and is kept. */
async function startWithConnection(runtime: ServingRuntime, options: object) {
  const server = await startRuntimeServer(runtime, options);
  onTestFinished(() => server.stop());
  const target = (await server.line("address")) as Target;
  const kept = await RawConnection.open(target);
  await kept.write(bytesOf(request(1)));
  await answersOn(kept, 1);
  return { server, target, kept };
}

function timeoutCase({ column, row, newPath }: Setting, runtime: ServingRuntime): void {
  column.test(
    row,
    "serve takes the rest of a body, and a request on a kept connection, that came before their timeouts when the process stood still",
    async () => {
      const variables = { REQUEST_METHOD: "POST", REQUEST_URI: "/sha256", HTTP_HOST: "localhost", CONTENT_LENGTH: "8" };
      for (;;) {
        const { server, target, kept } = await startWithConnection(runtime, {
          path: newPath(),
          readTimeout: TIMEOUT,
          idleTimeout: TIMEOUT,
        });
        const other = await RawConnection.open(target);
        const wasInTime = await standStill([server], {
          async begin() {
            // Begins both timeouts.
            await other.write(bytesOf(begin(1), params(1, variables), record(RecordType.Stdin, 1, "half")));
            await kept.write(bytesOf(request(1)));
            await answersOn(kept, 2);
          },
          async meanwhile() {
            await other.write(bytesOf(record(RecordType.Stdin, 1, "half"), stdin(1)));
            await kept.write(bytesOf(request(1)));
          },
        });
        if (!wasInTime) continue;
        expect(await answersOn(other, 1)).toMatch(/^Status: 200 /);
        expect(await answersOn(kept, 3)).toMatch(/(answered \/.*){3}$/s);
        return;
      }
    },
  );
}

function graceCase({ column }: Setting, runtime: ServingRuntime): void {
  column.test(
    "graceful close",
    "close answers a request that came within its grace when the process stood still for longer",
    async () => {
      for (;;) {
        const { server, target, kept } = await startWithConnection(runtime, { port: 0, grace: TIMEOUT });
        const wasInTime = await standStill([server], {
          async begin() {
            server.askToClose();
            // The grace begins when it does not listen any more.
            await waitUntil(() =>
              RawConnection.open(target)
                .then(() => false)
                .catch(() => true),
            );
          },
          meanwhile: () => kept.write(bytesOf(request(1))),
        });
        if (!wasInTime) continue;
        expect(await answersOn(kept, 2)).toMatch(/(answered \/.*){2}$/s);
        expect(await server.exited).toBe(0);
        return;
      }
    },
  );
}

export function clientStandstillCases({ column, kind, row, link }: Setting): void {
  if (kind === "TCP") return;
  column.test(
    row,
    "fetch gives a response that came before headerTimeout when the process stood still for longer",
    async () => {
      const { target, pid } = link();
      for (let attempt = 1; ; attempt++) {
        const id = `still-${attempt}`;
        let response: Promise<Outcome> | undefined;
        const release = () => nodeClient(target).fetch(`http://localhost/release?id=${id}`);
        const wasInTime = await standStill([{ pid }], {
          async begin() {
            response = link().run({ do: "fetch", url: `/hold?id=${id}`, options: { headerTimeout: TIMEOUT } });
            // Other tests have held requests before.
            while ((await link().noticed("held")) !== id);
          },
          meanwhile: release,
        });
        if (wasInTime) {
          expect(await response).toEqual({ status: 200, text: "0" });
          return;
        }
        await release();
        await response;
      }
    },
  );
}

/** All of the responses on a connection, once so many have ended. */
async function answersOn(connection: RawConnection, count: number): Promise<string> {
  const ends = (received: Uint8Array): number =>
    recordsIn(received).filter(({ type }) => type === RecordType.EndRequest).length;
  return textOf(recordsIn(await connection.readUntil((received) => ends(received) === count)), RecordType.Stdout, 1);
}
