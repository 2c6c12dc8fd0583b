import { describe, expect, it } from "vitest";
import {
  type Connector,
  encodeNameValuePairs,
  FastCgiClient,
  type FastCgiClientOptions,
  type FastCgiClientResponse,
  FastCgiError,
  type FastCgiRecord,
  type FastCgiRequestInit,
  type FastCgiRetry,
  failover,
  ProtocolStatus,
  RecordType,
  roundRobin,
} from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { closingClients } from "../support/closing_clients.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { deferred } from "../support/open_stream.ts";
import { record } from "../support/records.ts";
import {
  answer,
  answering,
  end,
  type ScriptedApplication,
  ScriptedConnector,
  stdout,
} from "../support/scripted_application.ts";
import { drain, streamOf, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns, unhandledRejectionsOf } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const closing = closingClients();

function clientOf(connector: Connector, options: FastCgiClientOptions = {}) {
  const retries: FastCgiRetry[] = [];
  const client = closing(new FastCgiClient(connector, { ...options, onRetry: (retry) => retries.push(retry) }));
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
      const client = closing(new FastCgiClient(failing(1), { onRetry }));
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
      closing(client);
      await text(client);
      await turns();
      expect(await text(client)).toBe("2 0");
    });
    expect(unhandled).toEqual([thrown]);
  });

  it("FastCgiClient sends nothing again when onRetry cancels the response", async () => {
    const connector = stale((application) => application.end());
    let response: FastCgiClientResponse | null = null;
    const client = closing(
      new FastCgiClient(connector, { keepAlive: true, onRetry: () => void response!.stdout.cancel("not wanted") }),
    );
    await text(client);
    await turns();
    response = await client.send(request("GET"));
    await expect(response.end).rejects.toBe("not wanted");
    await turns();
    expect(connector.connections.length).toBe(1);
    expect(client.status).toEqual({ connections: 0, idle: 0, active: 0, waiting: 0 });
  });

  it("FastCgiClient fails the response at once when onRetry aborts the request, even if another has its place", async () => {
    const release = deferred();
    const connector = new ScriptedConnector(async (application, connection) => {
      const { requestId } = (await application.request())!;
      if (connection > 1) await release.promise;
      await application.send(answer(requestId, String(connection)));
      if (connection > 1) return;
      await application.next();
      await application.end();
    });
    const controller = new AbortController();
    const reason = new Error("not again");
    const client = closing(
      new FastCgiClient(connector, {
        keepAlive: true,
        maxConnections: 1,
        onRetry: () => controller.abort(reason),
      }),
    );
    await text(client);
    await turns();
    const response = await client.send(request("GET", { signal: controller.signal }));
    const other = text(client);
    await expect(response.end).rejects.toBe(reason);
    release.resolve();
    expect(await other).toBe("2");
    await turns();
    expect(connector.connections.length).toBe(2);
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

  it("send waits for nothing, and its response goes on where the request is sent again", async () => {
    const go = deferred();
    const { client, retries } = clientOf(
      stale(async (application) => {
        await go.promise;
        application.close();
      }),
      { keepAlive: true },
    );
    await text(client);
    await turns();
    const response = await client.send(request("GET"));
    expect(response.requestId).toBe(2);
    const { end } = response;
    const read = textFrom(response.stdout);
    go.resolve();
    expect(await read).toBe("2 0");
    expect(await end).toEqual({ appStatus: 0, protocolStatus: ProtocolStatus.RequestComplete });
    expect(response.requestId).toBe(1);
    expect(retries).toHaveLength(1);
  });

  /** A client with one connection, whose request waits for another one after it was found stale. */
  async function waitingAgain(init: Partial<FastCgiRequestInit> = {}) {
    const busy = deferred();
    const connector = new ScriptedConnector(async (application, connection) => {
      const { requestId } = (await application.request())!;
      if (connection === 2) await busy.promise;
      await application.send(answer(requestId, String(connection)));
      if (connection === 1) {
        await application.next();
        await application.end();
      } else {
        await answering(() => "late")(application, connection);
      }
    });
    const { client } = clientOf(connector, { keepAlive: true, maxConnections: 1 });
    await text(client);
    await turns();
    const response = await client.send(request("GET", init));
    // Takes the place of the connection that is stale before the other request can.
    const other = text(client);
    await turns();
    expect(client.status).toEqual({ connections: 1, idle: 0, active: 1, waiting: 1 });
    return { client, connector, response, other, busy };
  }

  it("FastCgiClient gives a request up that waits to be sent again when its signal aborts", async () => {
    const controller = new AbortController();
    const { client, response, other, busy } = await waitingAgain({ signal: controller.signal });
    const reason = new Error("Enough");
    controller.abort(reason);
    await expect(response.end).rejects.toBe(reason);
    expect((await drain(response.stdout)).error).toBe(reason);
    expect(client.status.waiting).toBe(0);
    busy.resolve();
    expect(await other).toBe("2");
  });

  it("FastCgiClient gives a request up that waits to be sent again when its stdout is cancelled", async () => {
    const { client, connector, response, other, busy } = await waitingAgain();
    const reason = new Error("Enough");
    await response.stdout.cancel(reason);
    await expect(response.end).rejects.toBe(reason);
    expect(client.status.waiting).toBe(0);
    busy.resolve();
    expect(await other).toBe("2");
    expect(connector.connections).toHaveLength(2);
  });

  it("FastCgiClient fails the response with what keeps the request from being sent again", async () => {
    let attempts = 0;
    const working = stale((application) => application.end());
    const connector: Connector = {
      connect: () => (++attempts === 1 ? working.connect() : Promise.reject(new TypeError("A wrong call"))),
    };
    const { client, retries } = clientOf(connector, { keepAlive: true });
    await text(client);
    await turns();
    const response = await client.send(request("GET"));
    await expect(response.end).rejects.toMatchObject({ code: "connectFailed" });
    expect((await drain(response.stdout)).error).toMatchObject({ code: "connectFailed" });
    expect(retries).toHaveLength(1);
  });
});

