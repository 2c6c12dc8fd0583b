// The adapters for Bun and Deno that serve, in these runtimes themselves.

import { once } from "node:events";
import { existsSync, lstatSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { FastCgiHttpClient, FastCgiTcpConnector, FastCgiUnixConnector } from "../../adapters/node/index.ts";
import { RecordType } from "../../src/index.ts";
import { OpenStream } from "../support/open_stream.ts";
import { waitUntil } from "../support/process.ts";
import { RawConnection } from "../support/raw_connection.ts";
import { begin, bytesOf, params, recordsIn, request, stdin, textOf } from "../support/records.ts";
import { type RuntimeServer, runtimeNames, startRuntimeServer } from "../support/runtimes.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { checkPattern, patternStream } from "./programs/pattern_stream.ts";

failOnUnhandledRejections();

const MIB = 1024 * 1024;
let folder: TemporaryDirectory;
let sockets = 0;

beforeAll(async () => {
  folder = await createTemporaryDirectory("runtimes");
});

afterAll(() => folder.remove());

function newPath(): string {
  return join(folder.path, `${++sockets}.sock`);
}

const kinds = ["TCP", "Unix"] as const;
type Address = { hostname: string; port: number } | { path: string };

interface Served {
  readonly server: RuntimeServer;
  readonly address: Address;
  readonly client: FastCgiHttpClient;
  connect(): Promise<RawConnection>;
}

function connectorTo(address: Address): FastCgiTcpConnector | FastCgiUnixConnector {
  return "path" in address ? new FastCgiUnixConnector(address.path) : new FastCgiTcpConnector(address);
}

/** An application on a runtime, until the test is over. */
async function served(runtime: (typeof runtimeNames)[number], kind: (typeof kinds)[number]): Promise<Served> {
  const server = await startRuntimeServer(runtime, kind === "TCP" ? { port: 0 } : { path: newPath() });
  onTestFinished(() => server.stop());
  const address = (await server.line("address")) as Address;
  const client = new FastCgiHttpClient(connectorTo(address), { requestBuffering: "stream" });
  return { server, address, client, connect: () => RawConnection.open(address) };
}

describe.each(runtimeNames)("serve on %s", (runtime) => {
  describe.each(kinds)("on a %s socket", (kind) => {
    it(`serve answers a request and carries 20 MiB both ways at once (${runtime}, ${kind})`, async () => {
      const { client } = await served(runtime, kind);
      expect(await (await client.fetch("http://localhost/path")).text()).toBe("answered /path");
      const init = { method: "POST", body: patternStream(20 * MIB), duplex: "half" } as RequestInit;
      const response = await client.fetch("http://localhost/echo", init);
      expect(await checkPattern(response.body!)).toBe(20 * MIB);
    });

    it(`serve sends what is there and aborts request.signal when the client gives up (${runtime}, ${kind})`, async () => {
      const { server, client } = await served(runtime, kind);
      const controller = new AbortController();
      const { body } = await client.fetch("http://localhost/wait", { signal: controller.signal });
      const reader = body!.getReader();
      expect(new TextDecoder().decode((await reader.read()).value)).toBe("started\n");
      controller.abort();
      expect(await server.line("aborted")).toBe("connectionClosed");
      await expect(reader.read()).rejects.toThrow();
      expect(await (await client.fetch("http://localhost/next")).text()).toBe("answered /next");
    });

    it(`serve lets the request that runs finish and takes no other when it is closed (${runtime}, ${kind})`, async () => {
      const { server, address, client } = await served(runtime, kind);
      const source = new OpenStream();
      const init = { method: "POST", body: source.stream, duplex: "half" } as RequestInit;
      const response = await client.fetch("http://localhost/body", init);
      const reader = response.body!.getReader();
      expect(new TextDecoder().decode((await reader.read()).value)).toBe("started\n");
      server.askToClose();
      await waitUntil(() =>
        client.fetch("http://localhost/").then(
          () => false,
          () => true,
        ),
      );
      if ("path" in address) expect(existsSync(address.path)).toBe(false);
      expect(server.lines()).not.toContainEqual({ closed: true });
      source.write(new Uint8Array(100));
      source.close();
      expect(new TextDecoder().decode((await reader.read()).value)).toBe("100 bytes\n");
      expect((await reader.read()).done).toBe(true);
      expect(await server.line("closed")).toBe(true);
      expect(await server.exited).toBe(0);
    });

    it(`serve stops reading when the handler does, and takes no more of a response than is read (${runtime}, ${kind})`, async () => {
      const { client } = await served(runtime, kind);
      let sent = 0;
      const body = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            controller.enqueue(new Uint8Array(65_536));
            sent += 65_536;
            if (sent >= 64 * MIB) controller.close();
          },
        },
        { highWaterMark: 0 },
      );
      // The echo is not read: everything in between fills up.
      const response = await client.fetch("http://localhost/echo", {
        method: "POST",
        body,
        duplex: "half",
      } as RequestInit);
      let [last, since] = [-1, Date.now()];
      await waitUntil(() => {
        if (sent !== last) [last, since] = [sent, Date.now()];
        return Date.now() - since > 250;
      });
      expect(sent).toBeLessThan(40 * MIB);
      let length = 0;
      for await (const piece of response.body!) length += piece.length;
      expect(length).toBe(64 * MIB);
    });

    it(`serve answers behind the peer's end of file, and closes behind the response (${runtime}, ${kind})`, async () => {
      const { connect } = await served(runtime, kind);
      const connection = await connect();
      await connection.write(bytesOf(request(1, { keepConn: false })));
      const records = recordsIn(await connection.readToEnd());
      expect(textOf(records, RecordType.Stdout, 1)).toMatch(/^Status: 200 .*answered \/$/s);
      expect(records.at(-1)!.type).toBe(RecordType.EndRequest);
    });

    it.each([
      ["half-closes", (connection: RawConnection) => connection.end()],
      ["closes", (connection: RawConnection) => connection.close()],
      // Unix sockets have no reset.
      ...(kind === "TCP" ? [["resets", (connection: RawConnection) => connection.reset()] as const] : []),
    ] as const)(
      `serve aborts request.signal when the peer %s the connection (${runtime}, ${kind})`,
      async (_, leave) => {
        const { server, connect, client } = await served(runtime, kind);
        const connection = await connect();
        await connection.write(bytesOf(begin(1), params(1, { REQUEST_METHOD: "GET", REQUEST_URI: "/wait" }), stdin(1)));
        await connection.readUntil((bytes) => bytes.includes("started\n"));
        leave(connection);
        expect(await server.line("aborted")).toBe("connectionClosed");
        expect(await (await client.fetch("http://localhost/next")).text()).toBe("answered /next");
      },
    );
  });

  it(`serve knows the peer's address and turns others away when there is a list (${runtime})`, async () => {
    const allowed = await startRuntimeServer(
      runtime,
      { port: 0 },
      { env: { FCGI_WEB_SERVER_ADDRS: "192.0.2.1, 127.0.0.1" } },
    );
    onTestFinished(() => allowed.stop());
    const client = new FastCgiHttpClient(connectorTo((await allowed.line("address")) as Address));
    expect(await (await client.fetch("http://localhost/")).text()).toBe("answered /");

    const refusing = await startRuntimeServer(runtime, { port: 0 }, { env: { FCGI_WEB_SERVER_ADDRS: "192.0.2.1" } });
    onTestFinished(() => refusing.stop());
    const { port } = (await refusing.line("address")) as { port: number };
    const connection = await RawConnection.open({ port });
    expect(await connection.readToEnd()).toHaveLength(0);
    expect(await refusing.line("error")).toContain("Refused a connection from 127.0.0.1");
  });

  it(`serve gives the socket file its mode, and replaces one whose process was killed (${runtime})`, async () => {
    const path = newPath();
    const first = await startRuntimeServer(runtime, { path });
    expect(statSync(path).mode & 0o777).toBe(0o660);
    const second = await startRuntimeServer(runtime, { path });
    expect(second.lines()).toEqual([
      { name: "Error", message: `Cannot listen on ${path}: another process listens there (EADDRINUSE)` },
    ]);
    await first.stop();
    expect(lstatSync(path).isSocket()).toBe(true);
    const third = await startRuntimeServer(runtime, { path, mode: 0o666 });
    onTestFinished(() => third.stop());
    expect(third.lines()).toEqual([{ address: { path } }]);
    expect(statSync(path).mode & 0o777).toBe(0o666);
  });

  it(`serve says what is wrong when it can't listen (${runtime})`, async () => {
    const [missing, file] = [join(folder.path, "missing", "app.sock"), newPath()];
    writeFileSync(file, "precious");
    const taken = await startRuntimeServer(runtime, { port: 0 });
    onTestFinished(() => taken.stop());
    const { port } = (await taken.line("address")) as { port: number };
    const messages = await Promise.all(
      [{ path: missing }, { path: file }, { port }, { port: -1 }, {}].map(async (target) => {
        const [line] = (await startRuntimeServer(runtime, target)).lines();
        return `${line!.name}: ${line!.message}`;
      }),
    );
    expect(messages).toEqual([
      `Error: Cannot listen on ${missing}: its folder does not exist (ENOENT)`,
      `Error: Cannot listen on ${file}: the file exists and is not a socket`,
      `Error: Cannot listen on 127.0.0.1:${port}: something else listens there (EADDRINUSE)`,
      "RangeError: Cannot listen on port -1: expected an integer from 0 to 65535",
      "TypeError: Cannot serve: expected one of path, port and fd, got 0",
    ]);
  });
});

