// What our application does where a web server is known to fail, or to send what others do not.

import { text as textOf } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { type FastCgiFetchHandler, type ServeOptions, serve } from "../../../adapters/node/index.ts";
import { httpOpen, httpRequest } from "../../support/http.ts";
import { deferred } from "../../support/open_stream.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";
import { h2o, haproxy } from "../../support/web_servers/servers.ts";
import { type Setup, startSetup, type World } from "../../support/web_servers/setup.ts";

failOnUnhandledRejections();

const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

async function startWorld(
  setup: Setup,
  fetch: FastCgiFetchHandler,
  options: Partial<ServeOptions> = {},
): Promise<World> {
  const quiet = { onError: () => {}, onStderr: () => {} };
  const world = await startSetup(setup, (path) => serve({ ...quiet, ...options, path, fetch }));
  worlds.push(world);
  return world;
}

describe("HAProxy", () => {
  const setup: Setup = { server: haproxy, example: "haproxy/haproxy.cfg" };

  it("HAProxy gets messages on FCGI_STDERR before, in and behind a response, and goes on, when sendStderr is on", async () => {
    let headerRead = deferred();
    const { url, died } = await startWorld(
      setup,
      (_, { stderr }) => {
        stderr.write("before the header");
        const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
          async pull(controller) {
            // So it has left by itself.
            await headerRead.promise;
            stderr.write("in the body");
            controller.enqueue(new TextEncoder().encode("a page"));
            controller.close();
            stderr.write("behind the body");
          },
        });
        return new Response(body);
      },
      { sendStderr: true },
    );
    for (let i = 0; i < 10; i++) {
      headerRead = deferred();
      const response = await Promise.race([httpOpen(url), died]);
      headerRead.resolve();
      expect(response.statusCode).toBe(200);
      expect(await Promise.race([textOf(response), died])).toBe("a page");
    }
  });

  it("HAProxy gives its client a 503 with Retry-After when more requests share a connection than maxConcurrentRequests", async () => {
    const edit = (config: string): string =>
      config
        .replace(/option get-values.*/, "option max-reqs 8")
        .replace("defaults", "global\n    nbthread 1\n\ndefaults");
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let begun = (): void => {};
    const running = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const { url } = await startWorld(
      { ...setup, edit },
      async (request) => {
        if (!request.url.endsWith("/held")) return new Response("at once");
        begun();
        await held;
        return new Response("at last");
      },
      { maxConcurrentRequests: 1 },
    );
    // It shares a connection from the second request on.
    await httpRequest(url);
    const first = httpRequest(`${url}/held`);
    await running;
    const { status, headers } = await httpRequest(url);
    expect([status, headers["retry-after"]]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    finish();
    expect((await first).text()).toBe("at last");
  });
});

describe("h2o", () => {
  it("h2o cuts variables between records, and request.headers has them whole", async () => {
    const { url } = await startWorld({ server: h2o, example: "h2o/h2o.conf" }, ({ headers }) =>
      Response.json(Object.fromEntries(headers)),
    );
    const fields = Array.from({ length: 60 }, (_, i) => [`x-field-${i}`, `${i} `.repeat(600).trim()] as const);
    const response = await httpRequest(url, { headers: Object.fromEntries(fields) });
    expect(response.status).toBe(200);
    expect(JSON.parse(response.text())).toMatchObject(Object.fromEntries(fields));
  });
});
