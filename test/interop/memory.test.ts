import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FastCgiHttpClient, FastCgiUnixConnector } from "../../adapters/node/index.ts";
import { checkPattern, patternStream } from "../adapters/programs/pattern_stream.ts";
import { type MemoryReport, PeakMemory } from "../adapters/programs/peak_memory.ts";
import { type RunningProcess, startProcess } from "../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";

// Both ends are this library, in two processes, over a Unix socket.

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const MAX_GROWTH = 32;
const program = fileURLToPath(new URL("../adapters/programs/memory_server.ts", import.meta.url));

let folder: TemporaryDirectory;
let server: RunningProcess;
let client: FastCgiHttpClient;
const ours = new PeakMemory();

beforeAll(async () => {
  folder = await createTemporaryDirectory("memory");
  const path = join(folder.path, "app.sock");
  server = await startProcess(process.execPath, {
    name: "the server",
    ready: () => existsSync(path),
    args: ["--expose-gc", "--import", "tsx", program, path],
  });
  client = new FastCgiHttpClient(new FastCgiUnixConnector(path));
  // Code is compiled and buffers of the usual size are there, before anything is measured.
  for (let round = 0; round < 2; round++) {
    await upload(64 * MIB);
    await download(64 * MIB);
  }
});

afterAll(async () => {
  client?.close();
  await server?.stop();
  await folder?.remove();
});

async function upload(length: number): Promise<void> {
  const response = await client.fetch("http://localhost/upload", {
    method: "POST",
    headers: { "content-length": String(length) },
    body: patternStream(length),
    duplex: "half",
  } as RequestInit);
  expect(await response.json()).toEqual({ bytes: length });
}

async function download(length: number): Promise<void> {
  const response = await client.fetch(`http://localhost/download?bytes=${length}`);
  expect(await checkPattern(response.body!)).toBe(length);
}

/** What both processes grow to while `transfer` runs. */
async function memoryDuring(transfer: () => Promise<void>): Promise<{ client: MemoryReport; server: MemoryReport }> {
  await client.fetch("http://localhost/memory/start");
  ours.start();
  await transfer();
  const report = ours.stop();
  return {
    client: report,
    server: (await (await client.fetch("http://localhost/memory/stop")).json()) as MemoryReport,
  };
}

test.each([
  ["request", upload],
  ["response", download],
] as const)(
  "FastCgiHttpClient and serve stay within 32 MiB more when a %s body has 1 GiB",
  async (_, transfer) => {
    // V8 lets 32 MiB of unused ArrayBuffers gather before it looks at them, so both processes are at their
    // usual size only after some more than that went through.
    const warm = await memoryDuring(() => transfer(128 * MIB));
    const memory = await memoryDuring(() => transfer(GIB));
    for (const side of ["client", "server"] as const) {
      const numbers = JSON.stringify({ side, warm: warm[side], memory: memory[side] });
      expect(memory[side].peak - warm[side].peak, numbers).toBeLessThan(MAX_GROWTH);
    }
  },
  120_000,
);
