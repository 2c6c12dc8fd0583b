// The file of a socket is removed, replaced, moved or linked: before a server starts on its path, while it listens, and while it closes; and
// while a client's pool holds connections and opens new ones. No server removes what is not its own socket.

import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { type FastCgiListener, serve } from "../../../adapters/node/index.ts";
import { OpenStream } from "../../support/open_stream.ts";
import { type RunningProcess, startProcess, waitUntil } from "../../support/process.ts";
import { type RuntimeRacer, startRuntimeRacer, startRuntimeServer } from "../../support/runtimes.ts";
import { makeStaleSocket } from "../../support/stale_socket.ts";
import type { ServingRuntime, Setting } from "./battery.ts";
import { nodeClient } from "./node_client.ts";

const URL = "http://localhost/";
const HOUR = 3_600_000;
const MIB = 1024 * 1024;

/** What another program puts in the place of a socket. */
interface Replacement {
  readonly name: string;
  put(path: string, another: string): void;
  /** What a client says that connects to it, or what it is answered. */
  readonly connects: string;
  /** What a server says that is to listen there. */
  readonly listens: string;
  /** What tells one of its kind from others, and its content. */
  look(path: string): unknown;
}

const putAnother = (path: string, another: string): void => linkSync(another, path);

const REPLACEMENTS: readonly Replacement[] = [
  {
    name: "a file",
    put: (path) => writeFileSync(path, "precious"),
    connects: "the file is not a socket",
    listens: "the file exists and is not a socket; remove it, or choose another path",
    look: (path) => readFileSync(path, "utf8"),
  },
  {
    name: "a folder",
    put(path) {
      mkdirSync(path);
      writeFileSync(join(path, "file"), "precious");
    },
    connects: "the file is not a socket",
    listens: "a folder is there, and no socket; remove it, or choose another path",
    look: (path) => readdirSync(path),
  },
  {
    name: "a pipe",
    put: (path) => void execFileSync("mkfifo", [path]),
    connects: "the file is not a socket",
    listens: "the file exists and is not a socket; remove it, or choose another path",
    look: (path) => lstatSync(path).isFIFO(),
  },
  {
    name: "a link to a pipe",
    put(path) {
      execFileSync("mkfifo", [`${path}-pipe`]);
      symlinkSync(`${path}-pipe`, path);
    },
    connects: "the file is not a socket",
    listens: "a symbolic link is there, and no socket; remove it, or choose another path",
    look: (path) => [lstatSync(path).isSymbolicLink(), lstatSync(`${path}-pipe`).isFIFO()],
  },
  {
    name: "a link to another server's socket",
    put: (path, another) => symlinkSync(another, path),
    connects: "another",
    listens: "a symbolic link is there, and no socket; remove it, or choose another path",
    look: (path) => lstatSync(path).isSymbolicLink(),
  },
  {
    name: "a link to nothing",
    put: (path) => symlinkSync(`${path}-missing`, path),
    connects: "it is a symbolic link, and where it leads there is no socket; is the application running?",
    listens: "a symbolic link is there, and no socket; remove it, or choose another path",
    look: (path) => lstatSync(path).isSymbolicLink(),
  },
  {
    name: "another server's socket",
    put: putAnother,
    connects: "another",
    listens: "another process listens there",
    look: (path) => lstatSync(path).isSocket(),
  },
];

/** What a call to a path is answered, or why it fails. */
async function ask(path: string): Promise<string> {
  try {
    return await (await nodeClient({ path }, { maxConnectRetries: 0 }).fetch(URL)).text();
  } catch (error) {
    return String(error);
  }
}

/**
 * A process with a socket that it has made for a path: of the runtimes, none makes such sockets. `then` is Perl; CONNECT stands for a
 * connection to it, without waiting.
 */
async function holdSocket(kind: string, path: string, then = ""): Promise<RunningProcess> {
  const connect = "socket(my $c, PF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0); push(@c, $c); connect($c, $name)";
  const code = [
    "use Socket qw(:DEFAULT SOCK_NONBLOCK); $| = 1; my $name = sockaddr_un($ARGV[0])",
    `socket(S, PF_UNIX, ${kind}, 0); bind(S, $name) or die $!`,
    kind === "SOCK_SEQPACKET" ? "listen(S, 5) or die $!" : "",
    then.replace("CONNECT", connect),
    'print "ready"; sleep',
  ];
  const process = await startProcess("perl", { name: "perl", args: ["-e", code.join("; "), path] });
  onTestFinished(() => process.stop());
  await waitUntil(() => process.stdout() === "ready");
  return process;
}

