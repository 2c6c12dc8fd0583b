// An authorizer of ours in front of an application of ours, asked by the web server for each request (FastCGI 6.3).

import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FastCgiFetchHandler, type FastCgiListener, Role, serve } from "../../../adapters/node/index.ts";
import { type HttpResponse, httpRequest } from "../../support/http.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";
import { apacheAuthnz, lighttpd } from "../../support/web_servers/servers.ts";
import { type RunningWebServer, startWebServer, type WebServer } from "../../support/web_servers/web_server.ts";

/** A web server with an authorizer in its configuration. */
interface Setup {
  readonly server: WebServer;
  readonly example: string;
}

const setups: readonly Setup[] = [
  { server: lighttpd, example: "lighttpd/authorizer.conf" },
  { server: apacheAuthnz, example: "apache/authnz_fcgi.conf" },
];

describe.each(setups)("$server.name", ({ server, example }) => {
  let folder: TemporaryDirectory;
  let listeners: FastCgiListener[];
  let running: RunningWebServer;
  /** What the authorizer was asked: its role, the path, and a length if there was one. */
  let asked: string[];
  /** The paths that reached the application. */
  let answered: string[];

  failOnUnhandledRejections();

  const authorizer: FastCgiFetchHandler = (request, { role, params }) => {
    asked.push(`${role === Role.Authorizer ? "authorizer" : `role ${role}`} ${new URL(request.url).pathname}`);
    if (params.has("CONTENT_LENGTH")) asked.push("CONTENT_LENGTH");
    if (request.headers.get("x-user") === "nobody") {
      const headers = { location: "http://login.test/?next=page", "variable-auth_user": "nobody" };
      return new Response(null, { status: 302, headers });
    }
    if (request.headers.get("x-user") !== "alice") return new Response("not for you\n", { status: 403 });
    return new Response(null, { headers: { "variable-auth_user": "alice", "variable-auth_group": "staff" } });
  };

  const application: FastCgiFetchHandler = async (request, { params }) => {
    const { pathname } = new URL(request.url);
    answered.push(pathname);
    const variables = ["AUTH_USER", "AUTH_GROUP"].map((name) => params.get(name) ?? null);
    return Response.json({ pathname, variables, body: await request.text() });
  };

  beforeAll(async () => {
    folder = await createTemporaryDirectory("authorizer");
    await chmod(folder.path, 0o750); // Apache's workers come in as our group.
    const socket = join(folder.path, "app.sock");
    const authorizerSocket = join(folder.path, "auth.sock");
    const overTcp = await serve({ port: 0, fetch: authorizer });
    listeners = [
      overTcp,
      await serve({ path: authorizerSocket, fetch: authorizer }),
      await serve({ path: socket, fetch: application }),
    ];
    const { port } = overTcp.address as { port: number };
    running = await startWebServer(server, { example, socket, authorizer: { socket: authorizerSocket, port } });
  });
  afterAll(async () => {
    await running?.stop();
    await Promise.all((listeners ?? []).map((listener) => listener.close({ timeout: 1000 })));
    await folder?.remove();
  });

  async function send(path: string, user: string, body?: string): Promise<HttpResponse> {
    asked = [];
    answered = [];
    const headers = { "x-user": user };
    return httpRequest(running.url + path, { headers, ...(body !== undefined && { body }) });
  }

  it("the application gets a request that the authorizer allows, with its variables", async () => {
    const response = await send("/app/page", "alice");
    expect(response.status).toBe(200);
    expect(JSON.parse(response.text())).toEqual({ pathname: "/app/page", variables: ["alice", "staff"], body: "" });
    expect(new Set(asked)).toEqual(new Set(["authorizer /app/page"]));
  });

  it("the application gets the body, and the authorizer does not", async () => {
    const response = await send("/app/form", "alice", "name=value");
    expect(JSON.parse(response.text())).toMatchObject({ pathname: "/app/form", body: "name=value" });
    expect(new Set(asked)).toEqual(new Set(["authorizer /app/form"]));
  });

  it("the client gets the authorizer's page, and the application nothing, when it refuses", async () => {
    const response = await send("/app/page", "mallory");
    expect([response.status, response.text()]).toEqual([403, "not for you\n"]);
    expect(answered).toEqual([]);
  });

  it("the client gets the authorizer's redirect, and none of its variables", async () => {
    const response = await send("/app/page", "nobody");
    expect([response.status, response.headers.location]).toEqual([302, "http://login.test/?next=page"]);
    expect(response.headerLines.filter(([name]) => /^variable/i.test(name))).toEqual([]);
    expect(answered).toEqual([]);
  });

  it("nobody comes in when the authorizer is down", async () => {
    await Promise.all(listeners.slice(0, 2).map((listener) => listener.close({ timeout: 1000 })));
    const response = await send("/app/page", "alice");
    expect(response.status).toBeGreaterThanOrEqual(500);
    expect(answered).toEqual([]);
  });
});
