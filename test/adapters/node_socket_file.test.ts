import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../adapters/node/index.ts";
import { nodeRuntime } from "../../adapters/node/listen.ts";
import { listen } from "../../adapters/system/listen.ts";
import { connectionPair } from "../support/memory_connection.ts";
import { startProcess, waitUntil } from "../support/process.ts";
import { answerAt, listening, NOBODY } from "../support/served.ts";
import { makeStaleSocket } from "../support/stale_socket.ts";
import { isSettled } from "../support/streams.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const program = fileURLToPath(new URL("programs/application.ts", import.meta.url));
const isRoot = process.getuid?.() === 0;
let folder: TemporaryDirectory;
let sockets = 0;

beforeAll(async () => {
  folder = await createTemporaryDirectory("file");
});

afterAll(() => folder.remove());

/** A path in a folder of its own. */
function newPath(name = "app.sock"): string {
  const parent = join(folder.path, String(++sockets));
  mkdirSync(parent);
  return join(parent, name);
}

/** The name of the lock of a path, and of the locks under which that one is removed. */
function lockOf(path: string, depth: number | "" = ""): string {
  return join(dirname(path), `.${basename(path)}.lock${depth}`);
}

/** Links in the folder of temporary files. */
function linksTo(target: string): string[] {
  const links = readdirSync("/tmp", { withFileTypes: true }).filter((entry) => entry.isSymbolicLink());
  // One of another process may be gone by now.
  return links
    .map(({ name }) => name)
    .filter((name) => existsSync(join("/tmp", name)) && realpathSync(join("/tmp", name)) === target);
}

/** A process that has the lock of a path: another server, as nothing else is to be seen of one. */
async function holdLock(path: string): Promise<Server> {
  const holder = createServer();
  await once(holder.listen(lockOf(path)), "listening");
  onTestFinished(() => void holder.close());
  return holder;
}

describe("the lock of a path", () => {
  it.each([
    ["a process that held it was killed", [""]],
    ["one was killed that broke the lock of another", ["", 1]],
    ["one was killed at every depth", ["", 1, 2]],
  ] as const)("serve takes the path when %s", async (_, depths) => {
    const path = newPath();
    for (const depth of depths) await makeStaleSocket(lockOf(path, depth));
    await makeStaleSocket(path);
    await listening({ path });
    expect(await answerAt(path)).toBe("answered");
    expect(readdirSync(dirname(path))).toEqual([basename(path)]);
  });

  it("serve waits for a process that has it, and looks at the path behind that", async () => {
    const path = newPath();
    const holder = await holdLock(path);
    const connected = once(holder, "connection");
    const starting = serve({ path, fetch: () => new Response("answered") });
    const [waiting] = await connected;
    expect(await isSettled(starting)).toBe(false);
    expect(existsSync(path)).toBe(false);
    // What it does under the lock.
    const other = createServer();
    await once(other.listen(path), "listening");
    onTestFinished(() => void other.close());
    holder.close();
    waiting.destroy();
    await expect(starting).rejects.toThrow(`Cannot listen on ${path}: another process listens there (EADDRINUSE)`);
    expect(readdirSync(dirname(path))).toEqual([basename(path)]);
  });

  it("serve refuses the path and leaves the file untouched when a file has the name of the lock", async () => {
    const path = newPath();
    writeFileSync(lockOf(path), "precious");
    await expect(serve({ path, fetch: () => new Response() })).rejects.toThrow(
      `Cannot listen on ${lockOf(path)}: the file exists and is not a socket`,
    );
    expect(readFileSync(lockOf(path), "utf8")).toBe("precious");
    expect(readdirSync(dirname(path))).toEqual([basename(lockOf(path))]);
  });

  it("close says that it can't remove the file and closes when the folder may not be written to", async () => {
    const path = newPath();
    const errors: unknown[] = [];
    const server = await serve({ path, fetch: () => new Response(), onError: (error) => errors.push(error) });
    chmodSync(dirname(path), 0o555);
    // Root may write everywhere.
    if (isRoot) process.seteuid!(NOBODY);
    const closing = server.close();
    if (isRoot) process.seteuid!(0);
    await closing;
    chmodSync(dirname(path), 0o755);
    expect(String(errors)).toMatch(/^Error: Cannot remove .*app\.sock: EACCES: permission denied/);
    await listening({ path });
    expect(await answerAt(path)).toBe("answered");
  });
});

