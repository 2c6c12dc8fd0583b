import { type IOType, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdir } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { Stream } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type FastCgiListener, FastCgiTcpConnector, FastCgiUnixConnector, serve } from "../../adapters/node/index.ts";
import { RecordType } from "../../src/toolkit.ts";
import { freePort } from "../support/free_port.ts";
import { guardAgainstLoss, unguard } from "../support/guard.ts";
import { startProcess } from "../support/process.ts";
import { RawConnection } from "../support/raw_connection.ts";
import { bytesOf, recordsIn, request, textOf } from "../support/records.ts";
import { listening, NOBODY, textFrom } from "../support/served.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const program = fileURLToPath(new URL("programs/application.ts", import.meta.url));
let folder: TemporaryDirectory;
let sockets = 0;

beforeAll(async () => {
  folder = await createTemporaryDirectory("listen");
});

afterAll(() => folder.remove());

function newPath(): string {
  return join(folder.path, `${++sockets}.sock`);
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

describe("the target of serve", () => {
  it.each([
    ["a path and a port", { path: "/tmp/x.sock", port: 0 }, "Cannot serve: expected one of path, port and fd, got 2"],
    ["a port and a descriptor", { port: 0, fd: 0 }, "Cannot serve: expected one of path, port and fd, got 2"],
    ["all three", { path: "/tmp/x.sock", port: 0, fd: 0 }, "Cannot serve: expected one of path, port and fd, got 3"],
    ["only a hostname", { hostname: "127.0.0.1" }, "Cannot serve: expected one of path, port and fd, got 0"],
    ["an empty path", { path: "" }, "Cannot listen on a socket: its path is empty"],
  ])("serve throws a TypeError when it gets %s", async (_, target, message) => {
    await expect(serve({ ...target, fetch: () => new Response() })).rejects.toThrow(new TypeError(message));
  });

  it("serve throws a TypeError when the path is longer than a socket's can be", async () => {
    const path = join(folder.path, "a".repeat(120));
    await expect(serve({ path, fetch: () => new Response() })).rejects.toThrow(
      /^Cannot listen on .*: the path of a socket may have 10\d bytes, this one has 1\d\d$/,
    );
  });

  it("serve takes a path when it is as long as a socket's can be", async () => {
    const most = process.platform === "linux" ? 107 : 103;
    const path = `${folder.path}/${"a".repeat(most - folder.path.length - 1)}`;
    await listening({ path });
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered");
  });

  it.runIf(process.platform === "linux")(
    "serve lets as many connections wait as backlog says when they come to a path, and further ones are refused",
    async () => {
      const path = newPath();
      await listening({ path, backlog: 4 });
      // All in one turn, in which none can be accepted. The system lets one more wait than it is told.
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const socket = connect(path);
          onTestFinished(() => void socket.destroy());
          return once(socket, "connect").then(
            () => "connected",
            (error) => error.code,
          );
        }),
      );
      expect(outcomes).toEqual([...Array(5).fill("connected"), ...Array(15).fill("EAGAIN")]);
    },
  );

  it.each([-1, 65_536, 1.5, Number.NaN])("serve throws a RangeError when the port is %d", async (port) => {
    await expect(serve({ port, fetch: () => new Response() })).rejects.toThrow(RangeError);
  });
});

describe("a TCP port", () => {
  it("serve listens on the loopback interface only when no hostname is given", async () => {
    const server = await listening({ port: 0 });
    expect(server.address).toEqual({ hostname: "127.0.0.1", port: expect.any(Number) });
  });

  it("serve takes a free port and tells it when the port is 0", async () => {
    const [one, two] = [await listening({ port: 0 }), await listening({ port: 0 })];
    const [first, second] = [one.address, two.address] as { hostname: string; port: number }[];
    expect(first!.port).toBeGreaterThan(0);
    expect(first!.port).not.toBe(second!.port);
    expect(await textFrom(new FastCgiTcpConnector(first!))).toBe("answered");
    expect(await textFrom(new FastCgiTcpConnector(second!))).toBe("answered");
  });

  it("serve listens on the port and hostname when they are given", async () => {
    const port = await freePort();
    const server = await listening({ port, hostname: "0.0.0.0" });
    expect(server.address).toEqual({ hostname: "0.0.0.0", port });
    expect(await textFrom(new FastCgiTcpConnector(`127.0.0.1:${port}`))).toBe("answered");
  });

  it("serve rejects with what is wrong when something else listens on the port", async () => {
    const { address } = await listening({ port: 0 });
    const { port } = address as { port: number };
    await expect(serve({ port, fetch: () => new Response() })).rejects.toThrow(
      `Cannot listen on 127.0.0.1:${port}: something else listens there (EADDRINUSE)`,
    );
  });

  it("serve frees the port when it is closed", async () => {
    const port = await freePort();
    await (await serve({ port, fetch: () => new Response() })).close();
    await listening({ port });
    expect(await textFrom(new FastCgiTcpConnector({ port }))).toBe("answered");
  });
});

