import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import {
  type FastCgiConnection,
  FastCgiError,
  FastCgiHttpClient,
  FastCgiTcpConnector,
  FastCgiUnixConnector,
  roundRobin,
  serve,
} from "../../adapters/node/index.ts";
import { openTemporaryFile } from "../../adapters/system/spool.ts";
import { FastCgiClient, streamedResponse } from "../../src/toolkit.ts";
import { freePort } from "../support/free_port.ts";
import { startProcess, waitUntil } from "../support/process.ts";
import { isSettled } from "../support/streams.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { unansweredPort } from "../support/unanswered.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

/** The user of that name on Linux; any that owns nothing will do. */
const NOBODY = 65_534;
const never = new AbortController().signal;
const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
let folder: TemporaryDirectory;
let sockets = 0;

beforeAll(async () => {
  folder = await createTemporaryDirectory("connect");
});

afterAll(() => folder.remove());

function newPath(): string {
  return join(folder.path, `${++sockets}.sock`);
}

/** Listens until the test is over. */
async function accepting(where: { path: string } | { port: number; host: string }): Promise<Server> {
  const server = createServer((socket) => socket.on("error", () => {}));
  await once(server.listen(where), "listening");
  onTestFinished(() => void server.close());
  return server;
}

async function opened(connector: FastCgiTcpConnector | FastCgiUnixConnector): Promise<FastCgiConnection> {
  const connection = await connector.connect({ signal: never });
  onTestFinished(() => connection.close());
  return connection;
}

