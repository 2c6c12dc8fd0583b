import { describe, expect, it } from "vitest";
import {
  type Connector,
  decodeNameValuePairs,
  encodeNameValuePairs,
  FastCgiClient,
  type FastCgiClientOptions,
  type FastCgiConnection,
  type FastCgiRecord,
  type FastCgiRequestInit,
  type FastCgiRetry,
  FastCgiServer,
  type NameValuePair,
  ProtocolStatus,
  RecordType,
} from "../../src/toolkit.ts";
import { latin1, sha256 } from "../support/bytes.ts";
import { closingClients } from "../support/closing_clients.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { connectionPair } from "../support/memory_connection.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { patternBytes, patternChunks, patternSha256 } from "../support/pattern.ts";
import { record } from "../support/records.ts";
import {
  answer,
  end,
  type Script,
  type ScriptedApplication,
  ScriptedConnector,
  stdout,
} from "../support/scripted_application.ts";
import { drain, isSettled, streamOf, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns, unhandledRejectionsOf } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const { GetValues, GetValuesResult } = RecordType;
const get: FastCgiRequestInit = { params: [["REQUEST_METHOD", "GET"]] };
const closing = closingClients();

function clientOf(connector: Connector, options: FastCgiClientOptions = {}): FastCgiClient {
  return closing(new FastCgiClient(connector, { multiplexing: true, ...options }));
}

async function text(client: FastCgiClient, request = get): Promise<string> {
  return textFrom((await client.send(request)).stdout);
}

/** Reads FCGI_GET_VALUES and answers it. */
async function tell(application: ScriptedApplication, values: Record<string, string>): Promise<string[]> {
  const asked = (await application.next())!;
  expect([asked.type, asked.requestId]).toEqual([GetValues, 0]);
  await application.send(record(GetValuesResult, 0, encodeNameValuePairs(Object.entries(values))));
  return decodeNameValuePairs(asked.contentData).map(([name]) => name);
}

/** An application that says it multiplexes, and then does what a test says. */
function shared(script: Script, values: Record<string, string> = { FCGI_MPXS_CONNS: "1" }): ScriptedConnector {
  return new ScriptedConnector(async (application, connection) => {
    if (connection === 1) await tell(application, values);
    await script(application, connection);
  });
}

/** Reads records until so many requests were read to the end of STDIN: their ids. */
async function requests(application: ScriptedApplication, count: number): Promise<number[]> {
  const ids: number[] = [];
  while (ids.length < count) {
    const piece = await application.next();
    if (piece === null) break;
    if (piece.type === RecordType.Stdin && piece.contentData.length === 0) ids.push(piece.requestId);
  }
  return ids;
}

/** An application that shares connections, and answers each request with its name when the test says so. */
function manual(options: FastCgiClientOptions) {
  const held = new Map<string, () => Promise<void>>();
  const places = new Map<string, number>();
  const applications = new Map<number, ScriptedApplication>();
  const connector = shared(async (application, connection) => {
    applications.set(connection, application);
    for (let piece = await application.next(); piece !== null; piece = await application.next()) {
      const { type, requestId, contentData } = piece;
      if (type !== RecordType.Params || contentData.length === 0) continue;
      const name = new Map(decodeNameValuePairs(contentData)).get("NAME")!;
      places.set(name, connection);
      held.set(name, () => application.send(answer(requestId, name)));
    }
  });
  const client = clientOf(connector, options);
  return {
    client,
    connector,
    /** The number of the connection that a request was put on; undefined if it waits. */
    placeOf: (name: string) => places.get(name),
    send: (name: string, method = "GET"): Promise<string> =>
      text(client, {
        params: [
          ["REQUEST_METHOD", method],
          ["NAME", name],
        ],
      }),
    finish: async (name: string): Promise<void> => {
      await held.get(name)!();
      await turns();
    },
    /** Ends the connection that a request was put on. */
    endConnectionOf: async (name: string): Promise<void> => {
      await applications.get(places.get(name)!)!.end();
      await turns();
    },
  };
}

