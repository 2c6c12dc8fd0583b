import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import {
  FastCgiHttpClient,
  type FastCgiListener,
  FastCgiTcpConnector,
  FastCgiUnixConnector,
  type ServeOptions,
  serve,
} from "../../adapters/node/index.ts";
import { RecordType } from "../../src/toolkit.ts";
import { connectEarly } from "../support/early_clients.ts";
import { deferred } from "../support/open_stream.ts";
import { startProcess, waitUntil } from "../support/process.ts";
import { RawConnection } from "../support/raw_connection.ts";
import { begin, bytesOf, params, recordsIn, request, textOf } from "../support/records.ts";
import { isSettled } from "../support/streams.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections, unhandledRejectionsOf } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
let folder: TemporaryDirectory;
let sockets = 0;

beforeAll(async () => {
  folder = await createTemporaryDirectory("serve");
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

afterAll(() => folder.remove());

function newPath(): string {
  return join(folder.path, `${++sockets}.sock`);
}

interface Served {
  readonly server: FastCgiListener;
  readonly errors: unknown[];
  readonly client: FastCgiHttpClient;
  connect(): Promise<RawConnection>;
}

/** Serves until the test is over, on a Unix socket unless there is a port. */
async function served(options: Partial<ServeOptions> = {}): Promise<Served> {
  const errors: unknown[] = [];
  const where = options.port === undefined ? { path: newPath() } : {};
  const server = await serve({
    fetch: () => new Response("answered"),
    onError: (error) => errors.push(error),
    ...where,
    ...options,
  });
  onTestFinished(() => server.close({ timeout: 1 }));
  const address = server.address!;
  if ("path" in address) {
    const client = new FastCgiHttpClient(new FastCgiUnixConnector(address.path));
    return { server, errors, client, connect: () => RawConnection.open(address) };
  }
  const client = new FastCgiHttpClient(new FastCgiTcpConnector(address));
  return { server, errors, client, connect: () => RawConnection.open({ host: address.hostname, port: address.port }) };
}

async function answerOf(client: FastCgiHttpClient, path = "/"): Promise<string> {
  return (await client.fetch(`http://localhost${path}`)).text();
}

describe("FCGI_WEB_SERVER_ADDRS", () => {
  it("serve answers a connection when its address is in webServerAddresses", async () => {
    const { client, errors } = await served({ port: 0, webServerAddresses: ["192.0.2.1", "127.0.0.1"] });
    expect(await answerOf(client)).toBe("answered");
    expect(errors).toEqual([]);
  });

  it("serve closes a connection and tells onError when its address is not in webServerAddresses", async () => {
    const handler = vi.fn(() => new Response());
    const { connect, errors } = await served({ port: 0, webServerAddresses: ["192.0.2.1"], fetch: handler });
    const connection = await connect();
    await connection.write(bytesOf(request(1)));
    expect(await connection.readToEnd()).toHaveLength(0);
    expect(errors).toMatchObject([
      {
        code: "connectionClosed",
        message: "Cannot accept a connection from 127.0.0.1: not one of FCGI_WEB_SERVER_ADDRS",
      },
    ]);
    expect(handler).not.toHaveBeenCalled();
  });

  it("serve closes a connection that is not TCP when there are webServerAddresses", async () => {
    const { connect, errors } = await served({ webServerAddresses: ["127.0.0.1"] });
    expect(await (await connect()).readToEnd()).toHaveLength(0);
    expect(errors).toMatchObject([
      { message: "Cannot accept a connection from a socket that is not TCP: not one of FCGI_WEB_SERVER_ADDRS" },
    ]);
  });

  it("serve goes on when onError throws", async () => {
    const thrown = new Error("The log is full");
    const addresses = ["192.0.2.1"];
    const onError = (): never => {
      throw thrown;
    };
    const unhandled = await unhandledRejectionsOf(async () => {
      const { client, connect } = await served({ port: 0, webServerAddresses: addresses, onError });
      expect(await (await connect()).readToEnd()).toHaveLength(0);
      addresses.push("127.0.0.1");
      expect(await answerOf(client)).toBe("answered");
    });
    expect(unhandled).toEqual([thrown]);
  });

  it("serve refuses every connection when webServerAddresses is empty", async () => {
    const { connect, errors } = await served({ port: 0, webServerAddresses: [] });
    expect(await (await connect()).readToEnd()).toHaveLength(0);
    await waitUntil(() => errors.length === 1);
  });

  it("serve does not take one address for another when it only begins alike", async () => {
    const { connect, errors } = await served({ port: 0, webServerAddresses: ["127.0.0.10", "127.0.0", "127.0.0.1 "] });
    expect(await (await connect()).readToEnd()).toHaveLength(0);
    expect(errors).toHaveLength(1);
  });

  it("serve goes on with the next connection when one was refused", async () => {
    const addresses = ["192.0.2.1"];
    const { client, connect } = await served({ port: 0, webServerAddresses: addresses });
    expect(await (await connect()).readToEnd()).toHaveLength(0);
    addresses.push("127.0.0.1");
    expect(await answerOf(client)).toBe("answered");
  });

  it.each([
    ["127.0.0.1", true],
    ["192.0.2.1,127.0.0.1,192.0.2.2", true],
    ["192.0.2.1, 127.0.0.1", true],
    ["192.0.2.1", false],
    ["", false],
  ])("serve takes the addresses from the environment when FCGI_WEB_SERVER_ADDRS is %j", async (list, allowed) => {
    vi.stubEnv("FCGI_WEB_SERVER_ADDRS", list);
    const { client, errors } = await served({ port: 0 });
    if (allowed) expect(await answerOf(client)).toBe("answered");
    else await expect(answerOf(client)).rejects.toMatchObject({ code: "connectionClosed" });
    expect(errors).toHaveLength(allowed ? 0 : 1);
  });

  it("serve does not look at the environment when webServerAddresses is given", async () => {
    vi.stubEnv("FCGI_WEB_SERVER_ADDRS", "192.0.2.1");
    const { client } = await served({ port: 0, webServerAddresses: ["127.0.0.1"] });
    expect(await answerOf(client)).toBe("answered");
  });

  it("serve refuses a connection on a Unix socket when there is a list of addresses", async () => {
    vi.stubEnv("FCGI_WEB_SERVER_ADDRS", "127.0.0.1");
    const { connect, errors } = await served();
    expect(await (await connect()).readToEnd()).toHaveLength(0);
    expect(errors).toMatchObject([
      { message: "Cannot accept a connection from a socket that is not TCP: not one of FCGI_WEB_SERVER_ADDRS" },
    ]);
  });

  it.skipIf(!hasIpv6)("serve knows an IPv4 address when the socket listens for IPv6 too", async () => {
    const { server, errors } = await served({ port: 0, hostname: "::", webServerAddresses: ["127.0.0.1"] });
    const { port } = server.address as { port: number };
    expect(await answerOf(new FastCgiHttpClient(new FastCgiTcpConnector({ port })))).toBe("answered");
    expect(errors).toEqual([]);
  });
});

describe("maxConnections", () => {
  it("serve refuses a connection when maxConnections are open, and takes one when another is closed", async () => {
    const { connect, client, errors } = await served({ maxConnections: 2 });
    const open = [await connect(), await connect()];
    const third = await connect();
    expect(await third.readToEnd()).toHaveLength(0);
    expect(errors).toMatchObject([{ code: "limit", limit: "maxConnections" }]);
    open[0]!.close();
    // Whether the server has noticed yet can only be seen by asking.
    await waitUntil(() =>
      answerOf(client).then(
        () => true,
        () => false,
      ),
    );
    expect(open[1]!.closed).toBe(false);
    open[1]!.close();
  });

  it("serve takes connections at the same time when there is room", async () => {
    const all = deferred();
    let running = 0;
    const { client } = await served({
      fetch: async () => {
        if (++running === 20) all.resolve();
        await all.promise;
        return new Response("answered");
      },
    });
    const answers = await Promise.all(Array.from({ length: 20 }, () => answerOf(client)));
    expect(new Set(answers)).toEqual(new Set(["answered"]));
  });
});

describe("status", () => {
  it("serve counts the requests of a listener for node:http, as those of a fetch handler, until it is closed", async () => {
    const [begun, release] = [deferred(), deferred()];
    const path = newPath();
    const server = await serve({
      path,
      async listener(_, response) {
        begun.resolve();
        await release.promise;
        response.end("answered");
      },
    });
    onTestFinished(() => server.close({ timeout: 1 }));
    const client = new FastCgiHttpClient(new FastCgiUnixConnector(path), { keepAlive: true });
    const answer = answerOf(client);
    await begun.promise;
    expect(server.status).toMatchObject({ connections: 1, idle: 0, active: 1, waiting: 0 });
    expect(server.status.startTime).toBeLessThanOrEqual(performance.now());
    release.resolve();
    expect(await answer).toBe("answered");
    await waitUntil(() => server.status.active === 0);
    expect(server.status).toMatchObject({ connections: 1, idle: 1, active: 0, waiting: 0 });
    await Promise.all([server.close(), client.close()]);
    expect(server.status).toMatchObject({ connections: 0, idle: 0, active: 0, waiting: 0 });
  });
});

describe("closing", () => {
  /** A server with a request that runs until it is let go. */
  async function busy(
    options: Partial<ServeOptions> = {},
  ): Promise<Served & { answer: Promise<string>; letGo(): void; aborted: unknown[] }> {
    const [started, gate] = [deferred(), deferred()];
    const aborted: unknown[] = [];
    const all = await served({
      fetch: async ({ signal }) => {
        signal.addEventListener("abort", () => {
          aborted.push(signal.reason);
          gate.resolve();
        });
        started.resolve();
        await gate.promise;
        return new Response("answered");
      },
      ...options,
    });
    const answer = answerOf(all.client);
    answer.catch(() => {});
    await started.promise;
    return { ...all, answer, letGo: () => gate.resolve(), aborted };
  }

  it("close lets the requests that run finish and refuses new connections when it is called", async () => {
    const { server, client, answer, letGo, aborted } = await busy();
    const closing = server.close();
    await expect(answerOf(client)).rejects.toMatchObject({ code: "connectFailed" });
    expect(await isSettled(closing)).toBe(false);
    expect(await isSettled(server.closed)).toBe(false);
    letGo();
    expect(await answer).toBe("answered");
    await closing;
    await server.closed;
    expect(aborted).toEqual([]);
  });

  it("close refuses new connections on TCP when nobody connects any more", async () => {
    const { server, connect, answer, letGo } = await busy({ port: 0 });
    const closing = server.close({ grace: 0 });
    await waitUntil(() =>
      connect().then(
        (connection) => {
          connection.close();
          return false;
        },
        (error) => error.code === "ECONNREFUSED",
      ),
    );
    letGo();
    expect(await answer).toBe("answered");
    await closing;
  });

  it("close closes idle connections when its grace is over", async () => {
    const { server, connect } = await served();
    const [used, fresh] = [await connect(), await connect()];
    await used.write(bytesOf(request(1)));
    await used.readUntil((bytes) => recordsIn(bytes).some(({ type }) => type === RecordType.EndRequest));
    expect(used.closed).toBe(false);
    await server.close({ grace: 1 });
    await used.readToEnd();
    expect(await fresh.readToEnd()).toHaveLength(0);
  });

  it.each([{}, { port: 0 }])("close answers who has connected before it, with %j", async (where) => {
    const { server } = await served(where);
    const { address } = server as { address: { path: string } | { port: number } };
    const clients = connectEarly("path" in address ? address : { port: address.port, host: "127.0.0.1" }, 50);
    const closing = server.close({ grace: 20_000 });
    for (const answer of await clients.exchange(bytesOf(request(1, { keepConn: false })))) {
      const records = recordsIn(answer);
      expect(textOf(records, RecordType.Stdout, 1)).toMatch(/answered$/);
      expect(records.at(-1)!.type).toBe(RecordType.EndRequest);
    }
    await closing;
  });

  it("close aborts the requests that run when its timeout is over", async () => {
    const { server, answer, aborted } = await busy();
    await server.close({ timeout: 50 });
    expect(aborted).toMatchObject([{ name: "AbortError", cause: { code: "timeout" } }]);
    await expect(answer).rejects.toMatchObject({ code: "connectionClosed" });
  });

  it("close aborts the requests that run when it is called again with a timeout", async () => {
    const { server, answer, aborted } = await busy();
    const closing = server.close();
    expect(await isSettled(closing)).toBe(false);
    await server.close({ timeout: 50 });
    await closing;
    expect(aborted).toMatchObject([{ name: "AbortError", cause: { code: "timeout" } }]);
    await expect(answer).rejects.toMatchObject({ code: "connectionClosed" });
  });

  it("close resolves when the server is closed already", async () => {
    const { server } = await served();
    await Promise.all([server.close(), server.close()]);
    await server.close();
    await server.closed;
  });

  it("close waits for what was given to waitUntil when it is called", async () => {
    const work = deferred();
    const { server, client } = await served({
      fetch: (_, { waitUntil: wait }) => {
        wait(work.promise);
        return new Response("answered");
      },
    });
    expect(await answerOf(client)).toBe("answered");
    const closing = server.close();
    expect(await isSettled(closing)).toBe(false);
    work.resolve();
    await closing;
  });

  it("serve closes when its signal is aborted, and lets the requests that run finish", async () => {
    const controller = new AbortController();
    const { server, client, answer, letGo } = await busy({ signal: controller.signal });
    controller.abort();
    await expect(answerOf(client)).rejects.toMatchObject({ code: "connectFailed" });
    letGo();
    expect(await answer).toBe("answered");
    await server.closed;
  });

  it("serve rejects with the reason of its signal and listens to nothing when it was aborted before", async () => {
    const path = newPath();
    const reason = new Error("changed my mind");
    const started = serve({ path, fetch: () => new Response(), signal: AbortSignal.abort(reason) });
    await expect(started).rejects.toBe(reason);
    expect(existsSync(path)).toBe(false);
  });

  it("serve rejects with the reason of its signal and listens to nothing when it is aborted while it starts", async () => {
    const path = newPath();
    const controller = new AbortController();
    const started = serve({ path, fetch: () => new Response(), signal: controller.signal });
    const reason = new Error("changed my mind");
    controller.abort(reason);
    await expect(started).rejects.toBe(reason);
    expect(existsSync(path)).toBe(false);
  });

  it("serve lets go of its signal when it is closed", async () => {
    const { signal } = new AbortController();
    const remove = vi.spyOn(signal, "removeEventListener");
    const { server } = await served({ signal });
    await server.close();
    await server.closed;
    expect(remove).toHaveBeenCalledWith("abort", expect.any(Function));
  });

  it("Symbol.asyncDispose closes the server when its block ends", async () => {
    const path = newPath();
    {
      await using server = await serve({ path, fetch: () => new Response("answered") });
      expect(server.address).toEqual({ path });
      expect(await answerOf(new FastCgiHttpClient(new FastCgiUnixConnector(path)))).toBe("answered");
    }
    expect(existsSync(path)).toBe(false);
  });
});

describe("what is printed", () => {
  function failing(): never {
    throw new Error("out of order");
  }

  it.each([
    ["there is no onError", {}],
    ["onError is null", { onError: null as never }],
  ])("serve prints errors to the console when %s", async (_case, options) => {
    const print = vi.spyOn(console, "error").mockImplementation(() => {});
    const path = newPath();
    await using _ = await serve({ path, fetch: failing, ...options });
    const response = await new FastCgiHttpClient(new FastCgiUnixConnector(path)).fetch("http://localhost/");
    expect(response.status).toBe(500);
    expect(print.mock.calls).toEqual([
      [expect.stringMatching(/^GET http:\/\/localhost\/: Error: out of order\n {4}at /)],
    ]);
  });

  it("serve prints a refused connection to the console, and goes on, when onError is null", async () => {
    const print = vi.spyOn(console, "error").mockImplementation(() => {});
    const addresses = ["127.0.0.2"];
    const { client, connect } = await served({ port: 0, webServerAddresses: addresses, onError: null as never });
    expect(await (await connect()).readToEnd()).toHaveLength(0);
    expect(print.mock.calls).toEqual([[expect.stringContaining("Cannot accept a connection from 127.0.0.1")]]);
    addresses.push("127.0.0.1");
    expect(await answerOf(client)).toBe("answered");
  });

  it.each([
    ["there is no onStderr", {}],
    ["onStderr is null", { onStderr: null as never }],
  ])("serve prints what is written to stderr to the console when %s", async (_case, options) => {
    const print = vi.spyOn(console, "error").mockImplementation(() => {});
    const { client } = await served({
      ...options,
      fetch: (_, { stderr }) => {
        stderr.write("a message");
        return new Response("answered");
      },
    });
    expect(await answerOf(client)).toBe("answered");
    expect(print.mock.calls).toEqual([["a message"]]);
  });

  it("serve prints nothing when there are onError and onStderr", async () => {
    const prints = (["error", "warn", "log", "info", "debug"] as const).map((name) => vi.spyOn(console, name));
    const writes = [vi.spyOn(process.stdout, "write"), vi.spyOn(process.stderr, "write")];
    const messages: string[] = [];
    const { client, errors } = await served({
      onStderr: (message) => messages.push(message),
      fetch: (_, { stderr }) => {
        stderr.write("a message");
        return failing();
      },
    });
    expect((await client.fetch("http://localhost/")).status).toBe(500);
    expect(messages).toEqual(["a message"]);
    expect(errors).toEqual([new Error("out of order")]);
    for (const spy of [...prints, ...writes]) expect(spy).not.toHaveBeenCalled();
  });

  it("serve answers when descriptors 1 and 2 are closed", async () => {
    const path = newPath();
    const program = fileURLToPath(new URL("programs/application.ts", import.meta.url));
    const command = [process.execPath, "--import", "tsx", program, JSON.stringify({ path })];
    const child = await startProcess("sh", {
      name: "the application",
      args: ["-c", 'exec "$@" >&- 2>&-', "sh", ...command],
      ready: () => existsSync(path),
    });
    onTestFinished(() => child.stop());
    const connection = await RawConnection.open({ path });
    // Something to print about.
    await connection.write("no records at all, but more bytes than a header has");
    await connection.readToEnd();
    const client = new FastCgiHttpClient(new FastCgiUnixConnector(path));
    expect(await answerOf(client, "/path")).toBe("answered /path");
  });
});

describe("a connection", () => {
  it("serve goes on with other connections when one sends what is no FastCGI", async () => {
    const { client, connect, errors } = await served();
    const connection = await connect();
    await connection.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(await connection.readToEnd()).toHaveLength(0);
    expect(errors).toMatchObject([{ code: "protocol" }]);
    expect(await answerOf(client)).toBe("answered");
  });

  it("serve closes the connection behind the response when the web server does not keep it", async () => {
    const { connect } = await served();
    const connection = await connect();
    await connection.write(bytesOf(request(1, { keepConn: false })));
    const records = recordsIn(await connection.readToEnd());
    expect(textOf(records, RecordType.Stdout, 1)).toMatch(/^Status: 200 .*answered$/s);
    expect(records.at(-1)!.type).toBe(RecordType.EndRequest);
  });

  it("serve keeps the connection behind the response when the web server asks for it", async () => {
    const { connect } = await served();
    const connection = await connect();
    for (const id of [1, 2, 3]) {
      await connection.write(bytesOf(request(id)));
      await connection.readUntil((bytes) =>
        recordsIn(bytes).some(({ type, requestId }) => type === RecordType.EndRequest && requestId === id),
      );
    }
    expect(connection.closed).toBe(false);
    connection.close();
  });

  it.each([
    ["half-closes", (connection: RawConnection) => connection.end()],
    ["closes", (connection: RawConnection) => connection.close()],
    ["resets", (connection: RawConnection) => connection.reset()],
  ])("serve aborts request.signal when the peer %s the connection", async (_, leave) => {
    const [started, aborted] = [deferred(), deferred<unknown>()];
    const { connect } = await served({
      port: 0,
      fetch: async ({ signal }) => {
        signal.addEventListener("abort", () => aborted.resolve(signal.reason));
        started.resolve();
        await aborted.promise;
        return new Response("too late");
      },
    });
    const connection = await connect();
    await connection.write(bytesOf(begin(1), params(1, { REQUEST_METHOD: "GET", REQUEST_URI: "/" })));
    await started.promise;
    leave(connection);
    expect(await aborted.promise).toMatchObject({ name: "AbortError", cause: { code: "connectionClosed" } });
    if (!connection.closed) expect(await connection.readToEnd()).toHaveLength(0);
  });

  it("serve fails the request body when the peer resets the connection under way", async () => {
    const [started, outcome] = [deferred(), deferred<unknown>()];
    const { server, connect, errors } = await served({
      port: 0,
      fetch: async (request) => {
        const reader = request.body!.getReader();
        await reader.read();
        started.resolve();
        outcome.resolve(await reader.read().catch((error) => error));
        return new Response();
      },
    });
    const connection = await connect();
    const head = { REQUEST_METHOD: "POST", REQUEST_URI: "/", CONTENT_LENGTH: "100" };
    await connection.write(
      bytesOf(begin(1), params(1, head), { type: RecordType.Stdin, requestId: 1, contentData: new Uint8Array(50) }),
    );
    // libuv takes a reset that comes together with data for an end of file.
    await started.promise;
    connection.reset();
    expect(await outcome.promise).toMatchObject({ code: "connectionClosed", cause: { code: "ECONNRESET" } });
    await server.close();
    // A peer that leaves is no fault.
    expect(errors).toEqual([]);
  });
});

it("serve refuses middleware, which it would pass over", async () => {
  const app = { fetch: () => new Response("secret"), middleware: [] };
  await expect(serve({ port: 0, ...app })).rejects.toThrow("Cannot serve: middleware would be ignored");
});