async function failure(connector: FastCgiTcpConnector | FastCgiUnixConnector): Promise<FastCgiError> {
  const error = await connector.connect({ signal: never }).then(
    () => null,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(FastCgiError);
  expect(error).toMatchObject({ code: "connectFailed", cause: expect.any(Error) });
  return error;
}

describe("FastCgiTcpConnector", () => {
  it("FastCgiTcpConnector connects to the loopback address when the target is a port", async () => {
    const port = await freePort();
    await accepting({ port, host: "127.0.0.1" });
    for (const target of [`${port}`, `127.0.0.1:${port}`, { port }, { hostname: "127.0.0.1", port }]) {
      const { remoteAddress, localAddress } = await opened(new FastCgiTcpConnector(target));
      expect(remoteAddress).toEqual({ hostname: "127.0.0.1", port });
      expect(localAddress).toEqual({ hostname: "127.0.0.1", port: expect.any(Number) });
    }
  });

  it("FastCgiTcpConnector looks the host up when the target has a name", async () => {
    const port = await freePort();
    await accepting({ port, host: "127.0.0.1" });
    const { remoteAddress } = await opened(new FastCgiTcpConnector(`localhost:${port}`));
    expect(remoteAddress).toEqual({ hostname: "127.0.0.1", port });
  });

  it.skipIf(!hasIpv6)("FastCgiTcpConnector connects to an IPv6 address when it is in brackets", async () => {
    const port = await freePort();
    await accepting({ port, host: "::1" });
    for (const target of [`[::1]:${port}`, { hostname: "::1", port }]) {
      const { remoteAddress } = await opened(new FastCgiTcpConnector(target));
      expect(remoteAddress).toEqual({ hostname: "::1", port });
    }
  });

  it("FastCgiTcpConnector names an IPv6 target in brackets when it can't connect", async () => {
    const port = await freePort();
    const { message } = await failure(new FastCgiTcpConnector(`[::1]:${port}`));
    expect(message).toContain(`Cannot connect to [::1]:${port}: `);
  });

  it.each([
    "",
    "localhost",
    ":9000",
    "[]:9000",
    "127.0.0.1:",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "127.0.0.1:99999999",
    "127.0.0.1:-1",
    "127.0.0.1:9e3",
    "127.0.0.1:9000/x",
    "::1:9000",
    "[::1]",
    "[::1:9000",
    "tcp://127.0.0.1:9000",
    "unix:/run/php.sock",
    "127.0.0.1:9000\n",
  ])("FastCgiTcpConnector throws a TypeError when the target is %j", (target) => {
    expect(() => new FastCgiTcpConnector(target)).toThrow(TypeError);
    expect(() => FastCgiTcpConnector.phpFpm(target, "/index.php")).toThrow(
      /^Cannot connect to .*: expected "host:port"/,
    );
  });

  it.each([0, 65_536, 1.5, Number.NaN])("FastCgiTcpConnector throws a RangeError when the port is %d", (port) => {
    expect(() => new FastCgiTcpConnector({ port })).toThrow(
      new RangeError(`Cannot connect to "127.0.0.1": expected port to be an integer from 1 to 65535, got ${port}`),
    );
  });

  it("FastCgiTcpConnector throws a TypeError when the hostname is empty", () => {
    expect(() => new FastCgiTcpConnector({ hostname: "", port: 9000 })).toThrow(
      new TypeError('Cannot connect: expected hostname to be a host name or an address, got ""'),
    );
  });

  it("FastCgiTcpConnector says that nobody listens when the connection is refused", async () => {
    const port = await freePort();
    expect((await failure(new FastCgiTcpConnector({ port }))).message).toBe(
      `Cannot connect to 127.0.0.1:${port}: nothing listens there; is the application running? (ECONNREFUSED)`,
    );
  });

  it("FastCgiTcpConnector rejects with connectFailed when the name is unknown", async () => {
    const { message } = await failure(new FastCgiTcpConnector("no-such-host.invalid:9000"));
    expect(message).toMatch(
      /^Cannot connect to no-such-host\.invalid:9000: (there is no host of this name; .*\(ENOTFOUND|the name could not be looked up; .*\(EAI_AGAIN)\)$/,
    );
  });
});

describe("FastCgiUnixConnector", () => {
  it("FastCgiUnixConnector connects when the application listens on its path", async () => {
    const path = newPath();
    await accepting({ path });
    const { remoteAddress, localAddress } = await opened(new FastCgiUnixConnector(path));
    expect(remoteAddress).toEqual({ path });
    expect(localAddress).toBeUndefined();
  });

  it.each([
    ["empty", "", "Cannot connect to a socket: its path is empty"],
    ["longer than a socket's can be", `/tmp/${"a".repeat(120)}`, "the path of a socket may have 10"],
    ["longer in UTF-8", `/tmp/${"ü".repeat(60)}`, "this one has 125"],
  ])("FastCgiUnixConnector throws a TypeError when the path is %s", (_, path, message) => {
    expect(() => new FastCgiUnixConnector(path)).toThrow(TypeError);
    expect(() => FastCgiUnixConnector.phpFpm(path, "/index.php")).toThrow(message);
  });

  it("FastCgiUnixConnector says that there is no socket when the file is missing", async () => {
    const path = newPath();
    expect((await failure(new FastCgiUnixConnector(path))).message).toBe(
      `Cannot connect to ${path}: there is no such socket; is the application running? (ENOENT)`,
    );
  });

  it("FastCgiUnixConnector says that the file is not a socket when it is another", async () => {
    const path = newPath();
    writeFileSync(path, "");
    expect((await failure(new FastCgiUnixConnector(path))).message).toMatch(
      /^Cannot connect to .*: the file is not a socket \((ECONNREFUSED|ENOTSOCK)\)$/,
    );
  });

  it("FastCgiUnixConnector says that nobody listens when the application is dead", async () => {
    const path = newPath();
    const code = 'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';
    const child = await startProcess(process.execPath, { name: "the application", args: ["-e", code, path] });
    expect(await child.exited).toBe("SIGKILL");
    expect((await failure(new FastCgiUnixConnector(path))).message).toBe(
      `Cannot connect to ${path}: nothing listens there; is the application running? (ECONNREFUSED)`,
    );
  });

  it("FastCgiUnixConnector names php-fpm's settings when this user may not use the socket", async () => {
    const path = newPath();
    await accepting({ path });
    chmodSync(folder.path, 0o755);
    chmodSync(path, 0o000);
    const program = fileURLToPath(new URL("programs/connection.ts", import.meta.url));
    // Root may use every socket.
    const user = process.getuid?.() === 0 ? { uid: NOBODY } : {};
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", program, path], user);
    expect(stdout).toBe(
      `Cannot connect to ${path}: the socket may not be used by this user; see listen.owner, listen.group and listen.mode of php-fpm (EACCES)\n`,
    );
  });
});

describe("phpFpm", () => {
  it.each([
    [
      "FastCgiTcpConnector",
      (script: string | object) => FastCgiTcpConnector.phpFpm("127.0.0.1:9000", script as string),
    ],
    [
      "FastCgiUnixConnector",
      (script: string | object) => FastCgiUnixConnector.phpFpm("/run/php.sock", script as string),
    ],
  ])("%s.phpFpm presets the script when it gets a path or an object", (_, make) => {
    const ofAdapter = { openSpool: openTemporaryFile, streamedResponse };
    expect(make("/srv/index.php").preset).toEqual({ ...ofAdapter, script: { filename: "/srv/index.php" } });
    const script = { filename: "/srv/index.php", name: "/index.php" };
    expect(make(script).preset).toEqual({ ...ofAdapter, script });
  });

  it("FastCgiUnixConnector.phpFpm sends SCRIPT_FILENAME when the client has no script of its own", async () => {
    const path = newPath();
    const server = await serve({
      path,
      fetch: (_, { params }) => new Response(params.get("SCRIPT_FILENAME") ?? "none"),
    });
    onTestFinished(() => server.close());
    const preset = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm(path, "/srv/index.php"));
    expect(await (await preset.fetch("http://localhost/")).text()).toBe("/srv/index.php");
    const plain = new FastCgiHttpClient(new FastCgiUnixConnector(path));
    expect(await (await plain.fetch("http://localhost/")).text()).toBe("none");
  });
});

describe("giving up", () => {
  it("connect rejects with the reason of the signal when it was aborted before", async () => {
    const path = newPath();
    const server = await accepting({ path });
    let connections = 0;
    server.on("connection", () => connections++);
    const reason = new Error("changed my mind");
    const connector = new FastCgiUnixConnector(path);
    await expect(connector.connect({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await opened(connector);
    await waitUntil(() => connections > 0);
    expect(connections).toBe(1);
  });

  it("connect rejects with the reason of the signal when it is aborted while connecting", async () => {
    const { port } = await unansweredPort();
    const before = handles();
    const controller = new AbortController();
    const attempt = new FastCgiTcpConnector({ port }).connect({ signal: controller.signal });
    attempt.catch(() => {});
    await waitUntil(() => handles() > before);
    expect(await isSettled(attempt)).toBe(false);
    const reason = new Error("changed my mind");
    controller.abort(reason);
    await expect(attempt).rejects.toBe(reason);
    await waitUntil(() => handles() === before);
  });

  it("connect leaves the connection open when its signal is aborted afterwards", async () => {
    const path = newPath();
    const server = await serve({ path, fetch: () => new Response("answered") });
    onTestFinished(() => server.close());
    const controller = new AbortController();
    const connection = await new FastCgiUnixConnector(path).connect({ signal: controller.signal });
    controller.abort();
    const client = new FastCgiHttpClient({ connect: async () => connection });
    expect(await (await client.fetch("http://localhost/")).text()).toBe("answered");
  });

  it("FastCgiClient rejects with a timeout when connecting takes longer than connectTimeout", async () => {
    const { port } = await unansweredPort();
    const client = new FastCgiClient(new FastCgiTcpConnector({ port }), { connectTimeout: 100 });
    await expect(client.send({ params: [] })).rejects.toMatchObject({
      name: "FastCgiError",
      code: "timeout",
      limit: "connectTimeout",
    });
  });

  it("FastCgiHttpClient rejects with the reason of the signal when it is aborted while connecting", async () => {
    const { port } = await unansweredPort();
    const client = new FastCgiHttpClient(new FastCgiTcpConnector({ port }));
    const signal = AbortSignal.timeout(100);
    await expect(client.fetch("http://localhost/", { signal })).rejects.toHaveProperty("name", "TimeoutError");
  });
});

/** TCP connections of this process, also those that are being opened. */
function handles(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}

describe("what an application writes to FCGI_STDERR", () => {
  /** An application that complains, and its connector. */
  async function complaining(): Promise<FastCgiUnixConnector> {
    const path = newPath();
    const server = await serve({
      path,
      sendStderr: true,
      onStderr: () => {},
      fetch: (_, { stderr }) => {
        stderr.write("PHP message: out of \u001b[31mmemory\n");
        return new Response("answered");
      },
    });
    onTestFinished(() => server.close());
    return new FastCgiUnixConnector(path);
  }

  function spyOnConsole(): unknown[][] {
    const spy = vi.spyOn(console, "error").mockImplementation(() => {});
    onTestFinished(() => spy.mockRestore());
    return spy.mock.calls;
  }

  it("fetch prints it with the request when there is no onStderr", async () => {
    const connector = await complaining();
    const calls = spyOnConsole();
    for (const each of [connector, roundRobin([connector])]) {
      await (await new FastCgiHttpClient(each).fetch("http://localhost/page", { method: "PUT" })).text();
    }
    const line = "PUT http://localhost/page: PHP message: out of \\x1b[31mmemory";
    expect(calls).toEqual([[line], [line]]);
  });

  it("fetch prints nothing when the client has an onStderr, or the connector has none", async () => {
    const connector = await complaining();
    const calls = spyOnConsole();
    const messages: string[] = [];
    const told = new FastCgiHttpClient(connector, { onStderr: (message) => messages.push(message) });
    await (await told.fetch("http://localhost/")).text();
    expect(messages).toEqual(["PHP message: out of \u001b[31mmemory\n"]);
    const untold = new FastCgiHttpClient({ connect: (options) => connector.connect(options) });
    await (await untold.fetch("http://localhost/")).text();
    expect(calls).toEqual([]);
  });
});
