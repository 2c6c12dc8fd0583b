import { describe, expect, it } from "vitest";
import {
  type ConnectOptions,
  decodeNameValuePairs,
  encodeNameValuePairs,
  encodeUnknownTypeBody,
  FastCgiClient,
  type FastCgiClientOptions,
  FastCgiError,
  type FastCgiRequestInit,
  type NameValuePair,
  ProtocolStatus,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { hexOf, joined, latin1 } from "../support/bytes.ts";
import { closingClients } from "../support/closing_clients.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { connectionPair, type MemoryConnection } from "../support/memory_connection.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { bytesOf, record } from "../support/records.ts";
import {
  answer,
  answering,
  end,
  type ReceivedRequest,
  type Script,
  ScriptedConnector,
  stdout,
} from "../support/scripted_application.ts";
import { sourceForms } from "../support/source_forms.ts";
import { drain, isSettled, streamOf, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const get: FastCgiRequestInit = { params: [["REQUEST_METHOD", "GET"]] };
const closing = closingClients();

/** FCGI_END_REQUEST of request 1, with eight bytes of padding. */
const PADDED_END = latin1(`\x01\x03\x00\x01\x00\x08\x08\x00${"\0".repeat(8 + 8)}`);

function clientOf(script: Script, options: FastCgiClientOptions = {}) {
  const connector = new ScriptedConnector(script);
  const client = closing(new FastCgiClient(connector, options));
  return { client, connector };
}

/** Sends a request and reads the whole answer. */
async function exchange(client: FastCgiClient, request = get): Promise<string> {
  const response = await client.send(request);
  const text = await textFrom(response.stdout);
  await response.end;
  // The connection is free, or closed, right behind that.
  await turns();
  return text;
}

describe("FastCgiClient", () => {
  it("FastCgiClient takes stdin and data in every form that programs have bytes in", async () => {
    const { client } = clientOf(answering(({ stdin, data }) => `${hexOf(stdin)}|${hexOf(data)}`));
    const text = "café";
    const expected = hexOf(new TextEncoder().encode(text));
    const params: NameValuePair[] = [
      ["CONTENT_LENGTH", "5"],
      ["FCGI_DATA_LENGTH", "5"],
    ];
    for (const [form, make] of sourceForms(text)) {
      const request = { role: Role.Filter, params, stdin: make(), data: make() };
      expect(await exchange(client, request), form).toBe(`${expected}|${expected}`);
    }
    expect(await exchange(client, { params, stdin: "12345", data: null })).toBe(`${hexOf(latin1("12345"))}|`);
  });

  it("FastCgiClient fails a request whose stream has chunks that are not bytes, without an end of stdin", async () => {
    for (const chunk of ["text", new ArrayBuffer(3), null]) {
      const records: number[][] = [];
      const over = deferred();
      const { client } = clientOf(async (application) => {
        for (let piece = await application.next(); piece !== null; piece = await application.next()) {
          records.push([piece.type, piece.contentData.length]);
        }
        over.resolve();
      });
      const stdin = streamOf(latin1("start"), chunk as never);
      const response = await client.send({ ...get, stdin });
      await expect(response.end).rejects.toThrow(/^Cannot send stdin: expected chunks that are Uint8Arrays, got /);
      expect((await drain(response.stdout)).error).toBeInstanceOf(TypeError);
      await over.promise;
      expect(records).not.toContainEqual([RecordType.Stdin, 0]);
    }
  });

  it("FastCgiClient takes params that can be read only once", async () => {
    const received = deferred<ReceivedRequest>();
    const { client } = clientOf(async (application) => {
      const request = (await application.request())!;
      received.resolve(request);
      await application.send(answer(request.requestId, "done"));
    });
    function* params(): Generator<NameValuePair> {
      yield ["REQUEST_METHOD", "POST"];
      yield ["CONTENT_LENGTH", "4"];
    }
    expect(await exchange(client, { params: params(), stdin: latin1("body") })).toBe("done");
    expect((await received.promise).paramPairs).toEqual([...params()]);
  });

  it("FastCgiClient sends params and stdin, and gives stdout, stderr and the end", async () => {
    const received = deferred<ReceivedRequest>();
    const { client } = clientOf(async (application) => {
      const request = (await application.request())!;
      received.resolve(request);
      const { requestId } = request;
      await application.send(
        stdout(requestId, "out"),
        record(RecordType.Stderr, requestId, "err"),
        stdout(requestId, "put"),
        record(RecordType.Stderr, requestId),
        record(RecordType.Stdout, requestId),
        end(requestId, ProtocolStatus.RequestComplete, 7),
      );
    });
    const params: NameValuePair[] = [
      ["REQUEST_METHOD", "POST"],
      ["CONTENT_LENGTH", "4"],
    ];
    const response = await client.send({ params, stdin: latin1("body") });
    expect(await textFrom(response.stdout)).toBe("output");
    expect(await textFrom(response.stderr)).toBe("err");
    expect(await response.end).toEqual({ appStatus: 7, protocolStatus: ProtocolStatus.RequestComplete });
    expect(response.stderrTruncated).toBe(false);
    const { paramPairs, stdin, role, keepConn, requestId } = await received.promise;
    expect([paramPairs, stdin, role, keepConn]).toEqual([params, latin1("body"), Role.Responder, false]);
    expect(response.requestId).toBe(requestId);
  });

  it("FastCgiClient resolves with a response that a spread copies whole", async () => {
    const { client } = clientOf(answering(() => "answer"));
    const copy = { ...(await client.send(get)) };
    expect([await textFrom(copy.stdout), await textFrom(copy.stderr), copy.stderrTruncated]).toEqual([
      "answer",
      "",
      false,
    ]);
    expect(await copy.end).toMatchObject({ appStatus: 0 });
  });

  it("FastCgiClient sends a request of every role", async () => {
    const { client } = clientOf(
      answering(({ role, stdin, data }) => `${role} ${Buffer.from(stdin)} ${Buffer.from(data)}`),
    );
    const streams = { params: [], stdin: latin1("stdin"), data: latin1("data") };
    expect(await exchange(client, { ...streams, role: Role.Responder })).toBe("1 stdin ");
    expect(await exchange(client, { ...streams, role: Role.Authorizer })).toBe("2  ");
    expect(await exchange(client, { ...streams, role: Role.Filter })).toBe("3 stdin data");
  });

  it("FastCgiClient opens a connection for each request and closes it behind the answer", async () => {
    const { client, connector } = clientOf(answering(() => "x"));
    await exchange(client);
    await exchange(client);
    expect(connector.connections.map(({ isClosed }) => isClosed)).toEqual([true, true]);
    expect(client.status.idle).toBe(0);
  });

  it("FastCgiClient runs requests side by side on connections of their own", async () => {
    const { client, connector } = clientOf(answering(({ params }) => params.get("N")!));
    const texts = await Promise.all(
      Array.from({ length: 20 }, (_, number) => exchange(client, { params: [["N", String(number)]] })),
    );
    expect(texts).toEqual(Array.from({ length: 20 }, (_, number) => String(number)));
    expect(connector.connections.length).toBe(20);
  });
});

describe("FastCgiClient: kept connections", () => {
  it("FastCgiClient uses a kept connection again, with another request id", async () => {
    const requests: [id: number, keepConn: boolean][] = [];
    const { client, connector } = clientOf(
      answering(({ requestId, keepConn }) => {
        requests.push([requestId, keepConn]);
        return "x";
      }),
      { keepAlive: true },
    );
    for (let count = 0; count < 3; count++) {
      expect(await exchange(client)).toBe("x");
      expect(client.status.idle).toBe(1);
    }
    expect(connector.connections.length).toBe(1);
    expect(requests).toEqual([
      [1, true],
      [2, true],
      [3, true],
    ]);
  });

  it("FastCgiClient never shares a connection that has a request", async () => {
    const { client, connector } = clientOf(
      answering(() => "x"),
      { keepAlive: true },
    );
    await Promise.all([exchange(client), exchange(client)]);
    expect(connector.connections.length).toBe(2);
    expect(client.status.idle).toBe(2);
    await exchange(client);
    expect(connector.connections.length).toBe(2);
  });

  it("FastCgiClient destroys an idle connection on which anything comes", async () => {
    const unasked: [name: string, bytes: Uint8Array][] = [
      ["a byte", latin1("\x01")],
      ["garbage", latin1("HTTP/1.1 400 Bad Request\r\n\r\n")],
      ["a late record", latin1("\x01\x06\x00\x01\x00\x00\x00\x00")],
      ["a management record", latin1("\x01\x0a\x00\x00\x00\x00\x00\x00")],
    ];
    for (const [name, bytes] of unasked) {
      const speak = deferred();
      const { client, connector } = clientOf(
        async (application, connection) => {
          const request = (await application.request())!;
          await application.send(answer(request.requestId, `connection ${connection}`));
          await speak.promise;
          await application.sendBytes(bytes);
        },
        { keepAlive: true },
      );
      await exchange(client);
      expect(client.status.idle, name).toBe(1);
      speak.resolve();
      await turns();
      expect(client.status.idle, name).toBe(0);
      expect(connector.connections[0]!.isClosed, name).toBe(true);
      expect(await exchange(client), name).toBe("connection 2");
    }
  });

  it("FastCgiClient does not keep a connection on which something came behind the end", async () => {
    for (const extra of [stdout(1, "late"), [end(1)], [record(RecordType.Stderr, 1, "late")]]) {
      const { client, connector } = clientOf(
        async (application, connection) => {
          const { requestId } = (await application.request())!;
          await application.send(answer(requestId, `answer ${connection}`), extra);
        },
        { keepAlive: true },
      );
      expect(await exchange(client)).toBe("answer 1");
      expect(client.status.idle).toBe(0);
      expect(connector.connections[0]!.isClosed).toBe(true);
      expect(await exchange(client)).toBe("answer 2");
    }
  });

  it("FastCgiClient does not keep a connection while a record behind the end has come in part", async () => {
    const parts: [name: string, bytes: Uint8Array][] = [
      ["the start of a header", latin1("\x01\x06\x00")],
      ["a header without its content", latin1("\x01\x06\x00\x02\x00\x04\x00\x00")],
      ["a header and a part of its content", latin1("\x01\x06\x00\x02\x00\x04\x00\x00fo")],
    ];
    for (const [name, part] of parts) {
      const { client, connector } = clientOf(
        async (application, connection) => {
          const { requestId } = (await application.request())!;
          const whole = bytesOf(answer(requestId, `answer ${connection}`));
          await application.sendBytes(connection === 1 ? joined(whole, part) : whole);
        },
        { keepAlive: true },
      );
      expect(await exchange(client), name).toBe("answer 1");
      expect(client.status.idle, name).toBe(0);
      expect(await exchange(client), name).toBe("answer 2");
      expect(connector.connections.length, name).toBe(2);
    }
  });

  it("FastCgiClient keeps a connection when the last of the padding has come", async () => {
    const goOn = deferred();
    const { client, connector } = clientOf(
      async (application, connection) => {
        const { requestId } = (await application.request())!;
        if (connection === 2) {
          await application.send(answer(requestId, "of the second"));
          return application.end();
        }
        await application.send(stdout(requestId, "of the first"));
        // FCGI_END_REQUEST with eight bytes of padding, of which three come at first.
        await application.sendBytes(PADDED_END.subarray(0, 19));
        await goOn.promise;
        await application.sendBytes(PADDED_END.subarray(19));
        await application.send(answer((await application.request())!.requestId, "of the first again"));
      },
      { keepAlive: true },
    );
    expect(await exchange(client)).toBe("of the first");
    expect(client.status.idle).toBe(0);
    expect(await exchange(client)).toBe("of the second");
    goOn.resolve();
    await turns();
    expect(client.status.idle).toBe(1);
    expect(await exchange(client)).toBe("of the first again");
    expect(connector.connections.length).toBe(2);
  });

  it("FastCgiClient waits for no padding when it closes", async () => {
    const { client } = clientOf(
      async (application) => {
        const { requestId } = (await application.request())!;
        await application.send(stdout(requestId, "all"));
        await application.sendBytes(PADDED_END.subarray(0, 19));
        await application.closedByClient();
      },
      { keepAlive: true },
    );
    expect(await exchange(client)).toBe("all");
    await client.close();
    expect(client.status.connections).toBe(0);
  });

  it("FastCgiClient fails a request that meets the late answer of another, and gives out nothing of it", async () => {
    const late = deferred();
    const { client } = clientOf(
      async (application) => {
        await application.send(answer((await application.request())!.requestId, "first"));
        await application.request();
        await late.promise;
        // As an application that ends requests twice.
        await application.send(answer(1, "of the first"), answer(2, "second"));
      },
      { keepAlive: true },
    );
    await exchange(client);
    const sent = client.send(get);
    await turns();
    late.resolve();
    const response = await sent;
    await expect(textFrom(response.stdout)).rejects.toMatchObject({ code: "protocol" });
    await expect(response.end).rejects.toMatchObject({ code: "protocol" });
  });

  it("FastCgiClient forgets an idle connection that the application closes", async () => {
    const close = deferred();
    const { client } = clientOf(
      async (application, connection) => {
        await application.send(answer((await application.request())!.requestId, String(connection)));
        await close.promise;
        await application.end();
      },
      { keepAlive: true },
    );
    await exchange(client);
    close.resolve();
    await turns();
    expect(client.status.idle).toBe(0);
    expect(await exchange(client)).toBe("2");
  });

  it("FastCgiClient closes a kept connection whose request was not sent to its end", async () => {
    const { client, connector } = clientOf(
      async (application) => {
        const { requestId } = (await application.next())!;
        await application.send(answer(requestId, "early"));
      },
      { keepAlive: true },
    );
    const open = new OpenStream();
    expect(await exchange(client, { ...get, stdin: open.stream })).toBe("early");
    expect(client.status.idle).toBe(0);
    expect(connector.connections[0]!.isClosed).toBe(true);
    expect(open.cancelled).toBeInstanceOf(FastCgiError);
  });

  it("FastCgiClient closes idle connections and sends nothing more when it is closed", async () => {
    const { client, connector } = clientOf(
      answering(() => "x"),
      { keepAlive: true },
    );
    await Promise.all([exchange(client), exchange(client)]);
    client.close();
    expect(connector.connections.map(({ isClosed }) => isClosed)).toEqual([true, true]);
    expect(client.status.idle).toBe(0);
    await expect(client.send(get)).rejects.toThrow(new TypeError("Cannot send a request: the client is closed"));
    await expect(client.getValues()).rejects.toThrow(TypeError);
    client.close();
  });

  it("FastCgiClient lets an exchange go on to its end when it is closed, and keeps nothing behind it", async () => {
    const go = deferred();
    const { client, connector } = clientOf(
      async (application) => {
        const { requestId } = (await application.request())!;
        await go.promise;
        await application.send(answer(requestId, "whole"));
      },
      { keepAlive: true },
    );
    const response = await client.send(get);
    client.close();
    go.resolve();
    expect(await textFrom(response.stdout)).toBe("whole");
    await turns();
    expect(client.status.idle).toBe(0);
    expect(connector.connections[0]!.isClosed).toBe(true);
  });
});

describe("FastCgiClient: idle time", () => {
  useFakeTime();

  it("FastCgiClient closes a connection that was idle for idleTimeout", async () => {
    const { client, connector } = clientOf(
      answering(() => "x"),
      { keepAlive: true, idleTimeout: 5000 },
    );
    await exchange(client);
    await pass(4000);
    await exchange(client);
    await pass(4000);
    expect(connector.connections.length).toBe(1);
    expect(client.status.idle).toBe(1);
    await pass(1001);
    expect(client.status.idle).toBe(0);
    expect(connector.connections[0]!.isClosed).toBe(true);
  });

  it("FastCgiClient closes a connection that was idle for idleTimeout, though it waits for padding", async () => {
    const { client, connector } = clientOf(
      async (application) => {
        await application.request();
        await application.sendBytes(PADDED_END.subarray(0, 19));
        await application.closedByClient();
      },
      { keepAlive: true, idleTimeout: 5000 },
    );
    await exchange(client);
    await pass(4999);
    expect(connector.connections[0]!.isClosed).toBe(false);
    await pass(2);
    expect(connector.connections[0]!.isClosed).toBe(true);
  });

  it("FastCgiClient closes a connection that was idle for idleTimeout when its last answer came in one piece that had no room", async () => {
    const { client } = clientOf(
      answering(() => new Uint8Array(200_000)),
      { keepAlive: true, idleTimeout: 5000, maxQueuedBytes: 100_000 },
    );
    const response = await client.send(get);
    await response.end;
    await turns();
    expect(client.status.idle).toBe(1);
    await pass(4999);
    expect(client.status.idle).toBe(1);
    await pass(2);
    expect(client.status.idle).toBe(0);
    expect((await drain(response.stdout)).bytes.length).toBe(200_000);
  });
});

describe("FastCgiClient: connecting", () => {
  useFakeTime();

  /** A connector that a test answers by hand. */
  function manual(options: FastCgiClientOptions = {}) {
    const attempts: {
      signal: AbortSignal;
      resolve(connection: MemoryConnection): void;
      reject(error: unknown): void;
    }[] = [];
    const client = new FastCgiClient(
      {
        connect({ signal }: ConnectOptions) {
          const { promise, resolve, reject } = deferred<MemoryConnection>();
          attempts.push({ signal, resolve, reject });
          return promise;
        },
      },
      { maxConnectRetries: 0, ...options },
    );
    return { client, attempts };
  }

  it("FastCgiClient rejects with connectFailed where there is no connection, and cancels the streams", async () => {
    const [stdin, data] = [new OpenStream(), new OpenStream()];
    const { client, attempts } = manual();
    const sent = client.send({ ...get, stdin: stdin.stream, data: data.stream });
    const cause = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    attempts[0]!.reject(cause);
    const error = await sent.catch((reason) => reason);
    expect(error).toMatchObject({ code: "connectFailed", message: "Cannot connect: connect ECONNREFUSED", cause });
    expect([stdin.cancelled, data.cancelled]).toEqual([error, error]);
  });

  it("FastCgiClient passes a FastCgiError of the connector on", async () => {
    const { client, attempts } = manual();
    const sent = client.send(get);
    const reason = new FastCgiError("connectFailed", "No backend is left");
    attempts[0]!.reject(reason);
    await expect(sent).rejects.toBe(reason);
  });

  it("FastCgiClient gives an attempt up after connectTimeout", async () => {
    const { client, attempts } = manual({ connectTimeout: 2000 });
    const sent = client.send(get).catch((reason) => reason);
    await pass(1999);
    expect(await isSettled(sent)).toBe(false);
    await pass(2);
    const { signal, reject } = attempts[0]!;
    expect(signal.aborted).toBe(true);
    reject(signal.reason);
    expect(await sent).toMatchObject({
      code: "timeout",
      limit: "connectTimeout",
      message: "Cannot connect: the application did not answer for 2000 ms",
    });
  });

  it("FastCgiClient waits for ever with an infinite connectTimeout", async () => {
    const { client, attempts } = manual({ connectTimeout: Number.POSITIVE_INFINITY });
    const sent = client.send(get).catch((reason) => reason);
    await pass(1e9);
    expect(attempts[0]!.signal.aborted).toBe(false);
    attempts[0]!.reject(new Error("no"));
    await sent;
  });

  it("FastCgiClient closes a connection that comes after the attempt was given up", async () => {
    for (const limit of ["signal", "connectTimeout"]) {
      const { client, attempts } = manual({ connectTimeout: 2000 });
      const controller = new AbortController();
      const sent = client.send({ ...get, signal: controller.signal }).catch((reason) => reason);
      const reason = new Error("Enough");
      if (limit === "signal") controller.abort(reason);
      else await pass(2001);
      const [connection] = connectionPair();
      attempts[0]!.resolve(connection);
      const error = await sent;
      if (limit === "signal") expect(error).toBe(reason);
      else expect(error).toMatchObject({ code: "timeout", limit });
      await turns();
      expect(connection.isClosed).toBe(true);
    }
  });

  it("FastCgiClient tries nothing with a signal that is aborted already", async () => {
    const { client, attempts } = manual();
    const reason = new Error("Enough");
    const signal = AbortSignal.abort(reason);
    const open = new OpenStream();
    await expect(client.send({ ...get, signal, stdin: open.stream })).rejects.toBe(reason);
    await expect(client.getValues([], { signal })).rejects.toBe(reason);
    expect(attempts).toEqual([]);
    expect(open.cancelled).toBe(reason);
  });

  it("FastCgiClient does not wait for a connection when keyOf aborts the request", async () => {
    const controller = new AbortController();
    const reason = new Error("Enough");
    let connects = 0;
    const connector = {
      connect: () => new Promise<never>(() => void connects++),
      keyOf() {
        controller.abort(reason);
        return "tenant";
      },
    };
    const client = new FastCgiClient(connector);
    await expect(client.send({ ...get, signal: controller.signal })).rejects.toBe(reason);
    expect(connects).toBe(0);
    expect(client.status.waiting).toBe(0);
  });

  it("FastCgiClient passes an abort on to the attempt", async () => {
    const { client, attempts } = manual();
    const controller = new AbortController();
    const sent = client.send({ ...get, signal: controller.signal });
    const reason = new Error("Enough");
    controller.abort(reason);
    expect(attempts[0]!.signal.reason).toBe(reason);
    attempts[0]!.reject(new Error("The attempt was given up"));
    await expect(sent).rejects.toBe(reason);
  });

  it("FastCgiClient notices an abort in any moment between connecting and sending", async () => {
    for (let count = 0; count < 20; count++) {
      const { client, attempts } = manual();
      const controller = new AbortController();
      const sent = client.send({ ...get, signal: controller.signal });
      const [connection] = connectionPair();
      attempts[0]!.resolve(connection);
      for (let turn = 0; turn < count; turn++) await null;
      const reason = new Error("Enough");
      controller.abort(reason);
      const outcome = await sent.then(
        ({ stdout }) => textFrom(stdout).catch((error) => error),
        (error) => error,
      );
      expect(outcome, `after ${count} turns`).toBe(reason);
      await turns();
      expect(connection.isClosed, `after ${count} turns`).toBe(true);
    }
  });

  it("FastCgiClient fails on a connection that has ended before anything is sent", async () => {
    const { client, attempts } = manual();
    const ended = (): MemoryConnection => {
      const [connection] = connectionPair();
      return { ...connection, isClosed: false, readable: new ReadableStream({ start: (reader) => reader.close() }) };
    };
    const sent = exchange(client);
    attempts[0]!.resolve(ended());
    await expect(sent).rejects.toMatchObject({ code: "connectionClosed" });
    const values = client.getValues();
    attempts[1]!.resolve(ended());
    await expect(values).rejects.toMatchObject({ code: "connectionClosed" });
  });

  it("FastCgiClient fails a request whose connection is closed by the application at once", async () => {
    const { client, connector } = clientOf((application) => application.end());
    const error = await exchange(client).catch((reason) => reason);
    expect(error).toMatchObject({ code: "connectionClosed" });
    expect(connector.connections[0]!.isClosed).toBe(true);
    const talkative = clientOf((application) => application.sendBytes(latin1("220 mail.test ESMTP\r\n")));
    await expect(exchange(talkative.client)).rejects.toMatchObject({ code: "protocol" });
  });

  it("FastCgiClient leaves no listener on a signal", async () => {
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    const { client } = clientOf(answering(() => "x"));
    await exchange(client, { ...get, signal });
    expect(listeners).toBe(0);
    const closing = clientOf((application) => application.end());
    await exchange(closing.client, { ...get, signal }).catch(() => {});
    await turns();
    expect(listeners).toBe(0);
    await closing.client.getValues([], { signal }).catch(() => {});
    expect(listeners).toBe(0);
  });
});

describe("FastCgiClient: getValues", () => {
  const { GetValues, GetValuesResult, UnknownType } = RecordType;

  it("FastCgiClient asks for values with empty ones, in a padded record of its own, and closes", async () => {
    const asked = deferred<{ names: NameValuePair[]; padding: number | undefined; requestId: number; type: number }>();
    const { client, connector } = clientOf(async (application) => {
      const { type, requestId, contentData, paddingLength } = (await application.next())!;
      asked.resolve({ type, requestId, names: decodeNameValuePairs(contentData), padding: paddingLength });
      const values = encodeNameValuePairs([
        ["FCGI_MPXS_CONNS", "0"],
        ["__proto__", "x"],
      ]);
      await application.send(record(GetValuesResult, 0, values));
    });
    const values = await client.getValues();
    expect(values).toEqual(
      new Map([
        ["FCGI_MPXS_CONNS", "0"],
        ["__proto__", "x"],
      ]),
    );
    const { type, requestId, names, padding } = await asked.promise;
    expect([type, requestId]).toEqual([GetValues, 0]);
    expect(names).toEqual([
      ["FCGI_MAX_CONNS", ""],
      ["FCGI_MAX_REQS", ""],
      ["FCGI_MPXS_CONNS", ""],
    ]);
    expect(padding).toBeGreaterThan(0);
    await turns();
    expect(connector.connections[0]!.isClosed).toBe(true);
  });

  it("FastCgiClient pads every question to a multiple of eight bytes, by one byte at least", async () => {
    for (let length = 0; length < 10; length++) {
      const sizes = deferred<[content: number, padding: number]>();
      const { client } = clientOf(async (application) => {
        const { contentData, paddingLength } = (await application.next())!;
        sizes.resolve([contentData.length, paddingLength!]);
        await application.send(record(GetValuesResult, 0));
      });
      expect(await client.getValues(["x".repeat(length)])).toEqual(new Map());
      const [content, padding] = await sizes.promise;
      expect((content + padding) % 8).toBe(0);
      expect(padding).toBeGreaterThan(0);
    }
  });

  it("FastCgiClient takes the first of two answers, as Go sends them", async () => {
    for (const together of [true, false]) {
      const { client } = clientOf(async (application) => {
        await application.next();
        const values = record(GetValuesResult, 0, encodeNameValuePairs([["FCGI_MPXS_CONNS", "1"]]));
        const empty = record(GetValuesResult, 0);
        if (together) return application.send(values, empty);
        await application.send(values);
        await application.send(empty);
      });
      expect(await client.getValues()).toEqual(new Map([["FCGI_MPXS_CONNS", "1"]]));
    }
  });

  it("FastCgiClient rejects where the application does not know the question or breaks the protocol", async () => {
    const answers: [bytes: Uint8Array, type: number][] = [
      [encodeUnknownTypeBody(GetValues), UnknownType],
      // A pair that reaches past the end.
      [latin1("\x05\x05x"), GetValuesResult],
      [latin1(""), RecordType.Stdout],
    ];
    for (const [bytes, type] of answers) {
      const { client, connector } = clientOf(async (application) => {
        await application.next();
        await application.send(record(type, 0, bytes));
      });
      await expect(client.getValues(), String(type)).rejects.toMatchObject({ code: "protocol" });
      await turns();
      expect(connector.connections[0]!.isClosed).toBe(true);
    }
  });

  it("FastCgiClient rejects where the application closes instead of answering", async () => {
    const scripts: Script[] = [
      (application) => application.end(),
      (application) => application.close(),
      async (application) => {
        await application.next();
        await application.end();
      },
    ];
    for (const script of scripts) {
      await expect(clientOf(script).client.getValues()).rejects.toMatchObject({ code: "connectionClosed" });
    }
  });

  it("FastCgiClient gives a question up when its signal aborts", async () => {
    const asked = deferred();
    const { client, connector } = clientOf(async (application) => {
      await application.next();
      asked.resolve();
    });
    const controller = new AbortController();
    const values = client.getValues(undefined, { signal: controller.signal });
    await asked.promise;
    const reason = new Error("Enough");
    controller.abort(reason);
    await expect(values).rejects.toBe(reason);
    expect(connector.connections[0]!.isClosed).toBe(true);
  });
});

describe("FastCgiClient: getValues without an answer", () => {
  useFakeTime();

  it("FastCgiClient rejects after readTimeout, also where a part of the answer came", async () => {
    for (const part of [latin1(""), latin1("\x01\x0a\x00\x00\x00\x08")]) {
      const { client } = clientOf(
        async (application) => {
          await application.next();
          if (part.length > 0) await application.sendBytes(part);
        },
        { readTimeout: 1000 },
      );
      const values = client.getValues().catch((reason) => reason);
      await pass(999);
      expect(await isSettled(values)).toBe(false);
      await pass(1002);
      expect(await values).toMatchObject({ code: "timeout", limit: "readTimeout" });
    }
  });
});