/** The file of a server's socket. */
export function socketFileCases({ column, row, newPath }: Setting, runtime: ServingRuntime): void {
  /** The server whose socket file it is, and another one that starts on the same path. */
  let first: RuntimeRacer;
  let second: RuntimeRacer;
  let another: string;
  let stopAnother: () => Promise<void>;

  beforeAll(async () => {
    first = startRuntimeRacer(runtime);
    second = startRuntimeRacer(runtime);
    await Promise.all([first, second].map((racer) => racer.run({ do: "close" })));
    another = newPath();
    const server = await serve({ path: another, fetch: () => new Response("another") });
    stopAnother = () => server.close();
  });
  afterAll(async () => {
    await Promise.all([first?.stop(), second?.stop(), stopAnother?.()]);
  });

  const start = async (racer: RuntimeRacer, path: string, takeOver = false): Promise<string> => {
    const { served, error } = await racer.run({ do: "serve", name: "its own", options: { path, takeOver } });
    return served ? "serves" : error!;
  };
  /** Closes the first server, which has nothing to complain of. */
  const close = async (): Promise<void> => {
    expect((await first.run({ do: "close" })).told).toEqual([]);
  };

  for (const { name, put, connects, listens, look } of REPLACEMENTS) {
    column.test(row, `serve and close leave ${name} in the place of a socket, and say what is there`, async () => {
      const path = newPath();
      expect(await start(first, path)).toBe("serves");
      const kept = nodeClient({ path }, { keepAlive: true });
      onTestFinished(() => kept.close());
      expect(await (await kept.fetch(URL)).text()).toBe("its own");
      rmSync(path);
      put(path, another);
      const before = look(path);
      // Connections that are open have nothing to do with the file.
      expect(await (await kept.fetch(URL)).text()).toBe("its own");
      expect(await ask(path)).toContain(connects);
      expect(await start(second, path)).toContain(`Cannot listen on ${path}: ${listens}`);
      // Only a server that listens can be taken over.
      if (put !== putAnother) expect(await start(second, path, true)).toContain(`Cannot listen on ${path}: ${listens}`);
      await kept.close();
      await close();
      expect(look(path)).toEqual(before);
      expect(await ask(path)).toContain(connects);
      expect(await ask(another)).toBe("another");
    });
  }

  column.test(row, "close leaves the socket of a server that started where the file was removed", async () => {
    const path = newPath();
    expect(await start(first, path)).toBe("serves");
    rmSync(path);
    expect(await ask(path)).toContain(`Cannot connect to ${path}: there is no such socket`);
    expect(await start(second, path)).toBe("serves");
    await close();
    expect(await ask(path)).toBe("its own");
    await second.run({ do: "close" });
    expect(existsSync(path)).toBe(false);
  });

  column.test(row, "close removes its own name and no other when the socket has two, or was moved", async () => {
    const [path, link, moved] = [newPath(), newPath(), newPath()];
    expect(await start(first, path)).toBe("serves");
    linkSync(path, link);
    expect(await ask(link)).toBe("its own");
    await close();
    expect([existsSync(path), existsSync(link)]).toEqual([false, true]);
    // What is left is the socket of no process, which a server replaces.
    expect(await start(first, link)).toBe("serves");
    renameSync(link, moved);
    expect(await ask(moved)).toBe("its own");
    await close();
    expect(existsSync(moved)).toBe(true);
    expect(await start(first, moved)).toBe("serves");
    await close();
    expect(existsSync(moved)).toBe(false);
  });

  column.test(row, "close comes to its end when the folder of the socket is gone, or a file in its place", async () => {
    for (const put of [() => {}, (folder: string) => writeFileSync(folder, "precious")]) {
      const folder = newPath();
      mkdirSync(folder);
      expect(await start(first, join(folder, "app.sock"))).toBe("serves");
      rmSync(folder, { recursive: true });
      put(folder);
      await close();
    }
  });

  for (const kind of ["SOCK_DGRAM", "SOCK_SEQPACKET"] as const) {
    column.test(row, `serve leaves a ${kind} socket of a living process, also with takeOver`, async () => {
      const path = newPath();
      const holder = await holdSocket(kind, path);
      for (const takeOver of [false, true]) {
        expect(await start(first, path, takeOver)).toBe(
          `Cannot listen on ${path}: another process has a socket there that is not for streams; choose another path`,
        );
      }
      expect(lstatSync(path).isSocket()).toBe(true);
      expect(await ask(path)).toContain("it is a socket of another kind: expected one for streams (EPROTOTYPE)");
      await holder.stop();
      // Of a dead process it is a file like any other that was left behind.
      expect(await start(first, path)).toBe("serves");
      await close();
      expect(existsSync(path)).toBe(false);
    });
  }

  column.test(row, "serve leaves a socket whose backlog is full, and takes it over when it may", async () => {
    const path = newPath();
    await holdSocket("SOCK_STREAM", path, "listen(S, 0); for (1 .. 9) { CONNECT or last }");
    expect(await start(first, path)).toContain(`Cannot listen on ${path}: another process listens there`);
    expect(await start(first, path, true)).toBe("serves");
    expect(await ask(path)).toBe("its own");
    await close();
  });

  // Only Linux's list of sockets says so, which Deno may not read without --allow-all.
  if (runtime !== "deno") {
    column.test(row, "serve leaves the socket of a process that is about to listen", async () => {
      const path = newPath();
      const holder = await holdSocket("SOCK_STREAM", path);
      expect(await start(first, path)).toContain(`Cannot listen on ${path}: another process listens there`);
      await holder.stop();
      expect(await start(first, path)).toBe("serves");
      await close();
    });
  }

  column.test(row, "close leaves the socket that comes to its path while it waits for a request", async () => {
    const path = newPath();
    const server = await startRuntimeServer(runtime, { path });
    onTestFinished(() => server.stop());
    const client = nodeClient({ path }, { requestBuffering: "stream" });
    const source = new OpenStream();
    const init = { method: "POST", body: source.stream, duplex: "half" } as RequestInit;
    const response = await client.fetch(`${URL}body`, init);
    server.askToClose();
    await waitUntil(() => !existsSync(path));
    expect(await start(second, path)).toBe("serves");
    source.close();
    expect(await response.text()).toBe("started\n0 bytes\n");
    expect(await server.exited).toBe(0);
    expect(server.lines().filter((line) => "error" in line)).toEqual([]);
    expect(await ask(path)).toBe("its own");
    await second.run({ do: "close" });
    expect(existsSync(path)).toBe(false);
  });
}

