import { afterEach, describe, expect, it } from "vitest";
import {
  type Connector,
  encodeNameValuePairs,
  FastCgiClient,
  type FastCgiClientOptions,
  FastCgiError,
  type FastCgiRequestInit,
  type FastCgiRetry,
  RecordType,
} from "../../src/index.ts";
import { latin1 } from "../support/bytes.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { deferred } from "../support/open_stream.ts";
import { record } from "../support/records.ts";
import {
  answer,
  answering,
  type ScriptedApplication,
  ScriptedConnector,
  stdout,
} from "../support/scripted_application.ts";
import { isSettled, streamOf, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns, unhandledRejectionsOf } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const clients: FastCgiClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close({ timeout: 1 })));
});

function clientOf(connector: Connector, options: FastCgiClientOptions = {}) {
  const retries: FastCgiRetry[] = [];
  const client = new FastCgiClient(connector, { ...options, onRetry: (retry) => retries.push(retry) });
  clients.push(client);
  return { client, retries };
}

function request(method: string, options: Partial<FastCgiRequestInit> = {}): FastCgiRequestInit {
  return { params: [["REQUEST_METHOD", method]], ...options };
}

async function text(client: FastCgiClient, init = request("GET")): Promise<string> {
  return textFrom((await client.send(init)).stdout);
}

describe("retries of a connection", () => {
  useFakeTime();

  /** A connector that fails so many times. */
  function failing(times: number, error: unknown = new FastCgiError("connectFailed", "Nobody is there")) {
    const working = new ScriptedConnector(answering(() => "x"));
    const connector = {
      attempts: 0,
      async connect() {
        connector.attempts++;
        if (connector.attempts <= times) throw error;
        return working.connect();
      },
    };
    return connector;
  }

  it("FastCgiClient waits 500 ms at most before it tries to connect again, as often as maxConnectRetries allows", async () => {
    const connector = failing(10);
    const { client } = clientOf(connector, { maxConnectRetries: 10 });
    const sent = text(client);
    await pass(50 + 200 + 1);
    expect(connector.attempts).toBe(3);
    for (let attempts = 4; attempts <= 10; attempts++) {
      await pass(498);
      expect(connector.attempts).toBe(attempts - 1);
      await pass(2);
      expect(connector.attempts).toBe(attempts);
    }
    await pass(500);
    expect(await sent).toBe("x");
  });

  it("FastCgiClient tries to connect again after 50 and 200 ms, and tells onRetry", async () => {
    const connector = failing(2);
    const { client, retries } = clientOf(connector);
    const sent = text(client);
    await pass(49);
    expect(connector.attempts).toBe(1);
    await pass(2);
    expect(connector.attempts).toBe(2);
    await pass(198);
    expect(connector.attempts).toBe(2);
    await pass(2);
    expect(await sent).toBe("x");
    expect(retries).toMatchObject([
      { reason: "connect", attempt: 1, error: { code: "connectFailed" } },
      { reason: "connect", attempt: 2, error: { code: "connectFailed" } },
    ]);
  });

  it("FastCgiClient rejects with the last error when maxConnectRetries are used up", async () => {
    for (const maxConnectRetries of [0, 1, 4]) {
      const connector = failing(99);
      const { client, retries } = clientOf(connector, { maxConnectRetries });
      const sent = text(client).catch((reason) => reason);
      await pass(5000);
      expect(await sent).toMatchObject({ code: "connectFailed", message: "Nobody is there" });
      expect([connector.attempts, retries.length]).toEqual([maxConnectRetries + 1, maxConnectRetries]);
    }
  });

  it("FastCgiClient does not try again when the connector is called wrongly", async () => {
    const connector = failing(99, new TypeError("No port"));
    const { client } = clientOf(connector);
    await expect(text(client)).rejects.toMatchObject({ code: "connectFailed", message: "Cannot connect: No port" });
    expect(connector.attempts).toBe(1);
  });

  it("FastCgiClient stops trying when the signal aborts", async () => {
    const connector = failing(99);
    const { client } = clientOf(connector);
    const controller = new AbortController();
    const sent = client.send(request("GET", { signal: controller.signal })).catch((reason) => reason);
    await pass(20);
    const reason = new Error("Enough");
    controller.abort(reason);
    expect(await sent).toBe(reason);
    await pass(5000);
    expect(connector.attempts).toBe(1);
  });

  it("FastCgiClient stops trying after connectTimeout in all", async () => {
    const connector = failing(99);
    const { client } = clientOf(connector, { connectTimeout: 100, maxConnectRetries: 9 });
    const sent = text(client).catch((reason) => reason);
    await pass(101);
    expect(await sent).toMatchObject({ code: "timeout", limit: "connectTimeout" });
    expect(connector.attempts).toBe(2);
  });

  it("FastCgiClient connects all the same when onRetry throws", async () => {
    const thrown = new Error("The log is full");
    const onRetry = (): never => {
      throw thrown;
    };
    const unhandled = await unhandledRejectionsOf(async () => {
      const client = new FastCgiClient(failing(1), { onRetry });
      clients.push(client);
      const sent = text(client);
      await pass(50);
      expect(await sent).toBe("x");
    });
    expect(unhandled).toEqual([thrown]);
  });
});

