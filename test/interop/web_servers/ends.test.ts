// Every way in which a response that has begun can end without its end, through every web server: its client sees that it is broken.
// With a Content-Length that shows everywhere; without one some web servers take any end of the connection for the end of the response.

import { chmod } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FastCgiListener, serve } from "../../../adapters/node/index.ts";
import { sha256 } from "../../support/bytes.ts";
import { httpOpen } from "../../support/http.ts";
import { patternBytes, patternSha256 } from "../../support/pattern.ts";
import { startProcess, waitUntil } from "../../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";
import { Control } from "../../support/web_servers/control.ts";
import { endingApplication, MUCH } from "../../support/web_servers/ending_application.ts";
import { type RunningWebServer, startWebServer, versionOf } from "../../support/web_servers/web_server.ts";
import { type Wiring, wirings } from "../../support/web_servers/wirings.ts";

failOnUnhandledRejections();

const program = fileURLToPath(new URL("../../support/web_servers/ending_program.ts", import.meta.url));

/** A web server that runs. */
interface Running extends RunningWebServer {
  readonly wiring: Wiring;
  readonly version: string;
}

let folder: TemporaryDirectory;
let socket: string;
let control: Control;
let servers: Running[];

beforeAll(async () => {
  folder = await createTemporaryDirectory("ends");
  await chmod(folder.path, 0o750); // Apache's workers come in as our group.
  socket = join(folder.path, "app.sock");
  servers = await Promise.all(
    wirings.map(async (wiring) => ({
      ...(await startWebServer(wiring.server, {
        example: wiring.example,
        socket,
        ...(wiring.edit && { edit: wiring.edit }),
      })),
      version: await versionOf(wiring.server),
      wiring,
    })),
  );
});
afterAll(async () => {
  await Promise.all((servers ?? []).map((server) => server.stop()));
  await folder?.remove();
});

/** A client whose response has begun. */
interface Begun {
  /** Reads the rest. */
  readonly outcome: () => Promise<string>;
  readonly key: string;
}

const lengths = ["with a length", "without"] as const;

/** Sends a request, and waits until its response has begun. */
async function begin(
  { url, wiring }: Running,
  path: string,
  length: (typeof lengths)[number],
  upload = false,
): Promise<Begun> {
  const key = control.key();
  const target = `${url}/${path}/${key}${length === "without" ? "" : "?length"}`;
  const opening = httpOpen(
    target,
    upload ? { method: "POST", headers: { "content-length": 400_000 }, body: stalling(key) } : {},
  );
  const head = opening.catch((error: Error) => error);
  await control.happened(`${key}:begun`);
  if (wiring.passesHeader && (wiring.answersEarly || !upload)) await head;
  return { key, outcome: async () => outcomeOf(await head) };
}

/** More than web servers keep before they pass an upload on; and the rest when the application has given it up. */
async function* stalling(key: string): AsyncGenerator<Uint8Array> {
  yield patternBytes(200_000);
  await control.happened(`${key}:over`);
  yield patternBytes(200_000, 200_000);
}

/** What the client makes of what came: an error page of the web server is as clear as a broken transfer. */
async function outcomeOf(response: IncomingMessage | Error): Promise<string> {
  if (response instanceof Error || response.statusCode! >= 500) return "broken";
  const pieces: Buffer[] = [];
  try {
    for await (const piece of response) pieces.push(piece);
  } catch {
    return "broken";
  }
  const bytes = Buffer.concat(pieces);
  if (bytes.length === MUCH && sha256(bytes) === patternSha256(MUCH)) return "whole";
  return "looks whole";
}

/**
 * These take any end of the connection for the end of a response without a length, whatever came before it. With a length all of them
 * tell their clients.
 */
const takesAnyEnd = ({ name }: Wiring): boolean => /^Caddy|^h2o|^lighttpd, .*, buffered/.test(name);

