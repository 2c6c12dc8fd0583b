// Clients that read slowly, pause or leave, behind every web server, at the defaults of this library. The web server decides how long
// it bears them: what an application gives up earlier is a download that is cut. It takes the time that it takes: a minute, in which
// all of them wait at once.

import { createHash } from "node:crypto";
import { chmod } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FastCgiListener, serve } from "../../../adapters/node/index.ts";
import { bodyOf } from "../../support/body_of.ts";
import { abortMidResponse, httpOpen } from "../../support/http.ts";
import { patternChunks, patternSha256 } from "../../support/pattern.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";
import { Control } from "../../support/web_servers/control.ts";
import { type RunningWebServer, startWebServer } from "../../support/web_servers/web_server.ts";
import { type Wiring, wirings } from "../../support/web_servers/wirings.ts";

failOnUnhandledRejections();

const MiB = 1024 * 1024;
/** More than the sockets between the application and its client hold, so that the application waits for the client. */
const TOTAL = 32 * MiB;
const EXPECTED = patternSha256(TOTAL);
/** What a slow client reads in a second. */
const RATE = 100_000;
/** How long it is slow, and how long the other pauses: seconds. Both go on at full speed. */
const SLOW = 45;
const PAUSE = 40;

/** Collecting and not; connections make no difference to the time. */
const set_ups = wirings.filter(({ name }) => !/^(nginx|Apache), opened|shared|HAProxy, opened|h2o, kept/.test(name));

let folder: TemporaryDirectory;
let listener: FastCgiListener;
const control = new Control();
const servers = new Map<Wiring, RunningWebServer>();
const errors: unknown[] = [];

/** All of the body. Tells of its end: "over", or "aborted" when its client has left. */
function answer({ url, signal }: Request): Response {
  const key = new URL(url).pathname.slice(1);
  signal.addEventListener("abort", () => control.tell(`${key}:ended`, "aborted"));
  async function* body(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    yield* patternChunks(TOTAL);
    control.tell(`${key}:ended`, "over");
  }
  return new Response(bodyOf(body()));
}

beforeAll(async () => {
  folder = await createTemporaryDirectory("slow");
  await chmod(folder.path, 0o750); // Apache's workers come in as our group.
  const socket = join(folder.path, "app.sock");
  listener = await serve({
    path: socket,
    onError: (error) => void errors.push(error),
    fetch: answer,
  });
  await Promise.all(
    set_ups.map(async ({ server, example, edit }, i) => {
      servers.set(set_ups[i]!, await startWebServer(server, { example, socket, ...(edit && { edit }) }));
    }),
  );
});
afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server.stop()));
  await listener?.close({ timeout: 1 });
  await folder?.remove();
});

/** How a client got its response. */
async function outcomeOf(response: IncomingMessage): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      bytes += piece.length;
      hash.update(piece);
    }
  } catch {
    return "broken";
  }
  return hash.digest("hex") === EXPECTED ? "whole" : `looks whole, with ${bytes} bytes`;
}

const clients = {
  "reads 100 kB a second": async (url: string) => {
    const response = await httpOpen(`${url}/${control.key()}`);
    const start = performance.now();
    const pieces: Buffer[] = [];
    for (let read = 0; performance.now() - start < SLOW * 1000; ) {
      const due = ((performance.now() - start) / 1000) * RATE;
      while (read < due) {
        const piece: Buffer | null = response.read(Math.min(16_384, response.readableLength));
        if (piece === null) break;
        read += piece.length;
        pieces.push(piece);
      }
      if (response.readableEnded || response.errored) break;
      await sleep(50);
    }
    response.unshift(Buffer.concat(pieces));
    return outcomeOf(response);
  },

  "pauses for 40 seconds": async (url: string) => {
    const response = await httpOpen(`${url}/${control.key()}`);
    await sleep(PAUSE * 1000);
    return outcomeOf(response);
  },

  leaves: async (url: string) => {
    const key = control.key();
    await abortMidResponse(`${url}/${key}`, MiB);
    const ended = await control.happened(`${key}:ended`);
    // No other request gets what it left behind.
    return `${ended}, the next: ${await outcomeOf(await httpOpen(`${url}/${control.key()}`))}`;
  },
} as const;

/** All of them at once, so that their pauses cost the time of one. */
const outcomes = new Map<string, Promise<string>>();

beforeAll(() => {
  for (const [{ name }, { url }] of servers) {
    for (const [way, client] of Object.entries(clients)) {
      const outcome = client(url);
      outcome.catch(() => {});
      outcomes.set(`${name} ${way}`, outcome);
    }
  }
});

describe.each(set_ups)("$name", ({ name }) => {
  it.each(["reads 100 kB a second", "pauses for 40 seconds"])(
    "a client gets all of the response when it %s",
    async (way) => {
      expect(await outcomes.get(`${name} ${way}`)).toBe("whole");
    },
  );

  it("the next client gets all of its response, and the application is told, when a client leaves", async () => {
    expect(await outcomes.get(`${name} leaves`)).toMatch(/^(aborted|over), the next: whole$/);
  });
});