describe("a Unix socket", () => {
  it("serve makes the socket file for owner and group only when no mode is given", async () => {
    const path = newPath();
    const server = await listening({ path });
    expect(server.address).toEqual({ path });
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(modeOf(path)).toBe(0o660);
  });

  it.each([0o600, 0o666])("serve gives the socket file its mode when it is %o", async (mode) => {
    const path = newPath();
    await listening({ path, mode });
    expect(modeOf(path)).toBe(mode);
  });

  it("serve removes the socket file when it is closed", async () => {
    const path = newPath();
    const server = await serve({ path, fetch: () => new Response() });
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  it("serve replaces the socket file when the process that made it was killed", async () => {
    const path = newPath();
    const child = await runApplication({ path });
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered /path");
    await child.stop("SIGKILL");
    expect(lstatSync(path).isSocket()).toBe(true);
    await listening({ path });
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered");
  });

  it("serve refuses the path and leaves the socket when a living process listens there", async () => {
    const path = newPath();
    const child = await runApplication({ path });
    await expect(serve({ path, fetch: () => new Response() })).rejects.toThrow(
      `Cannot listen on ${path}: another process listens there (EADDRINUSE)`,
    );
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered /path");
    await child.stop();
    expect(existsSync(path)).toBe(false);
  });

  it("serve refuses the path when it listens there itself", async () => {
    const path = newPath();
    await listening({ path });
    await expect(serve({ path, fetch: () => new Response() })).rejects.toThrow("another process listens there");
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered");
  });

  it("serve takes the path over from the server that listens there when takeOver is true", async () => {
    const path = newPath();
    const old = await serve({ path, fetch: () => new Response("from the old one") });
    const connection = await RawConnection.open({ path });
    await listening({ path, takeOver: true, mode: 0o600 });
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered");
    expect(modeOf(path)).toBe(0o600);
    const closing = old.close();
    await connection.write(bytesOf(request(1, { keepConn: false })));
    expect(textOf(recordsIn(await connection.readToEnd()), RecordType.Stdout, 1)).toMatch(/from the old one$/);
    await closing;
    // The file is not its own any more.
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered");
    expect(readdirSync(folder.path).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("serve listens when takeOver is true and nobody listened there", async () => {
    const path = newPath();
    const server = await serve({ path, takeOver: true, fetch: () => new Response("answered") });
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered");
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  it("serve refuses the path and leaves the file untouched when takeOver is true and it is no socket", async () => {
    const path = newPath();
    writeFileSync(path, "precious");
    await expect(serve({ path, takeOver: true, fetch: () => new Response() })).rejects.toThrow("is not a socket");
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  it("serve gives the path to one of two servers when both start at the same moment", async () => {
    const path = newPath();
    const start = (): Promise<FastCgiListener> => serve({ path, fetch: () => new Response("answered") });
    const both = await Promise.allSettled([start(), start()]);
    for (const one of both) if (one.status === "fulfilled") onTestFinished(() => one.value.close());
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(both.find(({ status }) => status === "rejected")).toMatchObject({
      reason: { message: `Cannot listen on ${path}: another process listens there (EADDRINUSE)` },
    });
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered");
    expect(readdirSync(folder.path).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("serve leaves the path alone when it is closed and another process has taken it over", async () => {
    const path = newPath();
    const server = await serve({ path, fetch: () => new Response() });
    const child = await runApplication({ path, takeOver: true });
    await server.close();
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered /path");
    await child.stop();
    expect(existsSync(path)).toBe(false);
  });

  it("serve refuses the path and leaves the file untouched when it is no socket", async () => {
    const path = newPath();
    writeFileSync(path, "precious");
    await expect(serve({ path, fetch: () => new Response() })).rejects.toThrow(
      `Cannot listen on ${path}: the file exists and is not a socket`,
    );
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  it("serve refuses the path and leaves the link untouched when it is a symbolic link", async () => {
    const [path, precious] = [newPath(), newPath()];
    writeFileSync(precious, "precious");
    symlinkSync(precious, path);
    await expect(serve({ path, fetch: () => new Response() })).rejects.toThrow(
      `Cannot listen on ${path}: a symbolic link is there, and no socket; remove it, or choose another path`,
    );
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(readFileSync(precious, "utf8")).toBe("precious");
  });

  it("serve refuses the path when it is a folder", async () => {
    const path = newPath();
    await mkdir(path);
    await expect(serve({ path, fetch: () => new Response() })).rejects.toThrow(
      `Cannot listen on ${path}: a folder is there, and no socket; remove it, or choose another path`,
    );
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it("serve rejects with what is wrong when the folder is missing", async () => {
    const path = join(folder.path, "missing", "app.sock");
    await expect(serve({ path, fetch: () => new Response() })).rejects.toThrow(
      `Cannot listen on ${path}: its folder does not exist (ENOENT)`,
    );
  });

  it.each([
    [
      "may not write to the folder",
      0o555,
      (path: string) => `Cannot listen on ${path}: this user may not listen there (EACCES)`,
    ],
    [
      "may not enter the folder",
      0o000,
      (path: string) => `Cannot listen on ${path}: this user may not listen there (EACCES)`,
    ],
  ])("serve rejects with what is wrong when this user %s", async (_, mode, message) => {
    const own = newPath();
    await mkdir(own);
    chmodSync(folder.path, 0o755);
    chmodSync(own, mode);
    const path = join(own, "app.sock");
    const child = await runApplication({ path }, process.getuid?.() === 0 ? { uid: NOBODY } : {});
    expect(child.output).toEqual({ error: message(path) });
  });
});

describe("an inherited descriptor", () => {
  it("serve accepts connections from a TCP socket when it is descriptor 0", async () => {
    const port = await freePort();
    const { output } = await runWithDescriptor0({ port });
    expect(output).toEqual({ address: { hostname: "127.0.0.1", port } });
    expect(await textFrom(new FastCgiTcpConnector({ port }))).toBe("answered /path");
  });

  it("serve accepts connections from a Unix socket when it is descriptor 0", async () => {
    const path = newPath();
    const application = await runWithDescriptor0({ path });
    expect(application.output).toEqual({ address: null });
    for (let request = 0; request < 3; request++) {
      expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered /path");
    }
    // The file belongs to the process that made it.
    await application.stop();
    expect(lstatSync(path).isSocket()).toBe(true);
  });

  const hint =
    "it is not a listening socket; start the program from spawn-fcgi or a web server, or give path or port (EINVAL)";

  it.each([
    ["a file", () => openSync(program, "r")],
    ["a device", () => openSync("/dev/null", "r")],
  ])("serve rejects with what to do when the descriptor is %s", async (_, open) => {
    const fd = open();
    onTestFinished(() => closeSync(fd));
    await expect(serve({ fd, fetch: () => new Response() })).rejects.toThrow(
      `Cannot listen on descriptor ${fd}: ${hint}`,
    );
  });

  it("serve rejects with what to do when the descriptor is not open", async () => {
    await expect(serve({ fd: 987, fetch: () => new Response() })).rejects.toThrow(
      "Cannot listen on descriptor 987: this process has no such descriptor; the program that starts it must pass a listening socket on (EBADF)",
    );
  });

  it.each([
    ["a pipe", 'cat | "$@"'],
    ["no terminal and no socket", '"$@" < /dev/null'],
  ])("serve rejects with what to do when descriptor 0 is %s", async (_, command) => {
    const args = ["-c", command, "sh", process.execPath, "--import", "tsx", program, JSON.stringify({ fd: 0 })];
    const child = await startProcess("sh", { name: "the application", args });
    await child.exited;
    expect(JSON.parse(child.stdout())).toEqual({
      error: expect.stringMatching(
        /^Cannot listen on descriptor 0: it is not a (listening )?socket; start the program/,
      ),
    });
  });

  it("serve rejects with what to do when descriptor 0 is a connected socket", async () => {
    const { output } = await runApplication({ fd: 0 }, { stdin: "pipe" });
    expect(output).toEqual({ error: `Cannot listen on descriptor 0: ${hint}` });
  });
});

describe("no address", () => {
  it("serve takes descriptor 0 when it is a listening socket", async () => {
    const path = newPath();
    await runWithListening(path, (handle) => runApplication({}, { stdin: handle }));
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered /path");
  });

  it("serve takes the socket of systemd when LISTEN_FDS and LISTEN_PID say so", async () => {
    const path = newPath();
    await runWithListening(path, (handle) => runApplication({}, { sockets: [handle], listenPid: "$$" }));
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered /path");
  });

  it("serve rejects with what to do when systemd passes several sockets, and takes the one that is asked for", async () => {
    const path = newPath();
    await runWithListening(path, async (handle) => {
      const { output } = await runApplication({}, { sockets: [handle, handle], listenPid: "$$" });
      expect(output).toEqual({ error: "Cannot serve: 2 sockets were inherited; give fd, one of 3 to 4" });
      return runApplication({ fd: 4 }, { sockets: [handle, handle], listenPid: "$$" });
    });
    expect(await textFrom(new FastCgiUnixConnector(path))).toBe("answered /path");
  });

  it("serve leaves the socket alone and says why when LISTEN_PID names another process", async () => {
    await runWithListening(newPath(), async (handle) => {
      const application = await runApplication({}, { sockets: [handle], listenPid: "1" });
      expect(application.output).toEqual({
        error: `Cannot serve: LISTEN_PID is 1 and this process is ${application.pid}; start it without another program in between`,
      });
      return application;
    });
  });

  it("serve rejects when there is no socket to inherit", async () => {
    const { output } = await runApplication({});
    expect(output).toEqual({
      error: "Cannot serve: expected one of path, port and fd, and no socket was inherited",
    });
  });

  it("serve rejects with what to do when descriptor 0 is a socket that does not listen", async () => {
    const { output } = await runApplication({}, { stdin: "pipe" });
    expect(output).toEqual({
      error: expect.stringContaining("Cannot listen on descriptor 0: it is not a listening socket"),
    });
  });
});

interface Application {
  /** What it printed: its address, or an error. */
  readonly output: unknown;
  readonly pid: number;
  /** Ends it and waits. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

interface RunOptions {
  readonly stdin?: IOType | Stream;
  readonly uid?: number;
  /** Descriptors from 3 on, as systemd passes them (sd_listen_fds(3)). */
  readonly sockets?: readonly Stream[];
  /** LISTEN_PID, as a word of the shell. */
  readonly listenPid?: string;
}

/** Runs an application of its own until the test is over. */
async function runApplication(target: object, options: RunOptions = {}): Promise<Application> {
  const { stdin = "ignore", uid, sockets: inherited = [], listenPid } = options;
  const args = ["--import", "tsx", program, JSON.stringify(target)];
  const variables = `LISTEN_FDS=${inherited.length} LISTEN_PID=${listenPid}`;
  const [command, ...rest] =
    listenPid === undefined
      ? [process.execPath, ...args]
      : ["sh", "-c", `${variables} exec "$@"`, "sh", process.execPath, ...args];
  const child = spawn(command!, rest, {
    stdio: [stdin, "pipe", "inherit", ...inherited],
    ...(uid !== undefined && { uid }),
  });
  guardAgainstLoss(child.pid!);
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await once(child, "exit");
    }
    unguard(child.pid!);
  };
  onTestFinished(() => stop());
  const [output] = (await once(child.stdout!, "data")) as [Buffer];
  return { output: JSON.parse(output.toString()), pid: child.pid!, stop };
}

/** Runs an application as a web server does (FastCGI 2.2): the listening socket is descriptor 0. */
function runWithDescriptor0(where: { path: string } | { port: number }): Promise<Application> {
  const run = (handle: Stream): Promise<Application> => runApplication({ fd: 0 }, { stdin: handle });
  return runWithListening("path" in where ? where.path : where.port, run);
}

/** Runs an application with a socket that listens on a path or port. */
async function runWithListening(
  where: string | number,
  run: (handle: Stream) => Promise<Application>,
): Promise<Application> {
  const socket = createServer();
  const temporary = newPath();
  await once(typeof where === "string" ? socket.listen(temporary) : socket.listen(where, "127.0.0.1"), "listening");
  // Closing a server removes the file by its first name.
  if (typeof where === "string") renameSync(temporary, where);
  const { _handle: handle } = socket as unknown as { _handle: Stream };
  try {
    return await run(handle);
  } finally {
    // From here on only the application accepts.
    socket.close();
  }
}