/** nginx does so where an end without a break-off is all that it gets: a process that was killed says nothing. */
const takesSilence = ({ name }: Wiring): boolean => /^nginx, (kept, unbuffered|opened)/.test(name);

/**
 * Fails where a response looks whole that is not. A web server of another version than `measured` may do better than its limit.
 *
 * @param mayBeWhole Whether a web server may have got all of the response.
 */
function expectBroken(
  seen: ReadonlyMap<string, string>,
  isLimit: (wiring: Wiring) => boolean = takesAnyEnd,
  mayBeWhole: (wiring: Wiring) => boolean = () => false,
): void {
  const expected: Record<string, string> = {};
  for (const { wiring, version } of servers) {
    for (const length of lengths) {
      const name = `${wiring.name}, ${length}`;
      const outcome = seen.get(name);
      if (outcome === undefined) continue;
      const limit = length === "without" && isLimit(wiring) ? "looks whole" : "broken";
      const isBetter = version !== wiring.measured && outcome === "broken";
      const isWhole = outcome === "whole" && mayBeWhole(wiring);
      expected[name] = isBetter || isWhole ? outcome : limit;
    }
  }
  expect(Object.fromEntries(seen)).toEqual(expected);
}

/** Begins a response through every web server, with and without a length; `end` ends them all, or returns when they have. */
async function outcomes(
  path: string,
  end: (begun: readonly Begun[]) => unknown,
  { only = () => true, upload = false }: { only?: (wiring: Wiring) => boolean; upload?: boolean } = {},
): Promise<Map<string, string>> {
  const cells = servers
    .filter(({ wiring }) => only(wiring))
    .flatMap((server) => lengths.map((length) => ({ server, length, name: `${server.wiring.name}, ${length}` })));
  const begun = await Promise.all(cells.map(({ server, length }) => begin(server, path, length, upload)));
  await end(begun);
  const seen = await Promise.all(begun.map(({ outcome }) => outcome()));
  return new Map(cells.map(({ name }, i) => [name, seen[i]!]));
}

describe("a response that has begun", () => {
  let listener: FastCgiListener;

  beforeAll(async () => {
    control = new Control();
    listener = await serve({ path: socket, ...endingApplication(control) });
  });
  afterAll(() => listener?.close({ timeout: 1 }));

  it("is broken for its client when its body fails", async () => {
    const seen = await outcomes("fails", (begun) => {
      for (const { key } of begun) control.open(key);
    });
    expectBroken(seen);
  });

  it("is broken for its client when the web server takes nothing for longer than writeTimeout", async () => {
    const seen = await outcomes("floods", (begun) =>
      Promise.all(begun.map(({ key }) => control.happened(`${key}:over`))),
    );
    expectBroken(seen, takesAnyEnd, ({ takesAll }) => takesAll);
  });

  it("is broken for its client when its upload stalls for longer than readTimeout", async () => {
    const seen = await outcomes(
      "reads",
      (begun) => Promise.all(begun.map(({ key }) => control.happened(`${key}:over`))),
      { only: ({ passesUploads }) => passesUploads, upload: true },
    );
    expectBroken(seen);
  });

  it("is broken for its client when close gives it up", async () => {
    const seen = await outcomes("holds", () => listener.close({ timeout: 1 }));
    expectBroken(seen);
  });
});

it("a response that has begun is broken for its client when the process is killed", async () => {
  control = new Control();
  const listening = await control.listen(join(folder.path, "control.sock"));
  const application = await startProcess(process.execPath, {
    name: "the application",
    args: ["--import", "tsx", program, socket, join(folder.path, "control.sock")],
  });
  try {
    await waitUntil(() => application.stdout() !== "");
    const seen = await outcomes("holds", async () => {
      process.kill(application.pid, "SIGKILL");
      await application.exited;
    });
    expectBroken(seen, (wiring) => takesAnyEnd(wiring) || takesSilence(wiring));
  } finally {
    await application.stop();
    await listening.close();
  }
});