/** The file that a client connects to. */
export function connectorFileCases({ column, row, link, newPath }: Setting): void {
  const options = { maxConnectRetries: 0 };
  const askAt = async (path: string): Promise<string> => {
    const { text, error } = await link().run({ do: "fetch", target: { path }, options });
    return text ?? error!;
  };

  column.test(row, "fetch follows links to a socket, and says what is wrong where there is none", async () => {
    const [path, next] = [newPath(), newPath()];
    const socket = (link().target as { path: string }).path;
    const put = (make: (path: string) => void): void => {
      // As a deployment does that points a link to another socket, in one step.
      make(next);
      rmSync(path, { recursive: true, force: true });
      renameSync(next, path);
    };
    for (const [make, answer] of [
      [(at: string) => symlinkSync(socket, at), "answered /"],
      [
        (at: string) => symlinkSync(`${at}-missing`, at),
        `${path}: it is a symbolic link, and where it leads there is no`,
      ],
      [(at: string) => linkSync(socket, at), "answered /"],
      [(at: string) => symlinkSync(path, at), `${path}: its symbolic links lead in a circle`],
      [(at: string) => mkdirSync(at), `${path}: the file is not a socket`],
      [(at: string) => writeFileSync(at, ""), `${path}: the file is not a socket`],
      [(at: string) => symlinkSync(dirname(at), at), `${path}: the file is not a socket`],
      [(at: string) => symlinkSync(socket, at), "answered /"],
    ] as const) {
      put(make);
      expect(await askAt(path)).toContain(answer);
    }
    rmSync(path);
    expect(await askAt(path)).toContain(`${path}: there is no such socket`);
    writeFileSync(path, "");
    expect(await askAt(join(path, "app.sock"))).toContain("what should be its folder is a file");
    rmSync(path);
    await makeStaleSocket(path);
    expect(await askAt(path)).toContain(`${path}: nothing listens there`);
  });

  column.test(
    row,
    "fetch goes on with the connections of its pool, and opens others where the path leads now",
    async () => {
      const path = newPath();
      const serveAs = async (name: string): Promise<FastCgiListener> => {
        // More than waits in buffers.
        const fetch = ({ url }: Request) => new Response(url.endsWith("/long") ? name.padEnd(4 * MIB) : name);
        const server = await serve({ path, fetch });
        onTestFinished(() => server.close({ timeout: 0 }));
        return server;
      };
      const pooled = {
        target: { path },
        client: path,
        options: { ...options, keepAlive: true, idleTimeout: HOUR },
      } as const;
      const call = async (): Promise<string> => {
        const { text, error } = await link().run({ do: "fetch", ...pooled });
        return text ?? error!;
      };
      /** What the request on the connection of the pool is answered, and another one that needs a new connection meanwhile. */
      const callBoth = async (): Promise<(string | undefined)[]> => {
        const { text, error, beside } = await link().run({ do: "holdOne", ...pooled });
        return [text ?? error, beside];
      };
      const first = await serveAs("first");
      expect(await call()).toBe("first");
      rmSync(path);
      expect(await callBoth()).toEqual(["first", expect.stringContaining(`${path}: there is no such socket`)]);
      mkdirSync(path);
      expect(await callBoth()).toEqual(["first", expect.stringContaining(`${path}: the file is not a socket`)]);
      rmdirSync(path);
      const second = await serveAs("second");
      expect(await callBoth()).toEqual(["first", "second"]);
      await first.close({ grace: 0 });
      expect(await call()).toBe("second");
      rmSync(path);
      expect(await call()).toBe("second");
      await second.close({ grace: 0 });
      expect(await call()).toContain(`${path}: there is no such socket`);
      await serveAs("third");
      expect(await call()).toBe("third");
    },
  );
}
