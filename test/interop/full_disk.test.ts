// The disk of a web server or an application is full. That of our own temporary files is in test/adapters/node_spool.test.ts.

import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type FastCgiListener, serve } from "../../adapters/node/index.ts";
import { fastCgiLocation, type Nginx, startNginx } from "../support/nginx.ts";
import { waitUntil } from "../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const MIB = 1024 * 1024;
/** How nginx says it: the first write that does not fit is cut, and only the next one fails. */
const DISK_FULL = /\[crit\].*(?:No space left on device|has written only)/;
const run = promisify(execFile);

let folder: TemporaryDirectory;
let isMounted = false;
let nginx: Nginx | undefined;
let server: FastCgiListener | undefined;
const errors: unknown[] = [];
const requests: string[] = [];
let aborted: unknown;

beforeEach(async () => {
  folder = await createTemporaryDirectory("full-disk");
  const disk = join(folder.path, "disk");
  await mkdir(disk);
  // Only root may.
  isMounted = await run("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]).then(
    () => true,
    () => false,
  );
  errors.length = 0;
  requests.length = 0;
  aborted = undefined;
  if (!isMounted) return;
  const path = join(folder.path, "app.sock");
  server = await serve({
    path,
    onError: (error) => errors.push(error),
    fetch(request) {
      const { pathname } = new URL(request.url);
      requests.push(pathname);
      request.signal.addEventListener("abort", () => {
        aborted = request.signal.reason;
      });
      if (pathname !== "/large") return new Response("small");
      let left = 64;
      return new Response(
        new ReadableStream({
          pull(controller) {
            if (left-- > 0) controller.enqueue(new Uint8Array(MIB / 4));
            else controller.close();
          },
        }),
      );
    },
  });
  const extra = `client_body_temp_path ${disk}/body; fastcgi_temp_path ${disk}/fastcgi;`;
  nginx = await startNginx({ locations: [fastCgiLocation(`unix:${path}`, { extra })] });
});
afterEach(async () => {
  await nginx?.stop();
  await server?.close({ timeout: 0 });
  if (isMounted) await run("umount", ["-l", join(folder.path, "disk")]);
  await folder.remove();
});

it("serve gets no request whose body nginx can't store on a full disk, and goes on", async ({ skip }) => {
  if (!isMounted) return skip("Only root can mount a small disk, and seldom in a container");
  const upload = await fetch(`${nginx!.url}/upload`, { method: "POST", body: new Uint8Array(2 * MIB) });
  expect(upload.status).toBe(500);
  expect(nginx!.errorLog()).toMatch(DISK_FULL);
  expect(await (await fetch(`${nginx!.url}/`)).text()).toBe("small");
  expect(requests).toEqual(["/"]);
  expect(errors).toEqual([]);
});

it("request.signal aborts when nginx can't store a response on a full disk, and other requests go on", async ({
  skip,
}) => {
  if (!isMounted) return skip("Only root can mount a small disk, and seldom in a container");
  // A client that reads nothing, so that nginx has to store what it can't send.
  const client = connect({ port: nginx!.port, host: "127.0.0.1" });
  client.on("error", () => {});
  client.pause();
  client.write("GET /large HTTP/1.1\r\nHost: a.test\r\n\r\n");
  await waitUntil(() => aborted !== undefined);
  expect(nginx!.errorLog()).toMatch(DISK_FULL);
  expect(await (await fetch(`${nginx!.url}/`)).text()).toBe("small");
  expect(errors).toEqual([]);
  client.destroy();
});