describe("retries on a kept connection that is stale", () => {
  /** Answers once on its first connection, and then does what a test says; answers all on later ones. */
  function stale(then: (application: ScriptedApplication) => void | Promise<void>) {
    return new ScriptedConnector(async (application, connection) => {
      if (connection > 1) return answering(({ stdin }) => `${connection} ${stdin.length}`)(application, connection);
      const { requestId } = (await application.request())!;
      await application.send(answer(requestId, "1"));
      await application.next();
      await then(application);
    });
  }

  it("FastCgiClient sends an idempotent request again when the connection ends before anything came", async () => {
    for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]) {
      for (const ending of ["end", "close"] as const) {
        const { client, retries } = clientOf(
          stale(async (application) => application[ending]()),
          { keepAlive: true },
        );
        await text(client);
        await turns();
        const body = new Uint8Array(3);
        expect(await text(client, request(method, { stdin: body })), `${method} ${ending}`).toBe("2 3");
        expect(retries).toMatchObject([{ reason: "stale", attempt: 1, error: { code: "connectionClosed" } }]);
      }
    }
  });

  it("FastCgiClient sends text and Blobs again", async () => {
    for (const stdin of ["body", new Blob(["body"])]) {
      const { client, retries } = clientOf(
        stale((application) => application.end()),
        { keepAlive: true },
      );
      await text(client);
      await turns();
      expect(await text(client, request("PUT", { stdin }))).toBe("2 4");
      expect(retries).toHaveLength(1);
    }
  });

  it("FastCgiClient sends it again all the same when onRetry throws", async () => {
    const thrown = new Error("The log is full");
    const onRetry = (): never => {
      throw thrown;
    };
    const unhandled = await unhandledRejectionsOf(async () => {
      const client = new FastCgiClient(
        stale((application) => application.end()),
        { keepAlive: true, onRetry },
      );
      clients.push(client);
      await text(client);
      await turns();
      expect(await text(client)).toBe("2 0");
    });
    expect(unhandled).toEqual([thrown]);
  });

  it("FastCgiClient sends nothing again when anything came", async () => {
    const pieces: [name: string, send: (application: ScriptedApplication) => Promise<void>][] = [
      ["a byte", (application) => application.sendBytes(latin1("\x01"))],
      ["output", (application) => application.send(stdout(2, "part"))],
      ["a message", (application) => application.send(record(RecordType.Stderr, 2, "warning"))],
    ];
    for (const [name, send] of pieces) {
      const { client, retries } = clientOf(
        stale(async (application) => {
          await send(application);
          await application.end();
        }),
        { keepAlive: true },
      );
      await text(client);
      await turns();
      await expect(text(client), name).rejects.toMatchObject({ code: "connectionClosed" });
      expect(retries, name).toEqual([]);
    }
  });

  it("FastCgiClient sends nothing again that may do harm, or whose body is gone", async () => {
    const requests: FastCgiRequestInit[] = [
      request("POST"),
      request("PATCH"),
      request("get"),
      { params: [] },
      request("PUT", { stdin: streamOf(latin1("body")) }),
    ];
    for (const init of requests) {
      const { client, retries } = clientOf(
        stale((application) => application.end()),
        { keepAlive: true, reuseForAll: true },
      );
      await text(client);
      await turns();
      await expect(text(client, init)).rejects.toMatchObject({ code: "connectionClosed" });
      expect(retries).toEqual([]);
    }
  });

  it("FastCgiClient sends nothing again on a connection that was new", async () => {
    const { client, retries } = clientOf(
      new ScriptedConnector(async (application) => {
        await application.next();
        await application.end();
      }),
    );
    await expect(text(client)).rejects.toMatchObject({ code: "connectionClosed" });
    expect(retries).toEqual([]);
  });

  it("FastCgiClient sends a request again on a new connection, not on another that may be stale", async () => {
    const release = deferred();
    let first = true;
    const connector = new ScriptedConnector(async (application, connection) => {
      if (connection > 3) return answering(() => "new")(application, connection);
      const { requestId } = (await application.request())!;
      if (connection === 3) first = false;
      await release.promise;
      await application.send(answer(requestId, "x"));
      await application.next();
      await application.end();
    });
    const { client, retries } = clientOf(connector, { keepAlive: true });
    const all = [text(client), text(client), text(client)];
    await turns();
    expect(first).toBe(false);
    release.resolve();
    await Promise.all(all);
    await turns();
    expect(client.status.idle).toBe(3);
    expect(await text(client)).toBe("new");
    expect(retries.length).toBe(1);
  });

  it("FastCgiClient rejects with the signal's reason when it aborts before the answer", async () => {
    const asked = deferred();
    const { client, retries } = clientOf(
      stale(async (application) => {
        asked.resolve();
        await application.closedByClient();
      }),
      { keepAlive: true },
    );
    await text(client);
    await turns();
    const controller = new AbortController();
    const sent = text(client, request("GET", { signal: controller.signal })).catch((reason) => reason);
    await asked.promise;
    const reason = new Error("Enough");
    controller.abort(reason);
    expect(await sent).toBe(reason);
    expect(retries).toEqual([]);
  });

  it("FastCgiClient gives params out of an iterable that can be read once", async () => {
    const { client } = clientOf(
      stale((application) => application.end()),
      { keepAlive: true },
    );
    await text(client);
    await turns();
    const params = new Map([["REQUEST_METHOD", "GET"]]).entries();
    expect(await text(client, { params })).toBe("2 0");
  });

  it("send waits for the first output where the request may have to be sent again, and no longer", async () => {
    const go = deferred();
    const { client } = clientOf(
      stale(async (application) => {
        await go.promise;
        await application.send(stdout(2, "part"));
        await application.closedByClient();
      }),
      { keepAlive: true },
    );
    await text(client);
    await turns();
    const sent = client.send(request("GET"));
    await turns();
    expect(await isSettled(sent)).toBe(false);
    go.resolve();
    const response = await sent;
    await response.stdout.cancel();
  });
});

