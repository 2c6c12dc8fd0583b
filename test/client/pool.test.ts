import { describe, expect, it } from "vitest";
import {
  type ConnectOptions,
  FastCgiClient,
  type FastCgiClientOptions,
  FastCgiError,
  type FastCgiRequestInit,
} from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { closingClients } from "../support/closing_clients.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { connectionPair } from "../support/memory_connection.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { answer, answering, ScriptedApplication, ScriptedConnector, stdout } from "../support/scripted_application.ts";
import { isSettled, streamOf, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const get: FastCgiRequestInit = { params: [["REQUEST_METHOD", "GET"]] };
const post: FastCgiRequestInit = { params: [["REQUEST_METHOD", "POST"]] };
const closing = closingClients();

/** A request by name, so that tests can say which was served. */
function named(name: string, options: Partial<FastCgiRequestInit> = {}): FastCgiRequestInit {
  return {
    params: [
      ["REQUEST_METHOD", "GET"],
      ["NAME", name],
    ],
    ...options,
  };
}

/** A client whose application answers each request with its name when the test says so. */
function manual(options: FastCgiClientOptions = {}) {
  const waiting = new Map<string, () => void>();
  const places = new Map<string, number>();
  const connector = new ScriptedConnector(async (application, connection) => {
    for (let request = await application.request(); request !== null; request = await application.request()) {
      const name = request.params.get("NAME")!;
      places.set(name, connection);
      await new Promise<void>((resolve) => waiting.set(name, resolve));
      await application.send(answer(request.requestId, name));
    }
  });
  const client = closing(new FastCgiClient(connector, options));
  const finish = async (name: string): Promise<void> => {
    await turns();
    waiting.get(name)!();
    waiting.delete(name);
    await turns();
  };
  return {
    client,
    connector,
    finish,
    running: () => [...waiting.keys()],
    /** The number of the connection that a request was put on. */
    placeOf: (name: string) => places.get(name),
  };
}

async function text(client: FastCgiClient, request = get): Promise<string> {
  return textFrom((await client.send(request)).stdout);
}

describe("Pool: connections", () => {
  it("Pool opens no more than maxConnections, and serves who waits first come, first served", async () => {
    const { client, connector, finish, running } = manual({ maxConnections: 2 });
    const done: string[] = [];
    for (const name of ["a", "b", "c", "d", "e"]) void text(client, named(name)).then((value) => done.push(value));
    await turns();
    expect(running()).toEqual(["a", "b"]);
    expect(client.status).toEqual({ connections: 2, idle: 0, active: 2, waiting: 3 });
    await finish("b");
    expect(running()).toEqual(["a", "c"]);
    await finish("a");
    expect(running()).toEqual(["c", "d"]);
    for (const name of ["d", "c", "e"]) await finish(name);
    expect(done).toEqual(["b", "a", "d", "c", "e"]);
    // None is kept.
    expect(connector.connections.length).toBe(5);
    expect(client.status).toEqual({ connections: 0, idle: 0, active: 0, waiting: 0 });
  });

  it("Pool hands a kept connection on to the next in line", async () => {
    const { client, connector, finish, running } = manual({ maxConnections: 1, keepAlive: true });
    const all = ["a", "b", "c"].map((name) => text(client, named(name)));
    for (const name of ["a", "b", "c"]) {
      await turns();
      expect(running()).toEqual([name]);
      await finish(name);
    }
    expect(await Promise.all(all)).toEqual(["a", "b", "c"]);
    expect(connector.connections.length).toBe(1);
    expect(client.status).toMatchObject({ connections: 1, idle: 1 });
  });

  it("Pool rejects with limit when maxQueuedRequests wait already", async () => {
    const { client, finish } = manual({ maxConnections: 1, maxQueuedRequests: 2 });
    const open = new OpenStream();
    const all = ["a", "b", "c"].map((name) => text(client, named(name)));
    const error = await client.send(named("d", { stdin: open.stream })).catch((reason) => reason);
    expect(error).toMatchObject({
      code: "limit",
      limit: "maxQueuedRequests",
      gatewayStatus: 503,
      message: "Cannot send the request: 2 wait for one of 1 connections",
    });
    expect(open.cancelled).toBe(error);
    for (const name of ["a", "b", "c"]) await finish(name);
    expect(await Promise.all(all)).toEqual(["a", "b", "c"]);
  });

  it("Pool counts requests as waiting for which no connection can be opened", async () => {
    const { client, finish } = manual({ maxConnections: 2, maxQueuedRequests: 1 });
    const all = ["a", "b"].map((name) => text(client, named(name)));
    await turns();
    all.push(text(client, named("c")));
    const refused = text(client, named("d")).catch((reason) => reason.limit);
    await turns();
    expect(client.status).toMatchObject({ active: 2, waiting: 1 });
    expect(await refused).toBe("maxQueuedRequests");
    for (const name of ["a", "b", "c"]) await finish(name);
    expect(await Promise.all(all)).toEqual(["a", "b", "c"]);
  });

  it("Pool takes a request out of the line when its signal aborts, and the others move up", async () => {
    const { client, finish, running } = manual({ maxConnections: 1 });
    const controller = new AbortController();
    const open = new OpenStream();
    const first = text(client, named("a"));
    const second = client.send(named("b", { signal: controller.signal, stdin: open.stream })).catch((reason) => reason);
    const third = text(client, named("c"));
    await turns();
    const reason = new Error("Enough");
    controller.abort(reason);
    expect(await second).toBe(reason);
    expect(open.cancelled).toBe(reason);
    expect(client.status.waiting).toBe(1);
    await finish("a");
    expect(running()).toEqual(["c"]);
    await finish("c");
    expect(await Promise.all([first, third])).toEqual(["a", "c"]);
  });

  it("Pool keeps maxIdle connections, and closes those unused for longest", async () => {
    const { client, connector, finish } = manual({ keepAlive: true, maxIdle: 2 });
    const names = ["a", "b", "c", "d"];
    const all = names.map((name) => text(client, named(name)));
    for (const name of ["b", "a", "d", "c"]) await finish(name);
    await Promise.all(all);
    expect(connector.connections.map(({ isClosed }) => isClosed)).toEqual([true, true, false, false]);
    expect(client.status).toMatchObject({ connections: 2, idle: 2 });
  });

  it("Pool takes the connection that was used last, so that the others can go", async () => {
    for (const order of [
      ["a", "b"],
      ["b", "a"],
    ]) {
      const { client, connector, finish, placeOf } = manual({ keepAlive: true });
      const all = ["a", "b"].map((name) => text(client, named(name)));
      for (const name of order) await finish(name);
      await Promise.all(all);
      const again = text(client, named("c"));
      await turns();
      expect(client.status).toMatchObject({ connections: 2, idle: 1 });
      expect(placeOf("c")).toBe(placeOf(order[1]!));
      await finish("c");
      await again;
      expect(connector.connections.length).toBe(2);
    }
  });

  it("Pool closes a connection after maxRequestsPerConnection", async () => {
    const connector = new ScriptedConnector(answering(({ keepConn }) => String(keepConn)));
    const client = closing(new FastCgiClient(connector, { keepAlive: true, maxRequestsPerConnection: 2 }));
    for (let count = 0; count < 5; count++) {
      await text(client);
      await turns();
    }
    expect(connector.connections.map(({ isClosed }) => isClosed)).toEqual([true, true, false]);
  });

  it("Pool gives a request that must not be sent twice no connection that was idle", async () => {
    const connector = new ScriptedConnector(answering(() => "x"));
    const client = closing(new FastCgiClient(connector, { keepAlive: true, maxConnections: 1 }));
    for (const request of [get, get, post, get, { ...get, stdin: streamOf(latin1("body")) }]) {
      await text(client, request);
      await turns();
    }
    // An idle one makes room: 1 is closed for the POST, 2 for the body that can't be read again.
    expect(connector.connections.map(({ isClosed }) => isClosed)).toEqual([true, true, false]);
    expect(client.status).toMatchObject({ connections: 1 });
  });

  it("Pool gives any request a kept connection with reuseForAll", async () => {
    const connector = new ScriptedConnector(answering(() => "x"));
    const client = closing(new FastCgiClient(connector, { keepAlive: true, reuseForAll: true }));
    for (const request of [get, post, post]) {
      await text(client, request);
      await turns();
    }
    expect(connector.connections.length).toBe(1);
  });

  it("Pool lets others pass a request that waits for a new connection", async () => {
    const { client, connector, finish, running } = manual({ keepAlive: true, maxConnections: 2 });
    const first = text(client, named("a"));
    await finish("a");
    await first;
    const slow = text(client, {
      params: [
        ["REQUEST_METHOD", "POST"],
        ["NAME", "post"],
      ],
    });
    const quick = text(client, named("b"));
    await turns();
    expect(running().sort()).toEqual(["b", "post"]);
    expect(connector.connections.length).toBe(2);
    await finish("b");
    await finish("post");
    expect(await Promise.all([slow, quick])).toEqual(["post", "b"]);
  });

  it("Pool makes room for a request that needs a new connection, although others always wait for the kept ones", async () => {
    const { client, finish, running, placeOf } = manual({ keepAlive: true, maxConnections: 1 });
    const all = [text(client, named("a"))];
    await turns();
    all.push(text(client, { params: [...post.params, ["NAME", "post"]] }));
    for (const name of ["b", "c"]) all.push(text(client, named(name)));
    await finish("a");
    expect(running()).toEqual(["post"]);
    expect(placeOf("post")).toBe(2);
    for (const name of ["post", "b", "c"]) await finish(name);
    expect(await Promise.all(all)).toEqual(["a", "post", "b", "c"]);
  });

  it("Pool fails a request that can't be written when it gets its connection, and goes on with the next", async () => {
    const { client, finish } = manual({ maxConnections: 1, keepAlive: true });
    const first = text(client, named("a"));
    const unwritable = client.send(named("\u20ac")).catch((reason) => reason);
    const last = text(client, named("b"));
    await finish("a");
    expect(await unwritable).toBeInstanceOf(TypeError);
    await finish("b");
    expect(await Promise.all([first, last])).toEqual(["a", "b"]);
    expect(client.status).toEqual({ connections: 1, idle: 1, active: 0, waiting: 0 });
  });

  it("Pool counts a connection whose response nobody reads as in use", async () => {
    const client = new FastCgiClient(
      new ScriptedConnector(async (application, connection) => {
        const { requestId } = (await application.request())!;
        await application.send(connection === 1 ? stdout(requestId, new Uint8Array(400_000)) : answer(requestId, "x"));
        if (connection === 1) await application.send(answer(requestId, ""));
      }),
      { maxConnections: 1 },
    );
    closing(client);
    const unread = await client.send(get);
    const next = text(client);
    await turns(50);
    expect(await isSettled(next)).toBe(false);
    await unread.stdout.cancel();
    expect(await next).toBe("x");
  });
});

describe("Pool: slow uploads", () => {
  useFakeTime();

  it.each(["a byte a second", "nothing"])(
    "Pool serves the next request when uploads bring %s for a minute",
    async (what) => {
      const connector = new ScriptedConnector(answering(() => "answered"));
      const client = closing(new FastCgiClient(connector, { maxConnections: 4 }));
      const bodies = Array.from({ length: 4 }, () => new OpenStream());
      const uploads = await Promise.all(bodies.map(({ stream }) => client.send({ ...post, stdin: stream })));
      const waiting = text(client);
      for (let second = 0; second < 59; second++) {
        await pass(1000);
        if (what !== "nothing") for (const body of bodies) body.write("x");
      }
      expect([await isSettled(waiting), client.status.active]).toEqual([false, 4]);
      await pass(2000);
      expect(await waiting).toBe("answered");
      for (const { end } of uploads) await expect(end).rejects.toMatchObject({ limit: "requestBodyTimeout" });
      expect(client.status).toMatchObject({ active: 0, waiting: 0 });
    },
  );
});

describe("Pool: closing", () => {
  it("close lets requests that wait and run finish, then resolves", async () => {
    const { client, finish, running } = manual({ maxConnections: 1, keepAlive: true });
    const all = ["a", "b"].map((name) => text(client, named(name)));
    await turns();
    const closed = client.close();
    await expect(client.send(get)).rejects.toThrow(new TypeError("Cannot send a request: the client is closed"));
    await finish("a");
    expect(running()).toEqual(["b"]);
    expect(await isSettled(closed)).toBe(false);
    await finish("b");
    await closed;
    expect(await Promise.all(all)).toEqual(["a", "b"]);
    expect(client.status).toEqual({ connections: 0, idle: 0, active: 0, waiting: 0 });
    await client.close();
  });

  it("close resolves at once when there is nothing", async () => {
    const { client } = manual();
    await client.close();
  });

  it("close aborts what waits and runs after its timeout", async () => {
    const { client, connector } = manual({ maxConnections: 1 });
    const all = ["a", "b"].map((name) => text(client, named(name)).catch((reason) => reason));
    await turns();
    await client.close({ timeout: 5 });
    const message = "Cannot finish the request: the client closes after 5 ms";
    for (const error of await Promise.all(all)) expect(error).toMatchObject({ code: "connectionClosed", message });
    expect(connector.connections[0]!.isClosed).toBe(true);
  });

  it("await using closes the client", async () => {
    const connector = new ScriptedConnector(answering(() => "x"));
    {
      await using client = new FastCgiClient(connector, { keepAlive: true });
      await text(client);
    }
    expect(connector.connections.map(({ isClosed }) => isClosed)).toEqual([true]);
  });
});

describe("Pool: connecting", () => {
  useFakeTime();

  /** A client whose connections a test opens by hand. */
  function dialled(options: FastCgiClientOptions = {}) {
    const attempts: { signal: AbortSignal; open(): void; reject(error: unknown): void }[] = [];
    const client = new FastCgiClient(
      {
        connect({ signal }: ConnectOptions) {
          const { promise, resolve, reject } = deferred<ReturnType<typeof connectionPair>[0]>();
          const open = (): void => {
            const [web, application] = connectionPair();
            void answering(({ params }) => params.get("NAME")!)(new ScriptedApplication(application), 1);
            resolve(web);
          };
          attempts.push({ signal, open, reject });
          return promise;
        },
      },
      { maxConnectRetries: 0, ...options },
    );
    return { client, attempts };
  }

  /** Two requests, of which the second was aborted while both wait for a connection. */
  async function givenUp() {
    const { client, attempts } = dialled();
    const controller = new AbortController();
    const first = text(client, named("a"));
    const second = client.send(named("b", { signal: controller.signal }));
    const reason = new Error("Enough");
    controller.abort(reason);
    await expect(second).rejects.toBe(reason);
    return { client, attempts, first };
  }

  it("Pool opens a connection for each request that waits", async () => {
    const { client, attempts } = dialled({ maxConnections: 3 });
    const all = ["a", "b", "c", "d"].map((name) => text(client, named(name)));
    expect(attempts.length).toBe(3);
    for (const attempt of attempts) attempt.open();
    await turns(50);
    attempts[3]!.open();
    expect(await Promise.all(all)).toEqual(["a", "b", "c", "d"]);
  });

  it("Pool gives up opening connections for which nobody waits any more, the latest first", async () => {
    const { attempts, first } = await givenUp();
    expect(attempts.map(({ signal }) => signal.aborted)).toEqual([false, true]);
    attempts[0]!.open();
    expect(await first).toBe("a");
  });

  it("Pool opens as many connections as the requests need that are to share them, and gives up those that they need no more", async () => {
    const options = { multiplexing: true, maxConcurrentRequests: 2, maxConnections: 3, maxQueuedRequests: 1 };
    const { client, attempts } = dialled(options);
    const controllers = Array.from({ length: 8 }, () => new AbortController());
    const reason = new Error("Enough");
    const all = controllers.map(({ signal }, index) =>
      client.send(named(String(index), { signal })).catch((error) => error.limit ?? error),
    );
    await turns();
    // Two for each of three connections, and one that waits.
    expect([attempts.length, client.status.waiting]).toEqual([3, 7]);
    expect(await all[7]).toBe("maxQueuedRequests");
    for (const [left, expected] of [
      [5, [false, false, false]],
      [4, [false, false, true]],
      [3, [false, false, true]],
      [2, [false, true, true]],
      [1, [false, true, true]],
      [0, [true, true, true]],
    ] as const) {
      for (const controller of controllers.slice(left, 7)) controller.abort(reason);
      expect(attempts.map(({ signal }) => signal.aborted)).toEqual(expected);
    }
    expect(await Promise.all(all.slice(0, 7))).toEqual(Array.from({ length: 7 }, () => reason));
    expect(client.status.waiting).toBe(0);
  });

  it("Pool opens one connection for requests that may all share it", () => {
    const { client, attempts } = dialled({ multiplexing: true });
    for (let count = 0; count < 5; count++) void client.send(named(String(count)));
    expect(attempts.length).toBe(1);
  });

  it("Pool opens connections when an attempt fails that was given up", async () => {
    const { client, attempts, first } = await givenUp();
    attempts[1]!.reject(new FastCgiError("connectFailed", "Given up"));
    await turns();
    const third = text(client, named("c"));
    expect(attempts.length).toBe(3);
    for (const index of [0, 2]) attempts[index]!.open();
    expect(await Promise.all([first, third])).toEqual(["a", "c"]);
  });

  it("Pool opens a connection when one could not be opened and the others were given up", async () => {
    const { client, attempts } = dialled();
    const controller = new AbortController();
    const reason = new Error("Enough");
    const all = ["a", "b"].map((name) =>
      client.send(named(name, { signal: controller.signal })).catch((error) => error),
    );
    attempts[0]!.reject(new FastCgiError("connectFailed", "Full"));
    await turns();
    controller.abort(reason);
    expect(await Promise.all(all)).toEqual([reason, reason]);
    const next = text(client, named("c"));
    expect(attempts.length).toBe(3);
    attempts[2]!.open();
    expect(await next).toBe("c");
  });

  it("Pool takes no notice of a signal whose request has had its connection", async () => {
    const { client, attempts } = dialled({ keepAlive: true });
    const controller = new AbortController();
    const all = [text(client, named("a", { signal: controller.signal })), text(client, named("b"))];
    attempts[1]!.open();
    expect(await Promise.all(all)).toEqual(["a", "b"]);
    controller.abort();
    expect(attempts[0]!.signal.aborted).toBe(false);
  });

  it("Pool does not fail a request that came after the attempt to connect that fails", async () => {
    const { client, attempts } = dialled({ maxConnections: 1 });
    const first = text(client, named("a")).catch((reason) => reason.message);
    const later = text(client, named("b"));
    attempts[0]!.reject(new FastCgiError("connectFailed", "Full"));
    expect(await first).toBe("Full");
    await turns();
    attempts[1]!.open();
    expect(await later).toBe("b");
  });

  it("Pool fails all who wait when the application is gone, without asking for each", async () => {
    const { client, attempts } = dialled({ maxConnections: 2 });
    const all = Array.from({ length: 20 }, (_, n) => text(client, named(String(n))).catch((reason) => reason));
    const gone = new FastCgiError("connectFailed", "Nobody is there");
    for (let round = 0; attempts.length > 0; round++) {
      expect(round).toBeLessThan(3);
      for (const attempt of attempts.splice(0)) attempt.reject(gone);
      await turns();
    }
    expect(await Promise.all(all)).toEqual(Array.from({ length: 20 }, () => gone));
    expect(client.status).toEqual({ connections: 0, idle: 0, active: 0, waiting: 0 });
  });

  it("Pool serves everybody when only some of the connections can be opened", async () => {
    const { client, attempts } = dialled({ maxConnections: 3 });
    const all = ["a", "b", "c"].map((name) => text(client, named(name)));
    attempts[0]!.reject(new FastCgiError("connectFailed", "Full"));
    attempts[1]!.reject(new FastCgiError("connectFailed", "Full"));
    await turns();
    expect(attempts.length).toBe(3);
    attempts[2]!.open();
    await turns(50);
    for (const attempt of attempts.slice(3)) attempt.open();
    expect(await Promise.all(all)).toEqual(["a", "b", "c"]);
  });

  it("Pool fails one who waits, not all, when a further connection can't be opened", async () => {
    const { client, attempts } = dialled({ maxConnections: 2 });
    const open = new OpenStream();
    const running = text(client, named("a", { stdin: open.stream }));
    attempts[0]!.open();
    await turns();
    const waiting = ["b", "c"].map((name) => text(client, named(name)).catch((reason) => reason.message));
    attempts[1]!.reject(new FastCgiError("connectFailed", "Full"));
    await turns();
    attempts[2]!.open();
    expect(await Promise.all(waiting)).toEqual(["Full", "c"]);
    open.close();
    expect(await running).toBe("a");
  });

  it("Pool fails one who waits, not all, when the connection that comes after another can't be opened", async () => {
    const { client, attempts } = dialled({ maxConnections: 2 });
    const open = new OpenStream();
    const running = text(client, named("a", { stdin: open.stream }));
    const [ended, ...waiting] = ["b", "c", "d"].map((name) =>
      text(client, named(name)).catch(({ message }) => message),
    );
    attempts[0]!.open();
    attempts[1]!.open();
    expect(await ended).toBe("b");
    await turns();
    // Both have waited for longer than the attempt lasts.
    attempts[2]!.reject(new FastCgiError("connectFailed", "Full"));
    await turns();
    attempts[3]!.open();
    expect(await Promise.all(waiting)).toEqual(["Full", "d"]);
    open.close();
    expect(await running).toBe("a");
  });

  it("Pool fails a request when the application closes each connection at once", async () => {
    let connections = 0;
    const client = new FastCgiClient({
      async connect() {
        connections++;
        const [web, application] = connectionPair();
        application.close();
        return web;
      },
    });
    await expect(text(client)).rejects.toMatchObject({ code: "connectionClosed" });
    expect(connections).toBe(1);
  });

  it("Pool closes a connection that came too late for its request, after idleTimeout", async () => {
    const { client, attempts } = dialled({ keepAlive: true, idleTimeout: 1000 });
    const all = ["a", "b"].map((name) => text(client, named(name)));
    attempts[1]!.open();
    expect(await Promise.all(all)).toEqual(["a", "b"]);
    attempts[0]!.open();
    await turns(20);
    expect(client.status).toMatchObject({ connections: 2, idle: 2 });
    await pass(1001);
    expect(client.status.connections).toBe(0);
  });

  it("close waits for a request that runs beside an attempt to connect", async () => {
    const { client, attempts } = dialled({ keepAlive: true, reuseForAll: true });
    const open = new OpenStream();
    const all = [text(client, named("a")), text(client, named("b", { stdin: open.stream }))];
    attempts[1]!.open();
    expect(await all[0]).toBe("a");
    await turns();
    expect(client.status).toEqual({ connections: 1, idle: 0, active: 1, waiting: 0 });
    const closed = client.close();
    expect(await isSettled(closed)).toBe(false);
    open.close();
    expect(await all[1]).toBe("b");
    attempts[0]!.reject(new FastCgiError("connectFailed", "Full"));
    await closed;
  });

  it("close gives up opening connections after its timeout", async () => {
    const { client, attempts } = dialled();
    const waiting = text(client).catch((reason) => reason);
    const closed = client.close({ timeout: 1000 });
    await pass(1001);
    await closed;
    expect(attempts[0]!.signal.aborted).toBe(true);
    expect(await waiting).toMatchObject({ code: "connectionClosed" });
  });
});