describe("an inherited descriptor", () => {
  it("serve says that it can't take it when it runs on Deno", async () => {
    const server = await startRuntimeServer("deno", { fd: 0 });
    expect(server.lines()).toEqual([
      {
        name: "Error",
        message: "Cannot listen on descriptor 0: Deno can't take over a socket that was inherited; give path or port",
      },
    ]);
  });

  it("serve says what to do when it runs on Bun and the descriptor is no socket", async () => {
    const server = await startRuntimeServer("bun", { fd: 0 });
    expect(server.lines()[0]!.message).toMatch(/^Cannot listen on descriptor 0: it is not a listening socket; start/);
  });

  it.each(kinds)("serve accepts connections from a %s socket when it runs on Bun", async (kind) => {
    const socket = createServer();
    const [temporary, path] = [newPath(), newPath()];
    await once(kind === "Unix" ? socket.listen(temporary) : socket.listen(0, "127.0.0.1"), "listening");
    const address = socket.address() as { port: number };
    // Closing a server removes the file by its first name.
    if (kind === "Unix") renameSync(temporary, path);
    const { _handle: handle } = socket as unknown as { _handle: never };
    const server = await startRuntimeServer("bun", { fd: 0 }, { stdin: handle });
    onTestFinished(() => server.stop());
    socket.close();
    expect(server.lines()).toEqual([{ address: null }]);
    const target = kind === "Unix" ? { path } : { hostname: "127.0.0.1", port: address.port };
    const client = new FastCgiHttpClient(connectorTo(target));
    for (let count = 0; count < 3; count++) {
      expect(await (await client.fetch("http://localhost/path")).text()).toBe("answered /path");
    }
    server.askToClose();
    expect(await server.exited).toBe(0);
    // The file belongs to whoever made it.
    if (kind === "Unix") expect(lstatSync(path).isSocket()).toBe(true);
  });
});
