import { describe, expect, it } from "vitest";
import {
  type ConnectOptions,
  type Connector,
  type ConnectorRequest,
  FastCgiClient,
  type FastCgiClientOptions,
  type FastCgiConnection,
  FastCgiHttpClient,
  type FastCgiRequestInit,
  FastCgiServer,
  failover,
  type NameValuePair,
  RecordType,
  Role,
  roundRobin,
} from "../../src/toolkit.ts";
import { closingClients } from "../support/closing_clients.ts";
import { connectionPair } from "../support/memory_connection.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { answer, answering, ScriptedConnector } from "../support/scripted_application.ts";
import { isSettled, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const closing = closingClients();

function clientOf(connector: Connector, options: FastCgiClientOptions = {}): FastCgiClient {
  return closing(new FastCgiClient(connector, options));
}

/** A connector with an application for each host, which answers with its own name and that of the host it was asked for. */
class Tenants implements Connector {
  readonly applications = new Map<string, ScriptedConnector>();
  /** The keys of the connections, in the order in which they were opened. */
  readonly opened: (string | undefined)[] = [];
  readonly asked: ConnectorRequest[] = [];

  keyOf(request: ConnectorRequest): string {
    this.asked.push(request);
    const host = request.params.get("HTTP_HOST");
    if (host === undefined || !host.endsWith(".test")) throw new RangeError(`There is no ${host}`);
    return host;
  }

  connect({ key }: ConnectOptions): Promise<FastCgiConnection> {
    this.opened.push(key);
    let application = this.applications.get(key!);
    if (application === undefined) {
      application = new ScriptedConnector(answering(({ params }) => `${key} answers ${params.get("HTTP_HOST")}`));
      this.applications.set(key!, application);
    }
    return application.connect();
  }
}

function requestTo(host: string, others: Partial<FastCgiRequestInit> = {}): FastCgiRequestInit {
  const params: NameValuePair[] = [
    ["REQUEST_METHOD", "GET"],
    ["HTTP_HOST", host],
  ];
  return { params, ...others };
}

async function text(client: FastCgiClient, request: FastCgiRequestInit): Promise<string> {
  const answered = await textFrom((await client.send(request)).stdout);
  await turns();
  return answered;
}

describe("a connector with keyOf", () => {
  it("FastCgiClient connects to the application that keyOf names, and tells it the role and the variables", async () => {
    const tenants = new Tenants();
    const client = clientOf(tenants);
    expect(await text(client, requestTo("a.test"))).toBe("a.test answers a.test");
    expect(await text(client, requestTo("b.test", { role: Role.Authorizer }))).toBe("b.test answers b.test");
    expect(tenants.opened).toEqual(["a.test", "b.test"]);
    expect(tenants.asked.map(({ role, params }) => [role, params.get("HTTP_HOST")])).toEqual([
      [Role.Responder, "a.test"],
      [Role.Authorizer, "b.test"],
    ]);
  });

  it.each([{ keepAlive: true }, { keepAlive: true, reuseForAll: true, maxConnections: 1 }])(
    "FastCgiClient keeps connections for the requests of their own key only, with %j",
    async (options) => {
      const tenants = new Tenants();
      const client = clientOf(tenants, options);
      const hosts = ["a.test", "b.test", "a.test", "c.test", "b.test", "a.test"];
      for (const host of hosts) expect(await text(client, requestTo(host))).toBe(`${host} answers ${host}`);
      const together = await Promise.all([...hosts, ...hosts].map((host) => text(client, requestTo(host))));
      expect(together).toEqual([...hosts, ...hosts].map((host) => `${host} answers ${host}`));
      expect(tenants.opened.slice(0, 3)).toEqual(["a.test", "b.test", "c.test"]);
      expect(client.status.connections).toBe(client.status.idle);
      expect(client.status.idle).toBeGreaterThanOrEqual(3);
    },
  );

  it("FastCgiClient shares connections between requests of one key only", async () => {
    const served = new Map<string, FastCgiServer>();
    let connections = 0;
    const connector: Connector = {
      keyOf: ({ params }) => params.get("HTTP_HOST")!,
      async connect({ key }) {
        connections++;
        const server =
          served.get(key!) ?? new FastCgiServer(({ params }) => ({ stdout: `${key} ${params.get("HTTP_HOST")}` }));
        served.set(key!, server);
        const [client, application] = connectionPair();
        void server.serve(application);
        return client;
      },
    };
    const client = clientOf(connector, { multiplexing: true });
    const hosts = Array.from({ length: 40 }, (_, index) => `${index % 4}.test`);
    expect(await Promise.all(hosts.map((host) => text(client, requestTo(host))))).toEqual(
      hosts.map((host) => `${host} ${host}`),
    );
    expect(connections).toBe(4);
  });

  it("FastCgiClient asks each application for itself whether it shares connections", async () => {
    const asked: string[] = [];
    const connector: Connector = {
      keyOf: ({ params }) => params.get("HTTP_HOST")!,
      async connect({ key }) {
        const [client, application] = connectionPair();
        const server = new FastCgiServer(() => ({ stdout: key! }), { multiplexing: key === "many.test" });
        asked.push(key!);
        void server.serve(application);
        return client;
      },
    };
    const client = clientOf(connector, { multiplexing: true });
    const hosts = ["many.test", "one.test", "many.test", "one.test"];
    expect(await Promise.all(hosts.map((host) => text(client, requestTo(host))))).toEqual(hosts);
    expect(asked.sort()).toEqual(["many.test", "one.test", "one.test"]);
  });

  it("FastCgiClient gives each key the limits for itself: one that is slow keeps no other waiting", async () => {
    const release = deferred();
    const connector: Connector = {
      keyOf: ({ params }) => params.get("HTTP_HOST")!,
      connect: ({ key }) =>
        new ScriptedConnector(async (application) => {
          const { requestId } = (await application.request())!;
          if (key === "slow.test") await release.promise;
          await application.send(answer(requestId, key!));
        }).connect(),
    };
    const client = clientOf(connector, { maxConnections: 1, maxQueuedRequests: 1 });
    const slow = [text(client, requestTo("slow.test")), text(client, requestTo("slow.test"))];
    await expect(text(client, requestTo("slow.test"))).rejects.toMatchObject({ limit: "maxQueuedRequests" });
    expect(await text(client, requestTo("quick.test"))).toBe("quick.test");
    expect(await isSettled(slow[0]!)).toBe(false);
    expect(client.status).toEqual({ connections: 1, idle: 0, active: 1, waiting: 1 });
    release.resolve();
    expect(await Promise.all(slow)).toEqual(["slow.test", "slow.test"]);
  });

  it("FastCgiClient sends a stale request again to the same application", async () => {
    const tenants = new Tenants();
    const retries: unknown[] = [];
    const client = clientOf(tenants, { keepAlive: true, onRetry: (retry) => retries.push(retry) });
    await text(client, requestTo("a.test"));
    await text(client, requestTo("b.test"));
    tenants.applications.set("b.test", new ScriptedConnector(answering(() => "wrong")));
    tenants.applications.get("a.test")!.connections[0]!.close();
    expect(await text(client, requestTo("a.test"))).toBe("a.test answers a.test");
    expect(tenants.opened).toEqual(["a.test", "b.test", "a.test"]);
  });

  it("FastCgiClient fails a request with what keyOf throws, cancels its body, and goes on", async () => {
    const tenants = new Tenants();
    const client = clientOf(tenants);
    const body = new OpenStream();
    const error = new RangeError("There is no evil.example");
    await expect(client.send(requestTo("evil.example", { stdin: body.stream }))).rejects.toThrow(error);
    await turns();
    expect(body.cancelled).toEqual(error);
    expect(tenants.opened).toEqual([]);
    expect(await text(client, requestTo("a.test"))).toBe("a.test answers a.test");
  });

  it("FastCgiClient refuses a key that is not a string", async () => {
    for (const [key, kind] of [
      [undefined, "undefined"],
      [Promise.resolve("a"), "Promise"],
      [{}, "Object"],
    ] as const) {
      const client = clientOf({ keyOf: () => key as never, connect: () => Promise.reject(new Error("asked")) });
      await expect(client.send(requestTo("a.test"))).rejects.toThrow(
        new TypeError(`Cannot send the request: expected keyOf of the connector to return a string, got ${kind}`),
      );
    }
  });

  it("FastCgiClient forgets the applications that have nothing to do, however many there were", async () => {
    const tenants = new Tenants();
    const client = clientOf(tenants);
    for (let index = 0; index < 50; index++) await text(client, requestTo(`${index}.test`));
    expect(client.status).toEqual({ connections: 0, idle: 0, active: 0, waiting: 0 });
    await client.close();
    await expect(client.send(requestTo("a.test"))).rejects.toThrow(
      new TypeError("Cannot send a request: the client is closed"),
    );
  });

  it("FastCgiClient closes the connections to all applications when it is closed, and aborts what runs after the timeout", async () => {
    const tenants = new Tenants();
    const client = clientOf(tenants, { keepAlive: true });
    for (const host of ["a.test", "b.test"]) await text(client, requestTo(host));
    const bodies = [new OpenStream(), new OpenStream()];
    const running = await Promise.all(
      bodies.map(({ stream }, index) => client.send(requestTo(`${index}.test`, { stdin: stream }))),
    );
    const closed = client.close({ timeout: 1 });
    for (const { end } of running) await expect(end).rejects.toMatchObject({ code: "connectionClosed" });
    await closed;
    for (const { connections } of tenants.applications.values()) {
      expect(connections.every((connection) => connection.isClosed)).toBe(true);
    }
  });

  it("FastCgiClient.getValues asks the application that it is told", async () => {
    const asked: (string | undefined)[] = [];
    const connector: Connector = {
      keyOf: () => "unused",
      connect({ key }) {
        asked.push(key);
        return new ScriptedConnector(async (application) => {
          await application.next();
          await application.send({ type: RecordType.GetValuesResult, requestId: 0, contentData: new Uint8Array(0) });
        }).connect();
      },
    };
    expect(await clientOf(connector).getValues([], { key: "a.test" })).toEqual(new Map());
    expect(asked).toEqual(["a.test"]);
  });

  it.each([failover, roundRobin])(
    "%o tells its connectors the key, also where only one of them has keyOf",
    async (compose) => {
      const down: Connector = { connect: () => Promise.reject(new Error("down")) };
      const tenants = new Tenants();
      const client = clientOf(compose<Connector>([down, tenants]), { keepAlive: true });
      for (const host of ["a.test", "b.test", "a.test"]) {
        expect(await text(client, requestTo(host))).toBe(`${host} answers ${host}`);
      }
      expect(tenants.opened).toEqual(["a.test", "b.test"]);
    },
  );

  it("FastCgiHttpClient chooses the application by the request's host", async () => {
    const connector: Connector = {
      keyOf: ({ params }) => params.get("SERVER_NAME")!,
      connect: ({ key }) => new ScriptedConnector(answering(() => `\r\nanswer of ${key}`)).connect(),
    };
    const client = closing(new FastCgiHttpClient(connector, { keepAlive: true }));
    for (const host of ["a.test", "b.test", "a.test"]) {
      expect(await (await client.fetch(`http://${host}/`)).text()).toBe(`answer of ${host}`);
    }
  });
});
