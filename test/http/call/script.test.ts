// The script of one request, over that of the client.

import { describe, expect, it } from "vitest";
import { FastCgiHttpClient, type FastCgiHttpClientOptions, type FastCgiScript, phpSite } from "../../../src/index.ts";
import { closingClients } from "../../support/closing_clients.ts";
import { OpenStream } from "../../support/open_stream.ts";
import { answering, ScriptedConnector } from "../../support/scripted_application.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const closing = closingClients();
/** A client of an application that answers by SCRIPT_NAME, and the params that it got. */
function recording(options: FastCgiHttpClientOptions = {}, outputs: Readonly<Record<string, string>> = {}) {
  const sent: Record<string, string>[] = [];
  const connector = new ScriptedConnector(
    answering(({ params }) => {
      sent.push(Object.fromEntries(params));
      return outputs[params.get("SCRIPT_NAME")!] ?? "X-A: 1\r\n\r\nanswer";
    }),
  );
  const client = closing(new FastCgiHttpClient(connector, options));
  return { client, connector, sent };
}

describe("script of a request", () => {
  it("FastCgiHttpClient takes the script of the request, and else its own", async () => {
    const { client, sent } = recording({ script: { filename: "/srv/own.php" } });
    await client.fetch("http://a.test/", { script: { filename: "/srv/a.php" } });
    await client.fetch(new Request("http://a.test/b"), {
      script: (request) => ({ filename: `/srv${new URL(request.url).pathname}.php`, pathInfo: "/x" }),
    });
    await client.fetch("http://a.test/", { script: undefined });
    expect(sent.map((params) => [params.SCRIPT_FILENAME, params.PATH_INFO])).toEqual([
      ["/srv/a.php", undefined],
      ["/srv/b.php", "/x"],
      ["/srv/own.php", undefined],
    ]);
  });

  it("FastCgiHttpClient answers with the Response of the request's script, and cancels the body unread", async () => {
    const { client, connector } = recording({ script: { filename: "/srv/own.php" } });
    const open = new OpenStream();
    const init = { method: "POST", body: open.stream, duplex: "half" } as RequestInit;
    const answer = new Response("a file");
    expect(await client.fetch("http://a.test/", { ...init, script: () => answer })).toBe(answer);
    await turns();
    expect([open.cancelled === undefined, open.pulls, connector.connections]).toEqual([false, 0, []]);
    expect(await client.authorize(new Request("http://a.test/"), { script: () => answer })).toEqual({
      allowed: false,
      response: answer,
    });
  });

  it("FastCgiHttpClient rejects with a TypeError when the script of the request is none", async () => {
    const { client, connector } = recording();
    for (const script of [{ filename: "" }, { documentRoot: "/srv" }, () => ({ filename: "" })]) {
      await expect(client.fetch("http://a.test/", { script: script as FastCgiScript })).rejects.toThrow(TypeError);
    }
    expect(connector.connections).toEqual([]);
  });

  it("phpSite finds the script of what a local redirect leads to, and keeps what PHP was told beside the request", async () => {
    const { client, sent } = recording(
      { onLocalRedirect: (request) => site(request) },
      { "/from.php": "Location: /to.php/more?x=1\r\n\r\n" },
    );
    const site = phpSite({
      documentRoot: "/srv",
      resolve: (name) => `/srv${name}`,
      php: client,
      files: () => null,
      init: (request) => (request.url.endsWith("/from.php") ? { remoteAddress: "192.0.2.1" } : {}),
    });
    expect(await (await site(new Request("http://a.test/from.php"))).text()).toBe("answer");
    expect(sent.map(({ SCRIPT_NAME, PATH_INFO, REMOTE_ADDR }) => [SCRIPT_NAME, PATH_INFO, REMOTE_ADDR])).toEqual([
      ["/from.php", undefined, "192.0.2.1"],
      ["/to.php", "/more", "192.0.2.1"],
    ]);
  });

  it("phpSite takes the Responses of a file server of another class, and gives back what it does not use", async () => {
    const { client, sent } = recording();
    const destroyed: number[] = [];
    /** As node-fetch has it: a body that is a stream of Node's. */
    const other = (status: number, type = "text/css"): Response => {
      const body = { [Symbol.asyncIterator]() {}, destroy: () => destroyed.push(status) };
      return { status, headers: new Headers({ "content-type": type }), body } as unknown as Response;
    };
    let answer: Response;
    const site = phpSite({
      documentRoot: "/srv",
      resolve: (name) => (name === "/index.php" ? `/srv${name}` : null),
      php: client,
      files: () => answer,
    });
    for (const [response, isUsed] of [
      [other(200), true],
      [other(404), false],
      [other(405), false],
      [other(200, "application/x-httpd-php"), false],
    ] as const) {
      answer = response;
      expect((await site(new Request("http://a.test/a.css"))) === response).toBe(isUsed);
    }
    await turns();
    expect([destroyed, sent.length]).toEqual([[404, 405, 200], 3]);
  });

  it("phpSite rejects at the signal of the request while the file server or a hook keeps it waiting", async () => {
    const { client } = recording();
    const forever = (): Promise<never> => new Promise(() => {});
    const folder = { documentRoot: "/srv", resolve: () => null, php: client, files: () => null };
    for (const options of [{ resolve: forever }, { files: forever }, { resolveFile: forever }]) {
      const controller = new AbortController();
      const site = phpSite({ ...folder, ...options });
      const pending = site(new Request("http://a.test/a/", { signal: controller.signal }));
      const reason = new Error("The client left");
      await turns();
      controller.abort(reason);
      await expect(pending, JSON.stringify(Object.keys(options))).rejects.toBe(reason);
    }
  });
});
