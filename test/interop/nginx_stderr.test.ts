// What a handler writes to context.stderr, as nginx gets it: the messages that were there before the response come before its header,
// so that fastcgi_catch_stderr finds them.

import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FastCgiListener, serve } from "../../adapters/node/index.ts";
import { httpOpen, httpRequest } from "../support/http.ts";
import { fastCgiLocation, type Nginx, startNginx } from "../support/nginx.ts";
import { deferred } from "../support/open_stream.ts";
import { waitUntil } from "../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";

describe("nginx with fastcgi_catch_stderr", () => {
  let folder: TemporaryDirectory;
  let listener: FastCgiListener;
  let nginx: Nginx;
  /** Resolves when the client has the header of the response to `/late`. */
  const headerRead = deferred();

  beforeAll(async () => {
    folder = await createTemporaryDirectory("app");
    const path = join(folder.path, "app.sock");
    listener = await serve({
      path,
      sendStderr: true,
      onStderr: () => {},
      onError: () => {},
      fetch(request, { stderr }) {
        const { pathname } = new URL(request.url);
        if (pathname === "/note") stderr.write("only a note");
        if (pathname === "/fatal" || pathname === "/throws") stderr.write("a message\n");
        if (pathname === "/fatal" || pathname === "/throws")
          stderr.write(new TextEncoder().encode("FATAL: no database"));
        if (pathname === "/long") stderr.write(`${"long ".repeat(40_000)}FATAL`);
        if (pathname === "/throws") throw new Error("no database");
        if (pathname !== "/late") return new Response("a page");
        const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
          async pull(controller) {
            await headerRead.promise;
            stderr.write("FATAL: too late");
            controller.enqueue(new TextEncoder().encode("a page"));
            controller.close();
          },
        });
        return new Response(body);
      },
    });
    const caught = 'fastcgi_catch_stderr "FATAL"; error_page 502 = @caught;';
    nginx = await startNginx({
      locations: [fastCgiLocation({ path }, { keepConn: true, buffering: false, extra: caught })],
      server: 'location @caught { add_header content-type text/plain always; return 502 "caught"; }',
    });
  });

  afterAll(async () => {
    await nginx?.stop();
    await listener?.close({ timeout: 1000 });
    await folder?.remove();
  });

  it("nginx catches what was written before the response, whatever that is", async () => {
    for (const path of ["/fatal", "/throws", "/long"]) {
      const { status, text } = await httpRequest(nginx.url + path);
      expect([path, status, text()]).toEqual([path, 502, "caught"]);
    }
    await waitUntil(() => nginx.errorLog().includes("FATAL: no database"));
  });

  it("nginx logs other messages, and passes the response on", async () => {
    for (const path of ["/note", "/"]) {
      const { status, text } = await httpRequest(nginx.url + path);
      expect([path, status, text()]).toEqual([path, 200, "a page"]);
    }
    await waitUntil(() => nginx.errorLog().includes('FastCGI sent in stderr: "only a note"'));
  });

  it("nginx passes a response on whose messages come behind its header", async () => {
    const response = await httpOpen(`${nginx.url}/late`);
    headerRead.resolve();
    expect([response.statusCode, await textOf(response)]).toEqual([200, "a page"]);
    await waitUntil(() => nginx.errorLog().includes("FATAL: too late"));
  });
});
