import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { type FileHandle, open, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { constants as constantsOfSystem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { serve } from "../../adapters/node/index.ts";
import { makeCertificate } from "../../cli/gateway/certificate.ts";
import { freePort } from "../support/free_port.ts";
import { deferred } from "../support/open_stream.ts";
import { startProcess, waitUntil } from "../support/process.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";

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

it("a check of an application that hangs ends when Ctrl+C is pressed", async () => {
  const connection = deferred();
  const server = createServer((socket) => {
    connection.resolve();
    socket.on("error", () => {}).resume();
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const running = await startProcess(process.execPath, {
    name: "fetchcgi",
    args: ["--import", "tsx", main, "check", "application", `127.0.0.1:${port}`, "--timeout", "999999"],
  });
  onTestFinished(() => running.stop());
  await connection.promise;
  process.kill(running.pid, "SIGINT");
  expect(await running.exited).toBe("SIGINT");
});

/** A named pipe, for the current test. */
async function makePipe(): Promise<string> {
  const folder = await createTemporaryDirectory("pipe");
  onTestFinished(() => folder.remove());
  const pipe = join(folder.path, "pipe");
  await promisify(execFile)("mkfifo", [pipe]);
  return pipe;
}

/** Waits until a program has opened a pipe to read it. It gets nothing before the test has ended, or before `close` is called. */
async function untilReadFrom(pipe: string): Promise<FileHandle> {
  // A writer can open it only when a reader has.
  let writer: FileHandle | null = null;
  await waitUntil(async () => {
    writer = await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => null);
    return writer !== null;
  });
  onTestFinished(() => writer!.close());
  return writer!;
}

it("a request that waits for the writer of a named pipe ends when Ctrl+C is pressed once", async () => {
  const pipe = await makePipe();
  const child = spawn(process.execPath, ["--import", "tsx", main, "request", "9000", "/", "--data", `@${pipe}`], {
    stdio: "ignore",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await untilReadFrom(pipe);
  child.kill("SIGINT");
  const [code, signal] = await once(child, "exit");
  // As a shell counts.
  expect(signal === "SIGINT" ? 130 : code).toBe(130);
});

it("a request that waits for standard input ends with 130 when Ctrl+C is pressed", async () => {
  const child = spawn(process.execPath, ["--import", "tsx", main, "request", "9000", "/", "--data", "-"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  // More than the pipe holds: when all of it is taken, the command reads.
  await new Promise((resolve) => child.stdin.write(new Uint8Array(4_000_000), resolve));
  child.kill("SIGINT");
  expect(await once(child, "exit")).toEqual([130, null]);
});

it("a gateway that waits for its certificate in a named pipe ends when it is asked once, at its start and when it reloads", async () => {
  const pipe = await makePipe();
  const args = ["--import", "tsx", main, "gateway", "--fastcgi", pipe, "--port", "0", "--cert", pipe, "--key", pipe];
  const ended = async (child: ChildProcess): Promise<number> => {
    child.kill("SIGTERM");
    // Its last words can arrive after the news of its end.
    const [code, signal] = await once(child, "close");
    return signal === null ? code : 128 + constantsOfSystem.signals[signal as NodeJS.Signals];
  };
  const start = (): ChildProcess => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    return child;
  };

  const first = start();
  const writer = await untilReadFrom(pipe);
  // A shell sees an end by SIGINT: the read can't be cancelled.
  expect(await ended(first)).toBe(130);
  await writer.close();

  const second = start();
  let errors = "";
  second.stderr!.setEncoding("utf8").on("data", (text) => {
    errors += text;
  });
  const { cert, key } = await makeCertificate("localhost");
  await writeFile(pipe, `${cert}\n${key}`);
  await waitUntil(() => / at https:/.test(errors), { message: () => errors });
  second.kill("SIGHUP");
  await untilReadFrom(pipe);
  expect(await ended(second)).toBe(130);
  expect(errors).toMatch(/ending when the running requests have been answered\n$/);
});

it.each(["stdout", "stderr"] as const)("a gateway answers and ends while nothing reads its %s", async (unread) => {
  const application = await serve({
    port: 0,
    sendStderr: true,
    onStderr: () => {},
    fetch: (request, { stderr }) => {
      stderr.write(request.url);
      return new Response("hello");
    },
  });
  onTestFinished(() => application.close({ timeout: 0 }));
  const { port: target } = application.address as { port: number };
  const port = await freePort();
  const args = ["--import", "tsx", main, "gateway", "--fastcgi", String(target), "--port", String(port)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  // The other one is read; this one fills up.
  child[unread === "stdout" ? "stderr" : "stdout"].resume();
  const ask = (path: string): Promise<string> => fetch(`http://127.0.0.1:${port}/${path}`).then((it) => it.text());
  await waitUntil(async () => (await ask("").catch(() => "")) === "hello");
  // Each line is of 500 characters at least, and a pipe holds 64 KiB.
  for (let count = 0; count < 600; count++) expect(await ask("x".repeat(1000))).toBe("hello");
  child.kill("SIGTERM");
  const [code, signal] = await once(child, "exit");
  expect(signal === "SIGINT" ? 130 : code).toBe(130);
});