/** Node's sockets. `onListening` is called when a socket listens that is to be given its path, with a function that has it accept a connection. */
function withListening(onListening: (accept: () => void) => void): typeof nodeRuntime {
  const [connection] = connectionPair();
  return {
    ...nodeRuntime,
    async bind(place, events) {
      const socket = await nodeRuntime.bind(place, events);
      const isLock = "path" in place && basename(place.path) === "lock";
      if (!isLock) onListening(() => events.onConnection(connection));
      return socket;
    },
  };
}

describe("programs that take no lock", () => {
  const unheard = { onConnection() {}, onError() {} };

  it("serve leaves what another program puts in the place of a dead socket while serve looks at it", async () => {
    const path = newPath();
    await makeStaleSocket(path);
    const runtime: typeof nodeRuntime = {
      ...nodeRuntime,
      async openUnix(at, signal) {
        try {
          return await nodeRuntime.openUnix(at, signal);
        } finally {
          rmSync(at);
          writeFileSync(at, "precious");
        }
      },
    };
    await expect(listen(runtime, { path }, unheard)).rejects.toThrow(
      `Cannot listen on ${path}: another program has made a file there in the meantime (EEXIST)`,
    );
    expect(readFileSync(path, "utf8")).toBe("precious");
    expect(readdirSync(dirname(path))).toEqual([basename(path)]);
  });

  it("serve leaves the lock of another process when its own was removed", async () => {
    const path = newPath();
    const runtime = withListening(() => {
      rmSync(lockOf(path));
      writeFileSync(lockOf(path), "of another");
    });
    const listener = await listen(runtime, { path }, unheard);
    expect(readFileSync(lockOf(path), "utf8")).toBe("of another");
    rmSync(lockOf(path));
    await listener.stop();
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  it.each([
    ["has another name", linkSync],
    ["was moved", renameSync],
    [
      "was replaced",
      (path: string, other: string) => {
        renameSync(path, other);
        writeFileSync(path, "");
      },
    ],
  ])(
    "close accepts no more connections than can have waited when its socket %s and clients go on",
    async (_, change) => {
      const path = newPath();
      let accept = (): void => {};
      const runtime = withListening((each) => {
        accept = each;
      });
      let accepted = 0;
      const listener = await listen(runtime, { path }, { ...unheard, onConnection: () => accepted++ });
      change(path, `${path}-2`);
      const clients = setInterval(() => {
        for (let count = 0; count < 500; count++) accept();
      });
      onTestFinished(() => clearInterval(clients));
      await listener.stop();
      expect(accepted).toBeGreaterThanOrEqual(4096);
      expect(accepted).toBeLessThan(10_000);
    },
  );
});

it.each(["lock", "socket", "shared", "-", "a b", "日本.sock"])(
  "serve listens when the name of the socket is %j",
  async (name) => {
    const path = newPath(name);
    const server = await listening({ path });
    expect(await answerAt(path)).toBe("answered");
    await server.close();
    expect(readdirSync(dirname(path))).toEqual([]);
  },
);

describe("a socket that this user may not connect to", () => {
  /** What serve says as a user who may make files in the folder. */
  const serveAsOther = async (path: string, takeOver: boolean): Promise<string> => {
    chmodSync(path, 0);
    chmodSync(dirname(path), 0o777);
    chmodSync(folder.path, 0o755);
    // Root may connect to every socket.
    if (isRoot) process.seteuid!(NOBODY);
    try {
      const server = await serve({ path, takeOver, fetch: () => new Response() });
      await server.close();
      return "serves";
    } catch (error) {
      return (error as Error).message;
    } finally {
      if (isRoot) process.seteuid!(0);
    }
  };

  it("serve leaves that of a process that listens, and takes it over when it may", async () => {
    const path = newPath();
    const other = createServer();
    await once(other.listen(path), "listening");
    onTestFinished(() => void other.close());
    expect(await serveAsOther(path, false)).toBe(
      `Cannot listen on ${path}: another process listens there (EADDRINUSE)`,
    );
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(await serveAsOther(path, true)).toBe("serves");
  });

  it("serve leaves that of a process of which nothing is known, also with takeOver", async () => {
    const path = newPath();
    await makeStaleSocket(path);
    for (const takeOver of [false, true]) {
      expect(await serveAsOther(path, takeOver)).toBe(
        `Cannot listen on ${path}: this user may not listen there (EACCES)`,
      );
    }
    expect(lstatSync(path).isSocket()).toBe(true);
  });
});

describe("the permissions of a socket file", () => {
  it("serve makes the socket where no other user comes to, and gives it its path with its mode, when the umask is 0", async () => {
    const path = newPath();
    const made: string[] = [];
    const usual = process.umask(0);
    onTestFinished(() => void process.umask(usual));
    const runtime: typeof nodeRuntime = {
      ...nodeRuntime,
      async bind(place, events) {
        const socket = await nodeRuntime.bind(place, events);
        const { path: first } = place as { path: string };
        made.push(basename(first));
        expect(statSync(first).mode & 0o777).toBe(0o777);
        expect(statSync(dirname(first)).mode & 0o777).toBe(0o700);
        expect(existsSync(path)).toBe(false);
        return socket;
      },
    };
    const listener = await listen(runtime, { path, mode: 0o600 }, { onConnection: () => {}, onError: () => {} });
    expect(made.toSorted()).toEqual([basename(path), "lock"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await listener.stop();
  });

  it("serve listens when the umask takes the rights of the owner", async () => {
    const path = newPath();
    chmodSync(folder.path, 0o755);
    if (isRoot) chownSync(dirname(path), NOBODY, NOBODY);
    const command = [process.execPath, "--import", "tsx", program, JSON.stringify({ path })];
    const child = await startProcess("sh", {
      name: "the application",
      // As some do so that sockets get a mode of their own.
      args: ["-c", 'umask 0777; exec "$@"', "sh", ...command],
      ...(isRoot && { uid: NOBODY }),
      ready: () => existsSync(path),
    });
    onTestFinished(() => child.stop());
    await waitUntil(() => child.stdout() !== "");
    expect(JSON.parse(child.stdout())).toEqual({ address: { path } });
    expect(statSync(path).mode & 0o777).toBe(0o660);
    expect(readdirSync(dirname(path))).toEqual([basename(path)]);
  });

  it("serve gives the socket file the group of a folder with the set-group-ID bit", async () => {
    const path = newPath();
    const group = isRoot ? NOBODY : process.getgid!();
    chownSync(dirname(path), -1, group);
    chmodSync(dirname(path), 0o2770);
    await listening({ path });
    expect(statSync(path).gid).toBe(group);
    expect(statSync(path).mode & 0o777).toBe(0o660);
  });
});

describe("a path as long as a socket's can be", () => {
  it.each(["a", "a.sock", "a-socket-with-a-long-name.sock"])(
    "serve listens and closes when the name is %s",
    async (name) => {
      const most = process.platform === "linux" ? 107 : 103;
      const parent = join(folder.path, String(++sockets)).padEnd(most - name.length - 1, "-");
      mkdirSync(parent);
      const path = join(parent, name);
      // The name of the lock is longer still.
      const stale = join(folder.path, "stale");
      await makeStaleSocket(stale);
      renameSync(stale, lockOf(path));
      const server = await serve({ path, fetch: () => new Response("answered") });
      expect(await answerAt(path)).toBe("answered");
      await expect(serve({ path, fetch: () => new Response() })).rejects.toThrow("another process listens there");
      expect(lstatSync(path).isSocket()).toBe(true);
      await server.close();
      expect(existsSync(path)).toBe(false);
      expect(linksTo(parent)).toEqual([]);
    },
  );
});