describe("multiplexing: choosing a connection", () => {
  it("FastCgiClient puts a request on a connection that is in use, so that the others become idle", async () => {
    const { client, send, finish, placeOf } = manual({ maxConnections: 2, maxConcurrentRequests: 2 });
    const all = ["a", "b", "c", "d"].map((name) => send(name));
    await turns();
    expect(["a", "b", "c", "d"].map(placeOf)).toEqual([1, 1, 2, 2]);
    // The connection that was used last is idle.
    for (const name of ["c", "a", "b"]) await finish(name);
    expect(client.status).toMatchObject({ connections: 2, idle: 1 });
    all.push(send("e"));
    await turns();
    expect(placeOf("e")).toBe(2);
    for (const name of ["d", "e"]) await finish(name);
    expect(await Promise.all(all)).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("FastCgiClient gives a POST that waits the next place on a shared connection, and closes none for it", async () => {
    const { client, connector, send, finish, placeOf } = manual({ maxConnections: 1, maxConcurrentRequests: 2 });
    const all = ["a", "b", "c"].map((name) => send(name));
    await turns();
    all.push(send("post", "POST"), send("d"));
    await turns();
    expect(client.status).toMatchObject({ connections: 1, active: 2, waiting: 3 });
    await finish("a");
    await finish("b");
    expect(["c", "post", "d"].map(placeOf)).toEqual([1, 1, undefined]);
    for (const name of ["c", "post", "d"]) await finish(name);
    expect(await Promise.all(all)).toEqual(["a", "b", "c", "post", "d"]);
    expect(connector.connections).toHaveLength(1);
  });

  it("FastCgiClient closes no connection for a request that is to be sent again when another one is about to be closed", async () => {
    const { client, send, finish, placeOf, endConnectionOf } = manual({
      maxConnections: 3,
      maxConcurrentRequests: 3,
      maxRequestsPerConnection: 4,
    });
    const names = ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"];
    const all = names.map((name) => send(name));
    await turns();
    expect(names.map(placeOf)).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
    await finish("b1");
    // The fourth request on the second connection, which takes no more.
    all.push(send("b4"));
    await finish("c1");
    await endConnectionOf("c1");
    // Both others of the third connection need one that has had none, and there is room for one such.
    expect(["b4", "c2", "c3"].map(placeOf)).toEqual([2, 4, 3]);
    all.push(send("d1"), send("d2"));
    await turns();
    expect(client.status).toMatchObject({ connections: 3, active: 9, waiting: 1 });
    await finish("a1");
    all.push(send("a4"));
    await turns();
    expect(["d1", "d2", "a4"].map(placeOf)).toEqual([4, 4, 1]);
    for (const name of ["b2", "b3", "b4", "c3", "a2", "a3", "a4", "c2", "d1", "d2"]) await finish(name);
    expect((await Promise.all(all)).length).toBe(13);
  });

  it("FastCgiClient closes a connection for requests that are to be sent again, also when others wait that need none of their own", async () => {
    const { client, send, finish, placeOf, endConnectionOf } = manual({ maxConnections: 2, maxConcurrentRequests: 2 });
    const all = ["a1", "a2", "b1", "b2", "b3"].map((name) => send(name));
    await turns();
    await finish("b1");
    all.push(...["c1", "c2", "c3"].map((name) => send(name)));
    await turns();
    await endConnectionOf("b2");
    // Two that came first have the third connection. Behind them wait one of their kind, and two that can't use the first.
    expect(["b2", "b3", "c1", "c2", "c3"].map(placeOf)).toEqual([2, 2, 3, 3, undefined]);
    expect(client.status).toMatchObject({ connections: 2, active: 4, waiting: 3 });
    await finish("a1");
    expect(placeOf("c3")).toBeUndefined();
    await finish("a2");
    expect(placeOf("c3")).toBe(4);
    for (const name of ["c1", "c2", "c3", "b2", "b3"]) {
      await turns();
      await finish(name);
    }
    expect((await Promise.all(all)).length).toBe(8);
  });

  it("FastCgiClient closes no connection for requests that are to be sent again when another may have a place for them", async () => {
    const { client, send, finish, placeOf, endConnectionOf } = manual({ maxConnections: 2, maxConcurrentRequests: 2 });
    const all = ["a1", "a2", "b1", "b2"].map((name) => send(name));
    await turns();
    for (const [over, next] of [
      ["a1", "a3"],
      ["b1", "b3"],
      ["b2", "b4"],
      ["b3", "b5"],
    ] as const) {
      await finish(over);
      all.push(send(next));
      await turns();
    }
    all.push(...["c1", "c2", "c3"].map((name) => send(name)));
    await turns();
    // Three were answered on it, and those that were not may have a connection that has had two.
    await endConnectionOf("b4");
    expect(["c1", "c2", "c3", "b4", "b5"].map(placeOf)).toEqual([3, 3, undefined, 2, 2]);
    expect(client.status).toMatchObject({ connections: 2, active: 4, waiting: 3 });
    await finish("a2");
    expect(placeOf("c3")).toBe(1);
    for (const name of ["c1", "c2", "c3", "b4", "b5", "a3"]) await finish(name);
    expect((await Promise.all(all)).length).toBe(11);
  });

  it("FastCgiClient keeps the order of requests when one is sent while another is put on its connection", async () => {
    const { client, send, finish, placeOf } = manual({ maxConnections: 1, maxConcurrentRequests: 2 });
    const all: Promise<string>[] = [];
    const stdin = {
      size: 1,
      stream() {
        all.push(send("c"));
        return new Blob(["x"]).stream();
      },
    };
    const params: NameValuePair[] = [
      ["REQUEST_METHOD", "PUT"],
      ["NAME", "a"],
    ];
    all.push(text(client, { params, stdin }), send("b"));
    await turns();
    expect(["a", "b", "c"].map(placeOf)).toEqual([1, 1, undefined]);
    for (const name of ["a", "b", "c"]) await finish(name);
    expect(await Promise.all(all)).toEqual(["a", "b", "c"]);
  });

  it("FastCgiClient keeps a connection on which all that wait find room one after the other", async () => {
    const { connector, send, finish, placeOf } = manual({ maxConnections: 1, maxConcurrentRequests: 2 });
    const names = ["a", "b", "c", "d", "e"];
    const all = names.map((name) => send(name));
    await turns();
    expect(names.map(placeOf)).toEqual([1, 1, undefined, undefined, undefined]);
    for (const name of names) await finish(name);
    expect(await Promise.all(all)).toEqual(names);
    expect([names.map(placeOf), connector.connections.length]).toEqual([[1, 1, 1, 1, 1], 1]);
  });
});

describe("multiplexing: asking the application", () => {
  it("FastCgiClient asks once, and shares a connection when FCGI_MPXS_CONNS is 1", async () => {
    let asked: string[] = [];
    const connector = new ScriptedConnector(async (application) => {
      asked = await tell(application, { FCGI_MPXS_CONNS: "1", FCGI_MAX_REQS: "50" });
      for (const id of (await requests(application, 3)).reverse()) await application.send(answer(id, `of ${id}`));
      await application.send(answer((await requests(application, 1))[0]!, "later"));
    });
    const client = clientOf(connector);
    expect(await Promise.all([text(client), text(client), text(client)])).toEqual(["of 1", "of 2", "of 3"]);
    expect(await text(client)).toBe("later");
    expect(asked).toEqual(["FCGI_MAX_REQS", "FCGI_MPXS_CONNS"]);
    expect(connector.connections.length).toBe(1);
    expect(client.status).toEqual({ connections: 1, idle: 1, active: 0, waiting: 0 });
  });

  it("FastCgiClient gives a connection no more requests than FCGI_MAX_REQS and maxConcurrentRequests", async () => {
    const table: [maxReqs: string | undefined, maxConcurrentRequests: number, expected: number][] = [
      ["2", 32, 2],
      ["50", 3, 3],
      [undefined, 3, 3],
      ["0", 3, 3],
      ["many", 3, 3],
      ["50", Number.POSITIVE_INFINITY, 50],
    ];
    for (const [maxReqs, maxConcurrentRequests, expected] of table) {
      const values = { FCGI_MPXS_CONNS: "1", ...(maxReqs !== undefined && { FCGI_MAX_REQS: maxReqs }) };
      const client = clientOf(
        shared((application) => application.closedByClient(), values),
        { maxConcurrentRequests, maxConnections: 1 },
      );
      for (let count = 0; count < expected + 2; count++) text(client).catch(() => {});
      await turns(50);
      expect(client.status, `${maxReqs} ${maxConcurrentRequests}`).toMatchObject({ active: expected, waiting: 2 });
    }
  });

  it("FastCgiClient does not share connections when the application says anything else", async () => {
    const answers: [name: string, script: (application: ScriptedApplication) => Promise<unknown>][] = [
      ["0", (application) => tell(application, { FCGI_MPXS_CONNS: "0" })],
      ["nothing", (application) => tell(application, {})],
      [
        "that it does not know the question",
        async (application) => {
          await application.next();
          await application.send(record(RecordType.UnknownType, 0, Uint8Array.of(GetValues, 0, 0, 0, 0, 0, 0, 0)));
        },
      ],
      ["goodbye", (application) => application.end()],
    ];
    for (const [name, say] of answers) {
      let asked = 0;
      const connector = new ScriptedConnector(async (application) => {
        const first = asked++ === 0;
        if (first) await say(application);
        for (let request = await application.request(); request !== null; request = await application.request()) {
          await application.send(answer(request.requestId, "x"));
        }
      });
      const client = clientOf(connector);
      expect(await Promise.all([text(client), text(client)]), name).toEqual(["x", "x"]);
      expect(client.status.connections, name).toBe(2);
    }
  });

  it("FastCgiClient asks each backend of a connector for itself", async () => {
    const asked: number[] = [];
    const backends = ["1", "0"].map((multiplexes, backend) => {
      const connector = new ScriptedConnector(async (application) => {
        const first = asked.filter((one) => one === backend).length === 0;
        if (first) {
          asked.push(backend);
          await tell(application, { FCGI_MPXS_CONNS: multiplexes });
        }
        await application.closedByClient();
      });
      return async (): Promise<FastCgiConnection> => {
        const { readable, writable, close } = await connector.connect();
        return { readable, writable, close, remoteAddress: { hostname: "test", port: backend + 1 } };
      };
    });
    let next = 0;
    const client = clientOf(
      { connect: () => backends[next++ % 2]!() },
      { maxConcurrentRequests: 10, maxConnections: 4 },
    );
    for (let count = 0; count < 30; count++) {
      text(client).catch(() => {});
      await turns();
    }
    expect(asked.sort()).toEqual([0, 1]);
    // Two connections of ten, two of one.
    expect(client.status).toEqual({ connections: 4, idle: 0, active: 22, waiting: 8 });
  });

  it("FastCgiClient shares no more when the application refuses with CANT_MPX_CONN, whatever it said", async () => {
    const connector = shared(async (application, connection) => {
      if (connection === 1) {
        const [first, second] = await requests(application, 2);
        await application.send(end(second!, ProtocolStatus.CantMpxConn), answer(first!, "first"));
      }
      for (let request = await application.request(); request !== null; request = await application.request()) {
        await application.send(answer(request.requestId, "x"));
      }
    });
    const client = clientOf(connector);
    const [first, second] = await Promise.allSettled([text(client), text(client)]);
    expect(first).toMatchObject({ value: "first" });
    expect(second).toMatchObject({ value: "x" });
    await turns();
    expect(await Promise.all([text(client), text(client)])).toEqual(["x", "x"]);
    expect(connector.connections.length).toBe(2);
  });

  it("FastCgiClient goes on sharing connections with other backends when one refuses with CANT_MPX_CONN", async () => {
    const answerOne = deferred();
    const backends = [
      shared(async (application) => {
        const [, second] = await requests(application, 2);
        await application.send(end(second!, ProtocolStatus.CantMpxConn));
        await application.closedByClient();
      }),
      shared(async (application) => {
        const [first] = await requests(application, 2);
        await answerOne.promise;
        await application.send(answer(first!, "x"));
        await application.closedByClient();
      }),
    ];
    let opened = 0;
    const connect = async (): Promise<FastCgiConnection> => {
      const backend = opened++ % 2;
      const { readable, writable, close } = await backends[backend]!.connect();
      return { readable, writable, close, remoteAddress: { hostname: "test", port: backend + 1 } };
    };
    const client = clientOf({ connect }, { maxConcurrentRequests: 2, maxConnections: 2 });
    for (let count = 0; count < 4; count++) text(client).catch(() => {});
    await turns(50);
    // The refused one waits: the first backend has one request, the second one two.
    expect(client.status).toMatchObject({ active: 3, waiting: 1 });
    answerOne.resolve();
    await turns(50);
    expect(client.status).toMatchObject({ active: 3, waiting: 0 });
  });

  it("FastCgiClient sends a request again that was refused with CANT_MPX_CONN, alone, whatever its method", async () => {
    const bodies: string[] = [];
    for (const [method, stdin] of [
      ["GET", ""],
      ["POST", "body"],
      ["POST", streamOf(latin1("body"))],
    ] as const) {
      let most = 0;
      const connector = shared(async (application, connection) => {
        if (connection === 1) {
          const [first, second] = await requests(application, 2);
          await application.send(end(second!, ProtocolStatus.CantMpxConn));
          await turns(20);
          await application.send(answer(first!, "first"));
          return application.closedByClient();
        }
        for (let request = await application.request(); request !== null; request = await application.request()) {
          bodies.push(Buffer.from(request.stdin).toString());
          most = Math.max(most, client.status.active);
          await application.send(answer(request.requestId, "alone"));
        }
      });
      const retries: FastCgiRetry[] = [];
      const client = clientOf(connector, { onRetry: (retry) => retries.push(retry) });
      const refused = { params: [["REQUEST_METHOD", method]] as NameValuePair[], stdin };
      const [first, second] = await Promise.allSettled([text(client), text(client, refused)]);
      expect(first).toMatchObject({ value: "first" });
      if (typeof stdin === "string") {
        expect(second).toMatchObject({ value: "alone" });
        expect(retries).toMatchObject([{ reason: "refused", error: { code: "cantMultiplex" }, attempt: 1 }]);
        expect([bodies.pop(), most]).toEqual([stdin, 2]);
      } else {
        expect(second).toMatchObject({ reason: { code: "cantMultiplex", gatewayStatus: 502 } });
        expect([bodies, retries]).toEqual([[], []]);
      }
    }
  });

  it("FastCgiClient gives up when an application with a key refuses to multiplex again, whatever it says of itself", async () => {
    const received: string[] = [];
    const single = new ScriptedConnector(async (application, connection) => {
      for (let next = await application.next(); next !== null; next = await application.next()) {
        const { type, requestId, contentData } = next;
        if (type === GetValues) {
          received.push(`${connection}: values`);
          await application.send(record(GetValuesResult, 0, encodeNameValuePairs([["FCGI_MPXS_CONNS", "1"]])));
        }
        if (type !== RecordType.Stdin || contentData.length > 0) continue;
        received.push(`${connection}: request`);
        // The client must have given up long before.
        if (connection > 9) await application.send(answer(requestId, "at last"));
        else await application.send(end(requestId, ProtocolStatus.CantMpxConn));
        return application.close();
      }
    });
    const client = clientOf({ connect: () => single.connect(), keyOf: () => "tenant" });
    await expect(text(client)).rejects.toMatchObject({ code: "cantMultiplex" });
    // Alone on its connection, the second time: what was learned is not forgotten with the first connection.
    expect(received).toEqual(["1: values", "1: request", "2: request"]);
  });

  it("FastCgiClient shares no connection that it opens after a refusal with CANT_MPX_CONN", async () => {
    let atOnce = 0;
    const connector = shared(async (application, connection) => {
      if (connection === 1) {
        const [first, second] = await requests(application, 2);
        await application.send(end(second!, ProtocolStatus.CantMpxConn), answer(first!, "first"));
        await application.end();
        return;
      }
      let more = application.next();
      for (let begin = await more; begin !== null; begin = await more) {
        await requests(application, 1);
        let isAlone = true;
        more = application.next();
        // Whatever else is sent on this connection is here before it is answered.
        void more.then(() => {
          isAlone = false;
        });
        await turns(50);
        atOnce = Math.max(atOnce, isAlone ? 1 : 2);
        await application.send(answer(begin.requestId, "x"));
      }
    });
    const client = clientOf(connector);
    expect(await Promise.all([text(client), text(client)])).toEqual(["first", "x"]);
    await turns();
    expect(await Promise.all([text(client), text(client)])).toEqual(["x", "x"]);
    expect(atOnce).toBe(1);
  });

  it("FastCgiClient aborts one of several requests on a connection that is shared no more", async () => {
    const seen: [type: number, requestId: number][] = [];
    const connector = shared(async (application, connection) => {
      if (connection > 1) return application.send(answer((await application.request())!.requestId, "alone"));
      const [first, second, third] = (await requests(application, 3)) as [number, number, number];
      await application.send(end(third, ProtocolStatus.CantMpxConn));
      const { type, requestId } = (await application.next())!;
      seen.push([type, requestId]);
      await application.send(end(second), answer(first, "first"));
    });
    const client = clientOf(connector);
    const controller = new AbortController();
    const first = text(client);
    const second = await client.send({ ...get, signal: controller.signal });
    expect(await text(client)).toBe("alone");
    const reason = new Error("Enough");
    controller.abort(reason);
    await expect(second.end).rejects.toBe(reason);
    expect(await first).toBe("first");
    expect(seen).toEqual([[RecordType.AbortRequest, second.requestId]]);
  });

  describe("with time", () => {
    useFakeTime();

    it("FastCgiClient counts no time as idle in which a request runs on a shared connection", async () => {
      const answered = deferred();
      const connector = shared(async (application) => {
        const [id] = await requests(application, 1);
        await answered.promise;
        await application.send(answer(id!, "x"));
      });
      const client = clientOf(connector, { idleTimeout: 1000, headerTimeout: 10_000 });
      const sent = text(client);
      await pass(5000);
      expect(await isSettled(sent)).toBe(false);
      answered.resolve();
      expect(await sent).toBe("x");
      expect(connector.connections.length).toBe(1);
    });

    it("FastCgiClient takes an application that does not answer for one that does not multiplex", async () => {
      const connector = new ScriptedConnector(async (application, connection) => {
        if (connection === 1) return application.closedByClient();
        await application.send(answer((await application.request())!.requestId, "x"));
      });
      const client = clientOf(connector);
      const sent = text(client);
      await pass(1999);
      expect(await isSettled(sent)).toBe(false);
      await pass(2);
      expect(await sent).toBe("x");
      expect(connector.connections[0]!.isClosed).toBe(true);
    });
  });
});

describe("multiplexing: one of several requests", () => {
  it("FastCgiClient aborts one request with FCGI_ABORT_REQUEST, and its neighbours go on", async () => {
    for (const how of ["signal", "cancel"] as const) {
      const aborted = deferred<number>();
      const answerRest = deferred();
      const connector = shared(async (application) => {
        const [first, second, third] = (await requests(application, 3)) as [number, number, number];
        await application.send(stdout(second, "part"));
        const abort = (await application.next())!;
        aborted.resolve(abort.type === RecordType.AbortRequest ? abort.requestId : -1);
        // What was under way still comes; Go ends the request twice.
        await application.send(stdout(second, "late"), end(second), stdout(second, "later"), end(second));
        await answerRest.promise;
        await application.send(answer(third, "third"), answer(first, "first"));
        await application.send(answer((await requests(application, 1))[0]!, "fourth"));
      });
      const client = clientOf(connector);
      const controller = new AbortController();
      const neighbours = [text(client)];
      const response = client.send({ ...get, signal: controller.signal });
      neighbours.push(text(client));
      const { stdout: output, end: over } = await response;
      const reader = output.getReader();
      expect((await reader.read()).value).toEqual(new TextEncoder().encode("part"));
      const reason = new Error("Enough");
      if (how === "signal") {
        controller.abort(reason);
        await expect(reader.read()).rejects.toBe(reason);
      } else {
        await reader.cancel(reason);
      }
      await expect(over).rejects.toBe(reason);
      expect(await aborted.promise).toBe(2);
      await turns();
      expect(client.status.active).toBe(2);
      answerRest.resolve();
      expect(await Promise.all(neighbours)).toEqual(["first", "third"]);
      expect(await text(client)).toBe("fourth");
      expect(connector.connections.length).toBe(1);
    }
  });

  it("FastCgiClient counts an aborted request as running until the application has ended it", async () => {
    const endIt = deferred();
    const connector = shared(async (application) => {
      const [first] = await requests(application, 1);
      await application.send(answer((await requests(application, 1))[0]!, "second"));
      await endIt.promise;
      await application.send(end(first!));
      await application.closedByClient();
    });
    const sharing = clientOf(connector, { maxConcurrentRequests: 2 });
    const controller = new AbortController();
    const response = await sharing.send({ ...get, signal: controller.signal });
    controller.abort();
    expect(sharing.status.active).toBe(1);
    await response.end.catch(() => {});
    expect(await text(sharing)).toBe("second");
    expect(sharing.status.active).toBe(1);
    endIt.resolve();
    await turns();
    expect(sharing.status).toMatchObject({ active: 0, idle: 1 });
  });

  it("FastCgiClient stops sending the body of an aborted request, and cancels it", async () => {
    const open = new OpenStream();
    const seen: number[] = [];
    const connector = shared(async (application) => {
      for (let piece = await application.next(); piece !== null; piece = await application.next())
        seen.push(piece.type);
    });
    const client = clientOf(connector);
    const controller = new AbortController();
    const response = await client.send({ ...get, stdin: open.stream, signal: controller.signal });
    await open.pulled();
    controller.abort();
    await response.end.catch(() => {});
    await turns();
    expect(open.cancelled).toBe(controller.signal.reason);
    expect(seen).toEqual([RecordType.BeginRequest, RecordType.Params, RecordType.Params, RecordType.AbortRequest]);
    expect(connector.connections[0]!.isClosed).toBe(false);
  });

  it("FastCgiClient aborts a request whose body fails or has another length, and its neighbours go on", async () => {
    for (const body of ["fails", "is short", "is long"]) {
      const connector = shared(async (application) => {
        const [neighbour] = await requests(application, 1);
        for (let piece = await application.next(); piece !== null; piece = await application.next()) {
          if (piece.type === RecordType.AbortRequest) {
            await application.send(end(piece.requestId), answer(neighbour!, "whole"));
          }
        }
      });
      const client = clientOf(connector);
      const neighbour = text(client);
      const open = new OpenStream();
      const response = await client.send({ params: [["CONTENT_LENGTH", "3"]], stdin: open.stream });
      const failure = new Error("The disk is gone");
      if (body === "fails") open.fail(failure);
      else {
        open.write(body === "is long" ? "four" : "12");
        open.close();
      }
      const error = await response.end.catch((reason) => reason);
      if (body === "fails") expect(error).toBe(failure);
      else expect(error).toMatchObject({ code: "lengthMismatch" });
      expect(await neighbour, body).toBe("whole");
    }
  });

  it("FastCgiClient sends a body that has begun to its end when its connection ends with a request behind it", async () => {
    const begun = deferred();
    const readOn = deferred();
    const received = deferred<number[]>();
    const connector = shared(async (application) => {
      const { requestId } = (await application.next())!;
      begun.resolve();
      await readOn.promise;
      const lengths: number[] = [];
      for (let piece = await application.next(); piece !== null; piece = await application.next()) {
        if (piece.type === RecordType.Stdin && piece.requestId === requestId) lengths.push(piece.contentData.length);
      }
      received.resolve(lengths);
      application.close();
    });
    const client = clientOf(connector);
    const put: FastCgiRequestInit = { params: [["REQUEST_METHOD", "PUT"]], stdin: patternBytes(300_000) };
    const all = [await client.send(put)];
    await begun.promise;
    await turns();
    // Nothing of these has left: the transport takes no more.
    const open = new OpenStream();
    all.push(await client.send(put), await client.send({ ...get, stdin: open.stream }));
    void client.close({ timeout: 0 });
    for (const response of all) await expect(response.end).rejects.toMatchObject({ code: "connectionClosed" });
    // That body can't be sent to its end.
    expect(open.cancelled).toMatchObject({ code: "connectionClosed" });
    readOn.resolve();
    const lengths = await received.promise;
    expect([lengths.reduce((sum, length) => sum + length), lengths.at(-1)]).toEqual([300_000, 0]);
  });

  it("FastCgiClient sends no FCGI_ABORT_REQUEST when the application ends the request before the rest of its body was sent", async () => {
    const begun = deferred();
    const aborted = deferred();
    const seen: number[] = [];
    const connector = shared(async (application) => {
      const { requestId } = (await application.next())!;
      begun.resolve();
      await aborted.promise;
      await application.send(end(requestId));
      for (let piece = await application.next(); piece !== null; piece = await application.next()) {
        seen.push(piece.type);
        const isEnd = piece.type === RecordType.Stdin && piece.contentData.length === 0;
        if (isEnd && piece.requestId !== requestId) await application.send(answer(piece.requestId, "next"));
      }
    });
    const client = clientOf(connector);
    const controller = new AbortController();
    const response = await client.send({
      params: [["REQUEST_METHOD", "PUT"]],
      stdin: patternBytes(300_000),
      signal: controller.signal,
    });
    await begun.promise;
    await turns();
    const reason = new Error("Enough");
    controller.abort(reason);
    await expect(response.end).rejects.toBe(reason);
    aborted.resolve();
    await turns();
    expect(await text(client)).toBe("next");
    expect(seen).not.toContain(RecordType.AbortRequest);
    expect(connector.connections.length).toBe(1);
  });

  it("FastCgiClient aborts a request once when its body cancels the response while it is cancelled itself", async () => {
    const aborted: number[] = [];
    const connector = shared(async (application) => {
      for (let piece = await application.next(); piece !== null; piece = await application.next()) {
        const { type, requestId, contentData } = piece;
        if (type === RecordType.AbortRequest) {
          aborted.push(requestId);
          await application.send(end(requestId));
        } else if (type === RecordType.Stdin && contentData.length === 0) {
          await application.send(answer(requestId, "next"));
        }
      }
    });
    const client = clientOf(connector);
    const controller = new AbortController();
    const pulled = deferred();
    let output: ReadableStream<Uint8Array> | null = null;
    const stdin = new ReadableStream<Uint8Array>(
      { pull: () => pulled.resolve(), cancel: () => output!.cancel() },
      { highWaterMark: 0 },
    );
    const response = await client.send({ ...get, stdin, signal: controller.signal });
    output = response.stdout;
    await pulled.promise;
    const reason = new Error("Enough");
    controller.abort(reason);
    await expect(response.end).rejects.toBe(reason);
    await turns();
    expect(aborted).toEqual([response.requestId]);
    expect(await text(client)).toBe("next");
    expect(connector.connections.length).toBe(1);
  });

  it("FastCgiClient sends the streams of several requests by turns", async () => {
    const order: number[] = [];
    const connector = shared(async (application) => {
      for (let ended = 0; ended < 3; ) {
        const { type, requestId, contentData } = (await application.next())!;
        if (type !== RecordType.Stdin) continue;
        if (contentData.length > 0) order.push(requestId);
        else ended++;
      }
      await application.send(...[1, 2, 3].map((id) => answer(id, "x")));
    });
    const client = clientOf(connector);
    const body = new Uint8Array(1_000_000);
    const all = [1, 2, 3].map(() => text(client, { params: [], stdin: body }));
    await Promise.all(all);
    // No request is more than two records ahead of another.
    const counts = new Map([1, 2, 3].map((id) => [id, 0]));
    for (const id of order.slice(0, 45)) {
      counts.set(id, counts.get(id)! + 1);
      expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(2);
    }
  });

  it("FastCgiClient ends no request when the onStderr of one throws", async () => {
    const thrown = new Error("The log is full");
    const onStderr = (): never => {
      throw thrown;
    };
    const script = shared(async (application) => {
      const [first, second] = await requests(application, 2);
      await application.send(record(RecordType.Stderr, first!, "warning"), answer(first!, "1"), answer(second!, "2"));
    });
    const unhandled = await unhandledRejectionsOf(async () => {
      const client = clientOf(script);
      expect(await Promise.all([text(client, { ...get, onStderr }), text(client)])).toEqual(["1", "2"]);
      expect(script.connections.length).toBe(1);
    });
    expect(unhandled).toEqual([thrown]);
  });

  it("FastCgiClient fails all requests of a connection that breaks, each with what it wrote to stderr", async () => {
    const connector = shared(async (application) => {
      const ids = await requests(application, 3);
      for (const id of ids) await application.send(record(RecordType.Stderr, id, `why ${id}`));
      await turns();
      application.close();
    });
    const client = clientOf(connector);
    const all = await Promise.all([1, 2, 3].map(() => text(client).catch((reason) => reason)));
    expect(all).toMatchObject(
      [1, 2, 3].map((requestId) => ({ code: "connectionClosed", requestId, stderr: `why ${requestId}` })),
    );
  });

  it("FastCgiClient closes a shared connection when a record of a request that nobody began comes", async () => {
    const connector = shared(async (application) => {
      await requests(application, 2);
      await application.send(stdout(77, "whose?"));
    });
    const client = clientOf(connector);
    const all = await Promise.all([1, 2].map(() => text(client).catch((reason) => reason)));
    expect(all).toMatchObject([{ code: "protocol" }, { code: "protocol" }]);
    expect(connector.connections[0]!.isClosed).toBe(true);
  });
});

describe("multiplexing: a response that nobody reads", () => {
  useFakeTime();

  it("FastCgiClient goes on with the others until maxQueuedBytes of it wait, and then when it is read", async () => {
    const connector = shared(async (application) => {
      const [unread, other] = (await requests(application, 2)) as [number, number];
      await application.send(stdout(unread, patternBytes(50_000)), stdout(other, "small"));
      for (const piece of patternChunks(300_000, 50_000)) await application.send(stdout(unread, piece));
      await application.send(end(unread), answer(other, " and the rest"));
    });
    // The pause is longer than readTimeout, and not the application's fault.
    const client = clientOf(connector, { maxQueuedBytes: 100_000, readTimeout: 10_000 });
    const unread = await client.send(get);
    const other = (await client.send(get)).stdout.getReader();
    expect((await other.read()).value?.length).toBe(5);
    const rest = other.read();
    await pass(20_000);
    expect(await isSettled(rest)).toBe(false);
    const { bytes, error } = await drain(unread.stdout);
    expect([bytes.length, error]).toEqual([350_000, null]);
    expect((await rest).value?.length).toBe(13);
  });

  it("FastCgiClient fails it after stallTimeout when others wait for it", async () => {
    const seen = deferred<number>();
    const connector = shared(async (application) => {
      const [unread, other] = (await requests(application, 2)) as [number, number];
      for (const piece of patternChunks(300_000, 50_000)) await application.send(stdout(unread, piece));
      await application.send(answer(other, "whole"));
      const abort = (await application.next())!;
      seen.resolve(abort.requestId);
      await application.send(end(unread));
      await application.closedByClient();
    });
    const client = clientOf(connector, { maxQueuedBytes: 100_000, stallTimeout: 5000 });
    const unread = await client.send(get);
    const other = text(client);
    await pass(4999);
    expect(await isSettled(other)).toBe(false);
    await pass(2);
    expect(await other).toBe("whole");
    expect(await seen.promise).toBe(unread.requestId);
    const { error } = await drain(unread.stdout);
    expect(error).toMatchObject({
      code: "timeout",
      limit: "stallTimeout",
      message: "Cannot keep the response: it was not read for 5000 ms",
    });
  });

  it("FastCgiClient fails it after stallTimeout when some of it was read before", async () => {
    const goOn = deferred();
    const connector = shared(async (application) => {
      const [unread] = await requests(application, 1);
      await application.send(stdout(unread!, "some of it"));
      await goOn.promise;
      await application.send(...Array.from(patternChunks(150_000, 50_000), (piece) => stdout(unread!, piece)));
      await application.closedByClient();
    });
    const client = clientOf(connector, { maxQueuedBytes: 100_000, stallTimeout: 5000 });
    const unread = await client.send(get);
    expect((await unread.stdout.getReader().read()).value).toHaveLength(10);
    goOn.resolve();
    await pass(4999);
    expect(await isSettled(unread.end)).toBe(false);
    await pass(2);
    await expect(unread.end).rejects.toMatchObject({ limit: "stallTimeout" });
  });

  it("FastCgiClient fails it after stallTimeout when another request begins meanwhile", async () => {
    const connector = shared(async (application) => {
      const [unread] = await requests(application, 1);
      await application.send(...Array.from(patternChunks(150_000, 50_000), (piece) => stdout(unread!, piece)));
      await application.closedByClient();
    });
    const client = clientOf(connector, { maxQueuedBytes: 100_000, stallTimeout: 5000 });
    const unread = await client.send(get);
    await pass(2000);
    text(client).catch(() => {});
    await pass(2999);
    expect(await isSettled(unread.end)).toBe(false);
    await pass(2);
    expect(await isSettled(unread.end)).toBe(true);
    await expect(unread.end).rejects.toMatchObject({ limit: "stallTimeout" });
  });

  it("FastCgiClient drops what it holds of an aborted response, which counts for nothing from then on", async () => {
    const seen: number[] = [];
    const endThem = deferred();
    const connector = shared(async (application) => {
      const [first, second] = (await requests(application, 2)) as [number, number];
      await application.send(stdout(first, patternBytes(50_000)), stdout(first, patternBytes(60_000)));
      seen.push((await application.next())!.requestId);
      // The application does not end the first request at once. Meanwhile the program does not read the second response either.
      await application.send(stdout(second, patternBytes(50_000)), stdout(second, patternBytes(60_000)));
      seen.push((await application.next())!.requestId);
      await endThem.promise;
      await application.send(end(first), end(second));
      await application.send(answer((await requests(application, 1))[0]!, "third"));
    });
    const client = clientOf(connector, { maxQueuedBytes: 100_000, stallTimeout: 5000 });
    const controller = new AbortController();
    const first = await client.send({ ...get, signal: controller.signal });
    const second = await client.send(get);
    await turns(50);
    const reason = new Error("Enough");
    controller.abort(reason);
    const { bytes, error } = await drain(first.stdout);
    expect([bytes.length, error]).toEqual([0, reason]);
    await pass(5001);
    expect((await drain(second.stdout)).error).toMatchObject({ limit: "stallTimeout", requestId: second.requestId });
    expect(seen).toEqual([first.requestId, second.requestId]);
    expect(client.status.active).toBe(2);
    endThem.resolve();
    await turns(50);
    expect(client.status).toMatchObject({ active: 0, idle: 1 });
    expect(await text(client)).toBe("third");
    expect(connector.connections.length).toBe(1);
  });

  it("FastCgiClient gives up only the request whose application is silent", async () => {
    const aborts: number[] = [];
    const connector = shared(async (application) => {
      const [silent, other] = (await requests(application, 2)) as [number, number];
      const talk = (async () => {
        for (let count = 0; count < 8; count++) {
          await application.send(stdout(other, "."));
          await new Promise((resolve) => setTimeout(resolve, 500));
        }
        await application.send(end(other));
      })();
      for (let piece = await application.next(); piece !== null; piece = await application.next()) {
        if (piece.type === RecordType.AbortRequest) aborts.push(piece.requestId);
      }
      await talk;
      expect(silent).toBe(1);
    });
    const client = clientOf(connector, { headerTimeout: 1000, readTimeout: 1500 });
    const silent = text(client).catch((reason) => reason);
    const other = text(client);
    await pass(1001);
    expect(await silent).toMatchObject({ code: "timeout", limit: "headerTimeout", requestId: 1 });
    expect(aborts).toEqual([1]);
    // It never says that it has ended: its place is lost, and with it the connection once the others are done.
    await pass(4000);
    expect(await other).toBe("........");
    expect(aborts).toEqual([1]);
    expect(connector.connections[0]!.isClosed).toBe(true);
  });
});

describe("multiplexing: a response that stops", () => {
  useFakeTime();

  it("FastCgiClient gives it up after readTimeout, whatever comes for its neighbours", async () => {
    const connector = shared(async (application) => {
      const [silent, other] = (await requests(application, 2)) as [number, number];
      await application.send(stdout(silent, "part"));
      for (let count = 0; count < 4; count++) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        await application.send(stdout(other, "."));
      }
    });
    const client = clientOf(connector, { readTimeout: 1500 });
    const silent = await client.send(get);
    const other = await client.send(get);
    await pass(1499);
    expect(await isSettled(silent.end)).toBe(false);
    await pass(2);
    expect(await isSettled(silent.end)).toBe(true);
    await expect(silent.end).rejects.toMatchObject({ limit: "readTimeout", requestId: silent.requestId });
    expect(await isSettled(other.end)).toBe(false);
  });
});

describe("multiplexing: an application that closes its connections", () => {
  /**
   * An application that answers so many requests on a connection and then closes it, whatever it has been sent by then. What it was sent
   * behind them it has not looked at, or has run without an answer.
   */
  function closing(limit: number, run: (body: string) => void = () => {}): ScriptedConnector {
    return shared(async (application, connection) => {
      const first = (connection - 1) * limit;
      for (let count = 0; count < limit; count++) {
        const [id] = await requests(application, 1);
        if (id === undefined) return;
        run(`${first + count}`);
        await application.send(answer(id, "answered"));
      }
      await turns(5);
      await application.end();
    });
  }

  it.each([1, 2, 7, 50])("FastCgiClient loses no GET when a connection is closed behind %i requests", async (limit) => {
    const connector = closing(limit);
    const retries: FastCgiRetry[] = [];
    const client = clientOf(connector, {
      onRetry: (retry) => retries.push(retry),
      maxConnections: 4,
      maxQueuedRequests: 1000,
    });
    const answers = await Promise.all(Array.from({ length: 400 }, () => text(client)));
    expect(new Set(answers)).toEqual(new Set(["answered"]));
    expect(retries.length).toBeGreaterThan(0);
    expect(new Set(retries.map(({ reason, attempt }) => `${reason} ${attempt}`))).toEqual(new Set(["stale 1"]));
  });

  it("FastCgiClient sends again what is idempotent, is still there, and had no answer yet: nothing else", async () => {
    const post: FastCgiRequestInit = { params: [["REQUEST_METHOD", "POST"]], stdin: "body" };
    const put: FastCgiRequestInit = { params: [["REQUEST_METHOD", "PUT"]], stdin: "body" };
    const table: [name: string, request: FastCgiRequestInit, output: FastCgiRecord[], isSentAgain: boolean][] = [
      ["GET", get, [], true],
      ["PUT", put, [], true],
      ["PUT of a stream", { ...put, stdin: streamOf(latin1("body")) }, [], false],
      ["POST", post, [], false],
      ["half an answer", get, stdout(2, "half"), false],
      ["a message", get, [record(RecordType.Stderr, 2, "warning")], false],
    ];
    for (const [name, request, output, isSentAgain] of table) {
      const connector = shared(async (application, connection) => {
        if (connection > 1) {
          const [id] = await requests(application, 1);
          return application.send(answer(id!, "again"));
        }
        const [first] = await requests(application, 2);
        // The other request is answered: what came for it is not of this one.
        await application.send(output, answer(first!, "first"));
        await application.end();
      });
      const client = clientOf(connector);
      const [first, second] = await Promise.allSettled([text(client), text(client, request)]);
      expect(first, name).toMatchObject({ value: "first" });
      expect(second, name).toMatchObject(isSentAgain ? { value: "again" } : { reason: { code: "connectionClosed" } });
      expect(connector.connections.length, name).toBe(isSentAgain ? 2 : 1);
    }
  });

  it("FastCgiClient sends a request again once, and not as the first of the next connection that it ends", async () => {
    // Each connection ends with the first request that is poison.
    const received: number[] = [];
    const connector = shared(async (application, connection) => {
      const ids: number[] = [];
      for (let piece = await application.next(); piece !== null; piece = await application.next()) {
        if (piece.type === RecordType.Params && piece.contentData.length > 0) {
          const isPoison = decodeNameValuePairs(piece.contentData).some(([name]) => name === "POISON");
          if (isPoison) {
            received.push(connection);
            return application.close();
          }
        }
        if (piece.type === RecordType.Stdin) ids.push(piece.requestId);
        for (const id of ids.splice(0)) await application.send(answer(id, "fine"));
      }
    });
    const client = clientOf(connector);
    const poison: FastCgiRequestInit = {
      params: [
        ["REQUEST_METHOD", "GET"],
        ["POISON", "1"],
      ],
    };
    await text(client);
    await expect(text(client, poison)).rejects.toMatchObject({ code: "connectionClosed" });
    expect(received).toEqual([1, 2]);
  });

  it("FastCgiClient makes room for a request that is to be sent again when shared connections are never idle", async () => {
    const release = deferred();
    const connector = shared(async (application, connection) => {
      if (connection === 1) {
        const [first] = await requests(application, 3);
        await application.send(answer(first!, "first"));
        return application.end();
      }
      for (let count = 1; ; count++) {
        const [id] = await requests(application, 1);
        if (id === undefined) return;
        // The first one on the second connection ends when the test says so, the others never.
        if (connection === 2 && count === 1) {
          void release.promise.then(() => application.send(answer(id, "long")));
        } else if (connection > 3) {
          await application.send(answer(id, "made room"));
        }
      }
    });
    const client = clientOf(connector, { maxConnections: 2, maxConcurrentRequests: 3 });
    const controller = new AbortController();
    const unanswered = { ...get, signal: controller.signal };
    const sent = [get, unanswered, unanswered, get].map((request) => text(client, request));
    expect(await sent[0]).toBe("first");
    await turns();
    // Two of the first connection's are to be sent again. One has the third connection, and the other finds no room.
    expect([connector.connections.length, client.status]).toMatchObject([3, { connections: 2, active: 2, waiting: 1 }]);
    // Enough to keep both connections from ever being idle.
    for (let count = 0; count < 4; count++) text(client, unanswered).catch(() => {});
    await turns();
    // Only one of the connections is closed for it: the other takes as many as may share it.
    expect(client.status).toMatchObject({ connections: 2, active: 4, waiting: 3 });
    release.resolve();
    expect(await sent[3]).toBe("long");
    expect(await Promise.race(sent.slice(1, 3))).toBe("made room");
    controller.abort();
    await Promise.allSettled(sent);
  });
});

describe("multiplexing: our own server", () => {
  it("FastCgiClient runs 100 requests interleaved on one connection, and aborting 30 disturbs none", async () => {
    let connections = 0;
    let aborted = 0;
    const server = new FastCgiServer(
      (request) => {
        request.signal.addEventListener("abort", () => aborted++, { once: true });
        return { stdout: request.stdin };
      },
      { maxConcurrentRequests: 200 },
    );
    const connector: Connector = {
      async connect() {
        const [web, application] = connectionPair();
        connections++;
        void server.serve(application);
        return web;
      },
    };
    const client = clientOf(connector, { maxConcurrentRequests: 200 });
    const lengths = Array.from({ length: 100 }, (_, n) => 200_000 + n);
    await Promise.all(
      lengths.map(async (length, n) => {
        const controller = new AbortController();
        const stdin = streamOf(...patternChunks(length, 10_007));
        const response = await client.send({
          params: [["CONTENT_LENGTH", String(length)]],
          stdin,
          signal: controller.signal,
        });
        if (n % 10 < 3) {
          const reader = response.stdout.getReader();
          await reader.read();
          controller.abort();
          await expect(response.end).rejects.toBe(controller.signal.reason);
          return;
        }
        const { bytes, error } = await drain(response.stdout);
        expect([bytes.length, sha256(bytes), error]).toEqual([length, patternSha256(length), null]);
      }),
    );
    expect(connections).toBe(1);
    expect(aborted).toBe(30);
    await client.close();
  });
});
