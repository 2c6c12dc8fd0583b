// Clients of `fetchcgi gateway` that send requests before they have the answers, by HTTP/1.1 (RFC 9112 9.3.2).

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../adapters/node/index.ts";
import { startGateway } from "../support/gateway.ts";
import { deferred } from "../support/open_stream.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

/** An application that counts its requests, and keeps those for /first until they may go on. */
async function startApplication(): Promise<{
  path: string;
  most: () => number;
  begun: Promise<void>;
  release: () => void;
}> {
  const directory = await createTemporaryDirectory("pipelining");
  const path = join(directory.path, "app.sock");
  const [begun, released] = [deferred(), deferred()];
  let [running, most] = [0, 0];
  const application = await serve({
    path,
    async fetch(request) {
      most = Math.max(most, ++running);
      const { pathname } = new URL(request.url);
      if (pathname === "/first") {
        begun.resolve();
        await released.promise;
      }
      // Another request that is under way can begin here.
      for (let turn = 0; turn < 10; turn++) await nextTurn();
      running--;
      return new Response(`${pathname} has ${(await request.arrayBuffer()).byteLength} bytes\n`);
    },
  });
  onTestFinished(async () => {
    released.resolve();
    await application.close();
    await directory.remove();
  });
  return { path, most: () => most, begun: begun.promise, release: () => released.resolve() };
}

async function open(url: string): Promise<Socket> {
  const { protocol, port } = new URL(url);
  const isSecure = protocol === "https:";
  const socket: Socket | TLSSocket = isSecure
    ? connect({ port: Number(port), rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] })
    : connectTcp(Number(port));
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, isSecure ? "secureConnect" : "connect");
  return socket;
}

/** The paths of all answers up to one, each with the bytes that the application got. */
async function answersOf(socket: Socket, last: string): Promise<[string, number][]> {
  let text = "";
  for await (const piece of socket) {
    text += piece;
    if (text.includes(`${last} has `)) break;
  }
  return [...text.matchAll(/(\/\w+) has (\d+) bytes/g)].map(([, path, bytes]) => [path!, Number(bytes)]);
}

/** Counts the requests of HTTP/1 that this process has read, for this test. */
function countRequests(): () => number {
  let count = 0;
  const onRequest = (): void => void count++;
  subscribe("http.server.request.start", onRequest);
  onTestFinished(() => void unsubscribe("http.server.request.start", onRequest));
  return () => count;
}

const get = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;

describe.each([
  ["HTTP", []],
  ["HTTPS", ["--https"]],
])("fetchcgi gateway by %s", (_, more) => {
  it("gives a client that pipelines its answers in order, and one worker at once", async () => {
    const application = await startApplication();
    const gateway = await startGateway(["--fastcgi", application.path, "--quiet", ...more]);
    onTestFinished(async () => void (await gateway.stop()));
    const socket = await open(gateway.url);
    const paths = ["/first", ...Array.from({ length: 100 }, (_, index) => `/${index}`)];
    const isPost = (index: number): boolean => index % 3 === 1;
    const requests = paths.map((path, index) =>
      isPost(index) ? `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde` : get(path),
    );
    socket.write(requests.join(""));
    await application.begun;
    application.release();
    const answers = await answersOf(socket, paths.at(-1)!);
    expect(answers).toEqual(paths.map((path, index) => [path, isPost(index) ? 5 : 0]));
    expect(application.most()).toBe(1);
  });

  it("reads no more requests of a client while many wait for their turn, and answers all", async () => {
    const application = await startApplication();
    const gateway = await startGateway(["--fastcgi", application.path, "--quiet", ...more]);
    onTestFinished(async () => void (await gateway.stop()));
    const read = countRequests();
    const socket = await open(gateway.url);
    // Eight of them are in a piece that Node reads.
    const request = get("/next", `X-Long: ${"x".repeat(8000)}\r\n`);
    socket.write(get("/first") + request.repeat(150) + get("/last"));
    await application.begun;
    const neighbour = await open(gateway.url);
    // A shorter wait makes this milder.
    for (let count = 0; count < 20; count++) {
      neighbour.write(get(`/${count}`));
      await once(neighbour, "data");
    }
    expect(read()).toBeLessThan(20 + 50);
    application.release();
    expect(await answersOf(socket, "/last")).toHaveLength(152);
  });
});