describe("retries of a request that an application has refused", () => {
  const { Overloaded, CantMpxConn, UnknownRole } = ProtocolStatus;

  /** An application that refuses so many requests, and answers the others with its name. */
  function refusing(name: string, times: number, protocolStatus: number = Overloaded) {
    const received: string[] = [];
    const connector = new ScriptedConnector(async (application) => {
      for (let request = await application.request(); request !== null; request = await application.request()) {
        received.push(Buffer.from(request.stdin).toString());
        if (received.length <= times) await application.send(end(request.requestId, protocolStatus));
        else await application.send(answer(request.requestId, name));
      }
    });
    return Object.assign(connector, { received });
  }

  it.each([
    ["failover", failover],
    ["roundRobin", roundRobin],
  ])("FastCgiClient sends a request to the next application of %s when one is overloaded", async (_, compose) => {
    const requests: FastCgiRequestInit[] = [
      request("GET"),
      request("POST", { stdin: "body" }),
      request("PATCH", { stdin: new Blob(["body"]) }),
    ];
    for (const keepAlive of [false, true]) {
      for (const init of requests) {
        const [first, second, third] = [refusing("1", 9), refusing("2", 9), refusing("3", 0)];
        const failures: unknown[][] = [];
        const onFailure = (...failure: unknown[]): unknown => failures.push(failure);
        const { client, retries } = clientOf(compose([first, second, third], { onFailure }), { keepAlive });
        expect(await text(client, init)).toBe("3");
        const overloaded = expect.objectContaining({ code: "overloaded", protocolStatus: Overloaded });
        expect(retries).toEqual([
          { reason: "refused", error: overloaded, attempt: 1 },
          { reason: "refused", error: overloaded, attempt: 2 },
        ]);
        expect(failures).toEqual([
          [overloaded, first],
          [overloaded, second],
        ]);
        const body = init.stdin === undefined ? "" : "body";
        expect([first.received, second.received, third.received]).toEqual([[body], [body], [body]]);
      }
    }
  });

  it("FastCgiClient opens no connection to an overloaded application until coolDown is over", async () => {
    const [first, second] = [refusing("1", 1), refusing("2", 0)];
    const { client } = clientOf(failover([first, second]), { keepAlive: true });
    for (let count = 0; count < 3; count++) {
      expect(await text(client)).toBe("2");
      await turns();
    }
    expect([first.received.length, second.received.length]).toEqual([1, 3]);
  });

  it("FastCgiClient asks the same application again when coolDown is 0, for another request", async () => {
    const [first, second] = [refusing("1", 2), refusing("2", 0)];
    const { client } = clientOf(failover([first, second], { coolDown: 0 }), { keepAlive: true });
    const answers: string[] = [];
    for (let count = 0; count < 4; count++) {
      answers.push(await text(client));
      await turns();
    }
    expect(answers).toEqual(["2", "2", "1", "1"]);
    expect(client.status.connections).toBeLessThanOrEqual(2);
  });

  it("FastCgiClient sends nothing to the next application when onRetry cancels the response, even if it has a connection", async () => {
    const [first, second] = [refusing("1", 9), refusing("2", 0)];
    let response: FastCgiClientResponse | null = null;
    const client = closing(
      new FastCgiClient(
        { connect: () => first.connect(), alternativeTo: () => second },
        { keepAlive: true, onRetry: () => void response?.stdout.cancel("not wanted") },
      ),
    );
    expect(await text(client)).toBe("2");
    await turns();
    expect(client.status.idle).toBe(1);
    response = await client.send(request("GET"));
    await expect(response.end).rejects.toBe("not wanted");
    await turns();
    expect([first.received.length, second.received.length]).toEqual([2, 1]);
  });

  it("FastCgiClient fails the request when all applications are overloaded, or the others can't be reached", async () => {
    const down: Connector = { connect: () => Promise.reject(new Error("down")) };
    for (const other of [refusing("2", 9), down]) {
      const { client } = clientOf(failover<Connector>([refusing("1", 9), other]), { maxConnectRetries: 0 });
      const response = await client.send(request("POST", { stdin: "body" }));
      const overloaded = { code: "overloaded", gatewayStatus: 503 };
      expect((await drain(response.stdout)).error).toMatchObject(overloaded);
    }
  });

  describe("and another one that does not answer the connection", () => {
    useFakeTime();

    it("FastCgiClient fails the request with the refusal after connectTimeout", async () => {
      const silent: Connector = { connect: () => new Promise(() => {}) };
      const { client } = clientOf(failover<Connector>([refusing("1", 9), silent]), { connectTimeout: 500 });
      const response = await client.send(request("POST", { stdin: "body" }));
      await pass(501);
      await expect(response.end).rejects.toMatchObject({ code: "overloaded", gatewayStatus: 503 });
    });
  });

  it("FastCgiClient sends nothing again that may have run, or whose body is gone", async () => {
    const scripts: [name: string, init: FastCgiRequestInit, output: FastCgiRecord[], status: number, code: string][] = [
      ["a stream", request("POST", { stdin: streamOf(latin1("body")) }), [], Overloaded, "overloaded"],
      ["behind output", request("GET"), stdout(1, "part"), Overloaded, "overloaded"],
      ["behind a message", request("GET"), [record(RecordType.Stderr, 1, "warning")], Overloaded, "overloaded"],
      ["another refusal", request("GET"), [], UnknownRole, "unknownRole"],
      ["CANT_MPX_CONN on a connection of its own", request("GET"), [], CantMpxConn, "cantMultiplex"],
    ];
    for (const [name, init, output, status, code] of scripts) {
      const first = new ScriptedConnector(async (application) => {
        await application.request();
        await application.send(output, end(1, status));
      });
      const second = refusing("2", 0);
      const { client, retries } = clientOf(failover([first, second]));
      const { stdout: out } = await client.send(init);
      expect((await drain(out)).error, name).toMatchObject({ code });
      expect([retries, second.received], name).toEqual([[], []]);
    }
  });

  it("FastCgiClient leaves a request that one application refuses alone when there is no other", async () => {
    const { client, retries } = clientOf(refusing("1", 1));
    await expect(text(client)).rejects.toMatchObject({ code: "overloaded" });
    expect(retries).toEqual([]);
    expect(await text(client)).toBe("1");
  });

  it("FastCgiClient finds its way through connectors that are made of several themselves", async () => {
    const [a, b, c] = [refusing("a", 9), refusing("b", 9), refusing("c", 0)];
    const { client, retries } = clientOf(failover<Connector>([roundRobin([a, b]), c]));
    expect(await text(client)).toBe("c");
    expect(retries).toHaveLength(2);
    expect([a, b, c].map(({ received }) => received.length)).toEqual([1, 1, 1]);
  });

  it("FastCgiClient keeps to the key of a request that goes to another application", async () => {
    const tenants = (name: string, times: number): Connector => ({
      keyOf: ({ params }) => params.get("HTTP_HOST")!,
      connect: ({ key }) => refusing(`${name} of ${key}`, times).connect(),
    });
    const { client } = clientOf(failover([tenants("first", 9), tenants("second", 0)]));
    const params: [string, string][] = [["HTTP_HOST", "a.test"]];
    expect(await text(client, { params })).toBe("second of a.test");
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
    const ask = async (init: FastCgiRequestInit): Promise<string> => textFrom((await client.send(init)).stdout);
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
