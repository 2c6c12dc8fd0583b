// The core in a browser: Chromium loads the files of the built package as they are, with no bundler between.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { buildPackage } from "../support/built_package.ts";
import { startChromium } from "../support/chromium.ts";
import { freePort } from "../support/free_port.ts";
import { deferred } from "../support/open_stream.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { loadFrontends } from "../support/vectors.ts";

const programs = fileURLToPath(new URL("programs", import.meta.url));

const page = `<!doctype html>
<script type="importmap">{ "imports": { "fetchcgi/toolkit": "/dist/toolkit.js" } }</script>
<script type="module" src="/page.mjs"></script>`;

/** Serves the page, and waits for what its program says. */
async function startSite(
  dist: string,
  capture: Uint8Array,
  port: number,
): Promise<{ result: Promise<unknown>; close(): void }> {
  const result = deferred<unknown>();
  const server = createServer(async (request, response) => {
    const { url = "/" } = request;
    if (url === "/result") {
      result.resolve(await json(request));
      return response.end();
    }
    const file = /^\/(dist\/)?([\w-]+\.m?js)$/.exec(url);
    if (url === "/") return response.setHeader("content-type", "text/html").end(page);
    if (url === "/capture") return response.end(capture);
    if (file === null) return response.writeHead(404).end();
    response.setHeader("content-type", "text/javascript");
    return response.end(await readFile(join(file[1] === undefined ? programs : dist, file[2]!)));
  });
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { result: result.promise, close };
}

it("fetchcgi decodes a capture, encodes it back and carries a request when a browser loads its files", async () => {
  const directory = await createTemporaryDirectory("browser");
  const { bytes, expected } = loadFrontends().find(
    ({ server, name }) => server === "nginx-keepalive" && name === "expect-100",
  )!;
  const port = await freePort();
  const site = await startSite(await buildPackage(directory.path), bytes, port);
  const chromium = await startChromium(directory.path, `http://127.0.0.1:${port}/`);
  try {
    const ended = chromium.exited.then((how) => ({ error: `Chromium ended with ${how}: ${chromium.stderr()}` }));
    expect(await Promise.race([site.result, ended])).toEqual({
      capture: {
        isSame: true,
        requests: expected!.requests.map(({ requestUri, stdinBytes }) => [requestUri, stdinBytes]),
      },
      answer: [200, "POST", "/path", "body"],
    });
  } finally {
    await chromium.stop();
    site.close();
    await directory.remove();
  }
});