describe("retries on a shared connection that the application closes", () => {
  /** Answers the first request, and of the two that come then only the first, before it closes; answers all on later connections. */
  function closing(before: (application: ScriptedApplication, id: number) => unknown = () => {}) {
    return new ScriptedConnector(async (application, connection) => {
      if (connection > 1) return answering(({ requestId }) => `${connection} ${requestId}`)(application, connection);
      const { requestId } = (await application.next())!;
      const values = encodeNameValuePairs([["FCGI_MPXS_CONNS", "1"]]);
      await application.send(record(RecordType.GetValuesResult, requestId, values));
      for (const expected of [1, 2, 3]) {
        const received = (await application.request())!;
        expect(received.requestId).toBe(expected);
        if (expected === 3) await before(application, 3);
        else if (expected === 1) await application.send(answer(1, "1"));
      }
      await application.send(answer(2, "2"));
      application.close();
    });
  }

  async function outcomes(connector: Connector, last: FastCgiRequestInit) {
    const { client, retries } = clientOf(connector, { multiplexing: true });
    // As the HTTP client does.
    const ask = async (init: FastCgiRequestInit): Promise<string> => textFrom((await client.start(init)).stdout);
    expect(await ask(request("GET"))).toBe("1");
    const both = [ask(request("GET")), ask(last).catch((error) => error)];
    return { both: await Promise.all(both), retries };
  }

  it("FastCgiClient sends an idempotent request again when nothing of its answer came, whatever came for others", async () => {
    const { both, retries } = await outcomes(closing(), request("GET"));
    expect(both).toEqual(["2", "2 1"]);
    expect(retries).toMatchObject([{ reason: "stale", attempt: 1, error: { code: "connectionClosed", requestId: 3 } }]);
  });

  it.each<[string, FastCgiRequestInit, ((application: ScriptedApplication, id: number) => unknown)?]>([
    ["may do harm", request("POST")],
    ["is answered in part", request("GET"), (application, id) => application.send(stdout(id, "part"))],
    ["has a message", request("GET"), (application, id) => application.send(record(RecordType.Stderr, id, "why"))],
  ])("FastCgiClient sends nothing again that %s", async (_, last, before) => {
    const { both, retries } = await outcomes(closing(before), last);
    expect(both).toMatchObject(["2", { code: "connectionClosed", requestId: 3 }]);
    expect(retries).toEqual([]);
  });
});
