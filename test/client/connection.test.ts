import { describe, expect, it, vi } from "vitest";
import { ClientConnection } from "../../src/client/connection.ts";
import { resolveClientOptions } from "../../src/client/options.ts";
import { clientRequest } from "../../src/client/request.ts";
import { IncomingResponse } from "../../src/codec/incoming_response.ts";
import {
  type Connector,
  encodeNameValuePairs,
  FastCgiClient,
  type FastCgiClientOptions,
  type FastCgiRecord,
  type FastCgiRequestInit,
  ProtocolStatus,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { hex, joined, latin1, sha256 } from "../support/bytes.ts";
import { closingClients } from "../support/closing_clients.ts";
import { DrivenChannel } from "../support/driven_channel.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { connectionPair } from "../support/memory_connection.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { patternBytes, patternChunks, patternSha256 } from "../support/pattern.ts";
import { bytesOf, record } from "../support/records.ts";
import {
  answer,
  answering,
  end,
  type Script,
  ScriptedApplication,
  ScriptedConnector,
  stdout,
} from "../support/scripted_application.ts";
import { drain, isSettled, streamOf, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns, unhandledRejectionsOf } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const get: FastCgiRequestInit = { params: [["REQUEST_METHOD", "GET"]] };
const MiB = 1024 * 1024;
const closing = closingClients();

function clientOf(connector: Connector, options: FastCgiClientOptions = {}): FastCgiClient {
  return closing(new FastCgiClient(connector, options));
}

/** Sends a request to a scripted application. */
async function send(script: Script, request: FastCgiRequestInit = get, options: FastCgiClientOptions = {}) {
  const connector = new ScriptedConnector(script);
  const response = await clientOf(connector, options).send(request);
  return { response, connection: connector.connections[0]! };
}

/** The answer to FCGI_GET_VALUES of an application that multiplexes. */
function mpxsConns(asked: FastCgiRecord | null): FastCgiRecord {
  expect(asked?.type).toBe(RecordType.GetValues);
  return record(RecordType.GetValuesResult, 0, encodeNameValuePairs([["FCGI_MPXS_CONNS", "1"]]));
}

/** A script that reads the request and then writes these bytes as they are. */
function raw(...pieces: Uint8Array[]): Script {
  return async (application) => {
    await application.request();
    for (const piece of pieces) await application.sendBytes(piece);
  };
}

describe("ClientConnection: sending and receiving", () => {
  it("ClientConnection writes and reads at the same time", async () => {
    const body = patternBytes(MiB);
    const scripts: [name: string, script: Script][] = [
      [
        // Does not read on before it has written what it read.
        "echo",
        async (application) => {
          for (let piece = await application.next(); piece !== null; piece = await application.next()) {
            if (piece.type !== RecordType.Stdin) continue;
            if (piece.contentData.length === 0) return application.send(answer(1, ""));
            await application.send(stdout(1, piece.contentData));
          }
        },
      ],
      [
        // Writes everything before it reads anything.
        "writes first",
        async (application) => {
          await application.next();
          for (const piece of patternChunks(MiB, 50_000)) await application.send(stdout(1, piece));
          for (let piece = await application.next(); piece !== null; piece = await application.next()) {
            if (piece.type === RecordType.Stdin && piece.contentData.length === 0) return application.send(end(1));
          }
        },
      ],
    ];
    for (const [name, script] of scripts) {
      for (const stdin of [body, streamOf(...patternChunks(MiB, 10_000))]) {
        const { response } = await send(script, { params: [["CONTENT_LENGTH", String(MiB)]], stdin });
        const { bytes, error } = await drain(response.stdout);
        expect(error, name).toBeNull();
        expect(sha256(bytes), name).toBe(patternSha256(MiB));
      }
    }
  });

  it("ClientConnection stops reading when nobody reads stdout, and goes on when somebody does", async () => {
    let written = 0;
    const { response } = await send(
      async (application) => {
        await application.request();
        for (const piece of patternChunks(MiB, 10_000)) {
          await application.send(stdout(1, piece));
          written += piece.length;
        }
        await application.send(end(1));
      },
      get,
      { maxQueuedBytes: 100_000 },
    );
    await turns(50);
    expect(written).toBeGreaterThan(50_000);
    expect(written).toBeLessThan(200_000);
    const { bytes } = await drain(response.stdout);
    expect(sha256(bytes)).toBe(patternSha256(MiB));
  });

  it("ClientConnection goes on reading when nobody reads stderr", async () => {
    const { response } = await send(
      async (application) => {
        await application.request();
        for (let count = 0; count < 100; count++) {
          await application.send(record(RecordType.Stderr, 1, patternBytes(10_000)));
        }
        await application.send(answer(1, "out"));
      },
      get,
      { maxQueuedBytes: 1000, maxStderrBytes: 5000 },
    );
    expect(await textFrom(response.stdout)).toBe("out");
    expect(response.stderrTruncated).toBe(true);
    expect((await drain(response.stderr)).bytes).toEqual(patternBytes(5000));
  });

  it("ClientConnection tells onStderr of each piece, up to maxStderrBytes", async () => {
    const pieces: string[] = [];
    const onStderr = (piece: Uint8Array): void => void pieces.push(Buffer.from(piece).toString());
    const { response } = await send(
      raw(bytesOf(record(RecordType.Stderr, 1, "one"), record(RecordType.Stderr, 1, "two"), answer(1, ""))),
      { ...get, onStderr },
      { maxStderrBytes: 5 },
    );
    await response.end;
    expect(pieces).toEqual(["one", "tw"]);
  });

  it("ClientConnection goes on when onStderr throws", async () => {
    const thrown = new Error("The log is full");
    const onStderr = (): never => {
      throw thrown;
    };
    const unhandled = await unhandledRejectionsOf(async () => {
      const script = raw(bytesOf(record(RecordType.Stderr, 1, "one"), answer(1, "answer")));
      const { response } = await send(script, { ...get, onStderr });
      expect(await textFrom(response.stdout)).toBe("answer");
    });
    expect(unhandled).toEqual([thrown]);
  });

  it("ClientConnection limits stdout to maxStdoutBytes and closes behind it", async () => {
    const { response, connection } = await send(raw(bytesOf(stdout(1, "12345"))), get, { maxStdoutBytes: 4 });
    const { bytes, error } = await drain(response.stdout);
    expect([bytes.length, error]).toMatchObject([0, { code: "limit", limit: "maxStdoutBytes" }]);
    expect(connection.isClosed).toBe(true);
  });

  it("ClientConnection delivers an answer that comes before the whole request was sent, and closes", async () => {
    const open = new OpenStream();
    const { response, connection } = await send(
      async (application) => {
        const { requestId } = (await application.next())!;
        await application.send(answer(requestId, "too large", 1));
      },
      { ...get, stdin: open.stream },
    );
    expect(await textFrom(response.stdout)).toBe("too large");
    expect(await response.end).toEqual({ appStatus: 1, protocolStatus: 0 });
    await turns();
    expect(connection.isClosed).toBe(true);
    expect(open.cancelled).toBeDefined();
  });

  it("ClientConnection closes, without an end of stdin, where its source fails or has another length", async () => {
    const failing = new OpenStream();
    const reason = new Error("The disk is gone");
    failing.fail(reason);
    const sources: [stdin: FastCgiRequestInit["stdin"], error: unknown][] = [
      [failing.stream, reason],
      [streamOf(latin1("shor")), expect.objectContaining({ code: "lengthMismatch" })],
      [streamOf(latin1("longer")), expect.objectContaining({ code: "lengthMismatch" })],
    ];
    for (const [stdin = null, error] of sources) {
      const types: number[] = [];
      const over = deferred();
      const { response, connection } = await send(
        async (application) => {
          for (let piece = await application.next(); piece !== null; piece = await application.next()) {
            if (piece.type === RecordType.Stdin && piece.contentData.length === 0) types.push(piece.type);
          }
          over.resolve();
        },
        { params: [["CONTENT_LENGTH", "5"]], stdin },
      );
      expect((await drain(response.stdout)).error).toEqual(error);
      await expect(response.end).rejects.toEqual(error);
      expect(connection.isClosed).toBe(true);
      await over.promise;
      expect(types).toEqual([]);
    }
  });

  it("ClientConnection sends nothing of a request that is known to be wrong, and takes the next", async () => {
    const wrong: [request: FastCgiRequestInit, error: unknown][] = [
      [{ params: [["X", "☃"]] }, expect.any(TypeError)],
      [
        { params: [["CONTENT_LENGTH", "5"]], stdin: latin1("longer") },
        expect.objectContaining({ code: "lengthMismatch" }),
      ],
      [{ params: [["CONTENT_LENGTH", "5"]] }, expect.objectContaining({ code: "lengthMismatch" })],
      [
        { role: Role.Filter, params: [["FCGI_DATA_LENGTH", "5"]], data: latin1("file") },
        expect.objectContaining({ code: "lengthMismatch" }),
      ],
    ];
    for (const multiplexing of [false, true]) {
      const connector = new ScriptedConnector(async (application, number) => {
        if (multiplexing) await application.send(mpxsConns(await application.next()));
        await answering(({ records }) => `${number} ${records.length}`)(application, number);
      });
      const client = clientOf(connector, { keepAlive: true, reuseForAll: true, multiplexing });
      expect(await textFrom((await client.send(get)).stdout)).toBe("1 4");
      await turns();
      for (const [request, error] of wrong) await expect(client.send(request)).rejects.toEqual(error);
      expect(await textFrom((await client.send(get)).stdout)).toBe("1 4");
      expect(client.status).toMatchObject({ connections: 1 });
    }
  });

  it("ClientConnection closes when stdout is cancelled", async () => {
    const closed = deferred();
    const { response, connection } = await send(async (application) => {
      await application.request();
      await application.send(stdout(1, "part"));
      await application.closedByClient();
      closed.resolve();
    });
    const reader = response.stdout.getReader();
    await reader.read();
    const reason = new Error("Enough");
    await reader.cancel(reason);
    expect(connection.isClosed).toBe(true);
    await closed.promise;
    await expect(response.end).rejects.toBe(reason);
  });

  it("ClientConnection counts ids up to 65,535 and from 1 again, and gives no request an id that is active", async () => {
    const channel = new DrivenChannel();
    // Nothing reads what is written.
    channel.write = () => undefined;
    const options = resolveClientOptions({ keepAlive: true });
    const owner = { onFree() {}, onClose() {}, onCantMultiplex() {} };
    const connection = new ClientConnection(channel, options, owner);
    connection.exchanges.share(3);
    const begin = (): number => {
      const response = new IncomingResponse(0, options, {});
      connection.begin(clientRequest(get, get.params), response);
      return response.requestId;
    };
    const complete = (id: number): void => channel.events.onData(bytesOf(end(id)));
    const ids: number[] = [];
    for (let count = 0; count < 65_535; count++) {
      const id = begin();
      ids.push(id);
      // These two go on.
      if (id !== 2 && id !== 3) complete(id);
      // Lets the connection write.
      if (count % 1000 === 0) await turns(2);
    }
    expect(ids).toEqual(Array.from({ length: 65_535 }, (_, index) => index + 1));
    expect([begin(), begin()]).toEqual([1, 4]);
    connection.close(new Error("Enough"));
  });

  it("ClientConnection takes nothing more when it is closed", async () => {
    const [transport] = connectionPair();
    const connection = new ClientConnection(transport, resolveClientOptions({}), {
      onFree() {},
      onClose() {},
      onCantMultiplex() {},
    });
    const reason = new Error("Enough");
    connection.close(reason);
    connection.close(new Error("Again"));
    expect([connection.isClosed, transport.isClosed]).toEqual([true, true]);
    expect(() =>
      connection.begin(clientRequest(get, get.params), new IncomingResponse(0, resolveClientOptions({}), {})),
    ).toThrow(reason);
    await expect(connection.getValues([], 1000)).rejects.toBe(reason);
  });

  it("ClientConnection survives a connection that can't be closed", async () => {
    const connector: Connector = {
      async connect() {
        const [client, application] = connectionPair();
        void raw(bytesOf(answer(1, "x")))(new ScriptedApplication(application), 1);
        return { readable: client.readable, writable: client.writable, close: () => Promise.reject(new Error("no")) };
      },
    };
    const response = await clientOf(connector).send(get);
    expect(await textFrom(response.stdout)).toBe("x");
    await turns();
  });
});

describe("ClientConnection: an application that does not take the request", () => {
  /** A connection whose writes fail, and which can be read all the same. */
  function halfDead(reason: Error): { connector: Connector; application: ScriptedApplication } {
    const [client, end] = connectionPair();
    const connection = {
      readable: client.readable,
      writable: new WritableStream({ write: () => Promise.reject(reason) }),
      close: () => client.close(),
    };
    return { connector: { connect: async () => connection }, application: new ScriptedApplication(end) };
  }

  const reason = new Error("write EPIPE");

  it("ClientConnection still reads an answer when writing has failed", async () => {
    for (const stdin of [new OpenStream().stream, patternBytes(200_000), null]) {
      const { connector, application } = halfDead(reason);
      const response = await clientOf(connector).send({ ...get, stdin });
      await turns();
      await application.send(answer(1, "too large"));
      expect(await textFrom(response.stdout)).toBe("too large");
      expect((await response.end).protocolStatus).toBe(ProtocolStatus.RequestComplete);
    }
  });

  it("ClientConnection names the failed write as the cause when no answer comes", async () => {
    const { connector, application } = halfDead(reason);
    const response = await clientOf(connector).send({ ...get, stdin: patternBytes(200_000) });
    await turns();
    await application.send(record(RecordType.Stderr, 1, "no memory"));
    await application.end();
    const error = await response.end.catch((error) => error);
    expect(error).toMatchObject({ code: "connectionClosed", cause: reason, stderr: "no memory", requestId: 1 });
  });

  describe("with time", () => {
    useFakeTime();

    it("ClientConnection waits for the answer no longer than without when writing has failed", async () => {
      for (const [part, limit] of [
        ["", "headerTimeout"],
        ["part", "readTimeout"],
      ] as const) {
        const { connector, application } = halfDead(reason);
        const response = await clientOf(connector, { readTimeout: 1000, headerTimeout: 1000 }).send({
          ...get,
          stdin: new OpenStream().stream,
        });
        await turns();
        if (part !== "") await application.send(stdout(1, part));
        await pass(999);
        expect(await isSettled(response.end), part).toBe(false);
        await pass(2);
        await expect(response.end, part).rejects.toMatchObject({ code: "timeout", limit });
      }
    });
  });
});

describe("ClientConnection: refusals and early ends", () => {
  it("ClientConnection fails stdout with a typed error when the application refuses", async () => {
    const table: [protocolStatus: number, code: string, reason: string][] = [
      [ProtocolStatus.CantMpxConn, "cantMultiplex", "it takes one request at a time on a connection"],
      [ProtocolStatus.Overloaded, "overloaded", "it is overloaded"],
      [ProtocolStatus.UnknownRole, "unknownRole", "it does not know the role"],
      [9, "protocol", "of protocol status 9"],
    ];
    for (const [protocolStatus, code, reason] of table) {
      const script = raw(bytesOf(record(RecordType.Stderr, 1, "why"), end(1, protocolStatus, 3)));
      const { response } = await send(script, { ...get, role: Role.Authorizer });
      expect((await drain(response.stdout)).error).toMatchObject({
        code,
        message: `Cannot run the request: the application refused it because ${reason}`,
        protocolStatus,
        requestId: 1,
        stderr: "why",
      });
      expect(await response.end).toEqual({ appStatus: 3, protocolStatus });
    }
  });

  it("ClientConnection fails the response when the connection ends before FCGI_END_REQUEST", async () => {
    const outputs: [output: Uint8Array, text: string][] = [
      [latin1(""), ""],
      [bytesOf(stdout(1, "part")), "part"],
      [bytesOf(stdout(1, "part"), record(RecordType.Stdout, 1)), "part"],
      [joined(bytesOf(stdout(1, "part")), latin1("\x01\x06")), "part"],
      [joined(bytesOf(stdout(1, "part")), bytesOf(stdout(1, "12345678")).subarray(0, 12)), "part1234"],
    ];
    for (const [output, text] of outputs) {
      const { response, connection } = await send(async (application) => {
        await application.request();
        await application.send(record(RecordType.Stderr, 1, "PHP Fatal error"));
        if (output.length > 0) await application.sendBytes(output);
        await application.end();
      });
      const { bytes, error } = await drain(response.stdout);
      expect(Buffer.from(bytes).toString()).toBe(text);
      expect(error).toMatchObject({
        code: "connectionClosed",
        message: "Cannot read the response: the application closed the connection before its end",
        stderr: "PHP Fatal error",
        requestId: 1,
      });
      await expect(response.end).rejects.toBe(error);
      expect(connection.isClosed).toBe(true);
    }
  });

  it("ClientConnection fails the response when the connection breaks", async () => {
    const { response } = await send(async (application) => {
      await application.request();
      application.close();
    });
    await expect(response.end).rejects.toMatchObject({
      code: "connectionClosed",
      message: "Cannot read the response: the connection failed: The connection was closed",
      cause: new Error("The connection was closed"),
    });
  });

  it("ClientConnection takes FCGI_END_REQUEST for the end of stdout, as PHP means it", async () => {
    const { response } = await send(raw(bytesOf(stdout(1, "whole"), end(1))));
    expect(await textFrom(response.stdout)).toBe("whole");
  });
});

describe("ClientConnection: hostile answers", () => {
  it("ClientConnection reads records with the longest content and padding, whatever the padding holds", async () => {
    const content = patternBytes(65_535);
    const header = hex("01 06 00 01 ff ff ff 00");
    const { response } = await send(raw(joined(header, content, new Uint8Array(255).fill(1)), bytesOf(answer(1, "x"))));
    expect(sha256((await drain(response.stdout)).bytes)).toBe(sha256(content, latin1("x")));
  });

  it("ClientConnection ignores reserved bytes", async () => {
    const stdoutRecord = joined(hex("01 06 00 01 00 01 00 aa"), latin1("x"));
    const endRecord = hex("01 03 00 01 00 08 00 ff  00 00 01 00 00 69 64 22");
    const { response } = await send(raw(stdoutRecord, endRecord));
    expect(await textFrom(response.stdout)).toBe("x");
    expect(await response.end).toEqual({ appStatus: 256, protocolStatus: 0 });
  });

  it("ClientConnection reads an answer that comes byte by byte", async () => {
    const bytes = bytesOf(record(RecordType.Stderr, 1, "err"), answer(1, "out"));
    const { response } = await send(raw(...Array.from(bytes, (_, index) => bytes.subarray(index, index + 1))));
    expect(await textFrom(response.stdout)).toBe("out");
  });

  it("ClientConnection fails the response and closes when the application breaks the protocol", async () => {
    const table: [name: string, bytes: Uint8Array][] = [
      ["another version", hex("02 06 00 01 00 01 00 00 78")],
      ["no FastCGI", latin1("HTTP/1.1 400 Bad Request\r\n\r\n")],
      ["an id that nobody uses", bytesOf(answer(2, "x"))],
      ["an id that is not ours, with ours behind", bytesOf(stdout(9, "x"), answer(1, "y"))],
      ["a type of the web server", bytesOf(record(RecordType.Stdin, 1, "x"))],
      ["FCGI_BEGIN_REQUEST", bytesOf(record(RecordType.BeginRequest, 1, new Uint8Array(8)))],
      ["an unknown type", bytesOf(record(99, 1, "x"))],
      ["FCGI_STDOUT on id 0", bytesOf(stdout(0, "x"))],
      ["FCGI_END_REQUEST on id 0", bytesOf(end(0))],
      ["an unknown type on id 0", bytesOf(record(99, 0))],
      ["a short FCGI_END_REQUEST", bytesOf(record(RecordType.EndRequest, 1, new Uint8Array(7)))],
      ["FCGI_STDOUT behind its end", bytesOf(record(RecordType.Stdout, 1), stdout(1, "x"), end(1))],
    ];
    for (const [name, bytes] of table) {
      for (const keepAlive of [true, false]) {
        const { response, connection } = await send(raw(bytes), get, { keepAlive });
        const { error } = await drain(response.stdout);
        expect(error, name).toMatchObject({ code: "protocol" });
        await expect(response.end, name).rejects.toBe(error);
        expect(connection.isClosed, name).toBe(true);
      }
    }
  });

  it("ClientConnection does not fail for an answer to a question that it did not ask", async () => {
    const values = record(RecordType.GetValuesResult, 0, latin1("\x01\x01AB"));
    const { response } = await send(raw(bytesOf(values, answer(1, "x"))));
    expect(await textFrom(response.stdout)).toBe("x");
  });

  it("ClientConnection gives out a whole answer, whatever comes behind its end", async () => {
    const behind: [name: string, bytes: Uint8Array][] = [
      ["the end again", bytesOf(end(1))],
      ["a refusal", bytesOf(end(1, ProtocolStatus.Overloaded))],
      ["another answer", bytesOf(answer(1, "second"))],
      ["an answer for the next request", bytesOf(answer(2, "forged"))],
      ["garbage", latin1("garbage that is no record")],
      ["half a record", latin1("\x01\x06\x00")],
    ];
    for (const [name, bytes] of behind) {
      for (const together of [true, false]) {
        const whole = bytesOf(answer(1, "first", 5));
        const script = together ? raw(joined(whole, bytes)) : raw(whole, bytes);
        const { response, connection } = await send(script, get, { keepAlive: true });
        expect(await textFrom(response.stdout), name).toBe("first");
        expect(await response.end, name).toEqual({ appStatus: 5, protocolStatus: 0 });
        await turns();
        if (name !== "half a record" || !together) expect(connection.isClosed, name).toBe(true);
      }
    }
  });

  it("ClientConnection gives a forged answer for the next request to nobody", async () => {
    const connector = new ScriptedConnector(async (application, connection) => {
      const request = (await application.request())!;
      await application.send(answer(request.requestId, `answer ${connection}`), answer(2, "forged"));
    });
    const client = clientOf(connector, { keepAlive: true });
    for (const expected of ["answer 1", "answer 2"]) {
      const response = await client.send(get);
      expect(await textFrom(response.stdout)).toBe(expected);
      await turns();
    }
  });
});

describe("ClientConnection: abort", () => {
  const reason = new Error("Enough");

  /** Aborts an exchange once `script` says so, and expects everything about it to fail with the reason. */
  async function abortAt(
    script: (application: ScriptedApplication, now: () => void) => Promise<unknown>,
    request: FastCgiRequestInit = get,
  ): Promise<Uint8Array> {
    const controller = new AbortController();
    const now = deferred();
    const closed = deferred();
    const { response, connection } = await send(
      async (application) => {
        await script(application, now.resolve);
        await application.closedByClient();
        closed.resolve();
      },
      { ...request, signal: controller.signal },
    );
    await now.promise;
    await turns();
    controller.abort(reason);
    const { bytes, error } = await drain(response.stdout);
    expect(error).toBe(reason);
    await expect(response.end).rejects.toBe(reason);
    expect(connection.isClosed).toBe(true);
    await closed.promise;
    return bytes;
  }

  it("ClientConnection closes when the signal aborts while the request is sent", async () => {
    const open = new OpenStream();
    await abortAt(
      async (application, now) => {
        await application.next();
        now();
      },
      { ...get, stdin: open.stream },
    );
    expect(open.cancelled).toBe(reason);
    // And while the transport takes no more.
    const chunks = streamOf(...patternChunks(MiB));
    await abortAt(async (_, now) => now(), { ...get, stdin: chunks });
  });

  it("ClientConnection closes when the signal aborts before the answer", async () => {
    await abortAt(async (application, now) => {
      await application.request();
      now();
    });
  });

  it("ClientConnection closes when the signal aborts in the answer", async () => {
    const bytes = await abortAt(async (application, now) => {
      await application.request();
      await application.send(stdout(1, "part"));
      now();
    });
    expect(Buffer.from(bytes).toString()).toBe("part");
  });

  it("ClientConnection closes when the signal aborts while nobody reads", async () => {
    await abortAt(async (application, now) => {
      await application.request();
      void application.send(stdout(1, patternBytes(MiB)));
      now();
    });
  });

  it("ClientConnection takes no notice of an abort after the end", async () => {
    const controller = new AbortController();
    const { response } = await send(raw(bytesOf(answer(1, "whole"))), { ...get, signal: controller.signal });
    await response.end;
    controller.abort(reason);
    expect(await textFrom(response.stdout)).toBe("whole");
  });
});

describe("ClientConnection: timeouts", () => {
  useFakeTime();

  const options = { headerTimeout: 3000, readTimeout: 1000, writeTimeout: 500 };

  it("ClientConnection gives up an application that sends no output for headerTimeout after the request", async () => {
    for (const messages of [0, 3]) {
      const { response, connection } = await send(
        async (application) => {
          await application.request();
          for (let count = 0; count < messages; count++)
            await application.send(record(RecordType.Stderr, 1, "working"));
        },
        get,
        options,
      );
      await pass(2999);
      expect(await isSettled(response.end)).toBe(false);
      await pass(2);
      await expect(response.end).rejects.toMatchObject({
        code: "timeout",
        limit: "headerTimeout",
        message: "Cannot read the response: the application sent no output for 3000 ms",
        stderr: "working".repeat(messages),
      });
      expect(connection.isClosed).toBe(true);
    }
  });

  it.each(["before", "after"])(
    "ClientConnection gives a request up whose stream gives nothing for requestBodyTimeout %s the answer has begun",
    async (when) => {
      const body = new OpenStream();
      const records: number[][] = [];
      const { response, connection } = await send(
        async (application) => {
          for (let piece = await application.next(); piece !== null; piece = await application.next()) {
            records.push([piece.type, piece.contentData.length]);
            if (when === "after" && piece.type === RecordType.Stdin) await application.send(stdout(1, "begun"));
          }
        },
        { ...get, stdin: body.stream },
        { ...options, requestBodyTimeout: 5000 },
      );
      body.write("x".repeat(5000));
      await pass(4999);
      expect(await isSettled(response.end)).toBe(false);
      await pass(1);
      const error = { code: "timeout", limit: "requestBodyTimeout", gatewayStatus: 408 };
      await expect(response.end).rejects.toMatchObject(error);
      const { bytes, error: failed } = await drain(response.stdout);
      expect([bytes, failed]).toMatchObject([latin1(when === "after" ? "begun" : ""), error]);
      expect(body.cancelled).toMatchObject(error);
      expect(connection.isClosed).toBe(true);
      // The body does not look whole.
      expect(records).not.toContainEqual([RecordType.Stdin, 0]);
    },
  );

  it("ClientConnection does not count time in which the application takes no more of the stream", async () => {
    const body = new OpenStream();
    const reads = deferred();
    const { response } = await send(
      async (application) => {
        await application.next();
        await reads.promise;
        await application.closedByClient();
      },
      { ...get, stdin: body.stream },
      { ...options, writeTimeout: 100_000, requestBodyTimeout: 1000 },
    );
    for (let count = 0; count < 10; count++) body.write(new Uint8Array(1_000_000));
    await pass(50_000);
    expect(await isSettled(response.end)).toBe(false);
    reads.resolve();
    await pass(999);
    expect(await isSettled(response.end)).toBe(false);
    await pass(1);
    await expect(response.end).rejects.toMatchObject({ limit: "requestBodyTimeout" });
  });

  it("ClientConnection puts headerTimeout off for nothing that comes before the first output", async () => {
    const output = bytesOf(stdout(1, "at last"));
    const spoken: [name: string, pieces: Uint8Array[]][] = [
      ["messages", Array.from({ length: 6 }, () => bytesOf(record(RecordType.Stderr, 1, "working")))],
      ["bytes of a record", Array.from(output.subarray(0, 6), (byte) => Uint8Array.of(byte))],
    ];
    for (const [name, pieces] of spoken) {
      const go = deferred<ScriptedApplication>();
      const { response } = await send(
        async (application) => {
          await application.request();
          go.resolve(application);
        },
        get,
        options,
      );
      const application = await go.promise;
      await turns();
      for (const piece of pieces.slice(0, 5)) {
        await pass(500);
        await application.sendBytes(piece);
      }
      await pass(499);
      expect(await isSettled(response.end), name).toBe(false);
      await pass(2);
      await expect(response.end, name).rejects.toMatchObject({ code: "timeout", limit: "headerTimeout" });
    }
  });

  it("ClientConnection gives up an application that is silent for readTimeout within its output", async () => {
    const { response, connection } = await send(
      async (application) => {
        await application.request();
        await application.send(stdout(1, "part"));
      },
      get,
      options,
    );
    await pass(999);
    expect(await isSettled(response.end)).toBe(false);
    await pass(2);
    await expect(response.end).rejects.toMatchObject({
      code: "timeout",
      limit: "readTimeout",
      message: "Cannot read the response: the application was silent for 1000 ms",
    });
    expect(connection.isClosed).toBe(true);
  });

  it("ClientConnection counts the silence anew with every byte, also inside a record", async () => {
    const bytes = bytesOf(stdout(1, "part"), record(RecordType.Stderr, 1, "why"), stdout(1, "rest"));
    const go = deferred<ScriptedApplication>();
    const { response } = await send(
      async (application) => {
        await application.request();
        go.resolve(application);
      },
      get,
      options,
    );
    const application = await go.promise;
    await application.sendBytes(bytes.subarray(0, 16));
    for (const byte of bytes.subarray(16, -2)) {
      await pass(900);
      await application.sendBytes(Uint8Array.of(byte));
    }
    await pass(999);
    expect(await isSettled(response.end)).toBe(false);
    await pass(2);
    await expect(response.end).rejects.toMatchObject({ code: "timeout", limit: "readTimeout", stderr: "why" });
  });

  it("ClientConnection does not count the silence while the request is under way", async () => {
    const open = new OpenStream();
    const answered = deferred();
    const { response } = await send(
      async (application) => {
        await application.next();
        await application.send(stdout(1, "early"));
        answered.resolve();
        await application.closedByClient();
      },
      { ...get, stdin: open.stream },
      options,
    );
    await answered.promise;
    await pass(5000);
    expect(await isSettled(response.end)).toBe(false);
    open.close();
    await pass(999);
    expect(await isSettled(response.end)).toBe(false);
    await pass(2);
    await expect(response.end).rejects.toMatchObject({ code: "timeout" });
  });

  it("ClientConnection does not take a response that nobody reads for a silent application", async () => {
    for (const early of [true, false]) {
      const open = new OpenStream();
      if (!early) open.close();
      const connector = new ScriptedConnector(async (application) => {
        if (early) await application.next();
        else await application.request();
        void application.closedByClient();
        for (const piece of patternChunks(400_000, 10_000)) await application.send(stdout(1, piece));
        await application.send(end(1));
      });
      const response = await clientOf(connector, options).send({ ...get, stdin: open.stream });
      await turns(50);
      // The end of the request comes while the response has no room.
      if (early) open.close();
      await pass(59_000);
      expect((await drain(response.stdout)).error).toBeNull();
    }
  });

  it("ClientConnection counts silence again when the response is read on", async () => {
    const { response } = await send(
      async (application) => {
        await application.request();
        await application.send(...Array.from(patternChunks(400_000, 50_000), (piece) => stdout(1, piece)));
        await application.closedByClient();
      },
      get,
      options,
    );
    await pass(5000);
    expect(await isSettled(response.end)).toBe(false);
    const reader = response.stdout.getReader();
    for (let read = 0; read < 400_000; ) read += (await reader.read()).value!.length;
    await pass(999);
    expect(await isSettled(response.end)).toBe(false);
    await pass(2);
    expect(await isSettled(response.end)).toBe(true);
    await expect(response.end).rejects.toMatchObject({ code: "timeout", limit: "readTimeout" });
  });

  it("ClientConnection gives up a response that nobody reads for stallTimeout, and not one that is read slowly", async () => {
    for (const isRead of [true, false]) {
      const { response, connection } = await send(
        async (application) => {
          await application.request();
          // At once, so that it takes several reads until there is room.
          await application.send(...Array.from(patternChunks(600_000, 50_000), (piece) => stdout(1, piece)));
          await application.send(end(1));
        },
        get,
        { ...options, stallTimeout: 5000 },
      );
      const reader = response.stdout.getReader();
      for (let seconds = 0; seconds < 24; seconds += 4) {
        await pass(4000);
        if (isRead) await reader.read();
      }
      expect(connection.isClosed).toBe(!isRead);
      reader.releaseLock();
      const { error } = await drain(response.stdout);
      if (isRead) expect(error).toBeNull();
      else {
        expect(error).toMatchObject({
          code: "timeout",
          limit: "stallTimeout",
          message: "Cannot keep the response: it was not read for 5000 ms",
        });
      }
    }
  });

  it("ClientConnection gives up an application that takes nothing for writeTimeout", async () => {
    const { response } = await send(() => {}, { ...get, stdin: patternBytes(MiB) }, options);
    await pass(499);
    expect(await isSettled(response.end)).toBe(false);
    await pass(2);
    await expect(response.end).rejects.toMatchObject({ code: "timeout", limit: "writeTimeout" });
  });

  it("ClientConnection waits for ever with infinite timeouts", async () => {
    const { response } = await send((application) => application.closedByClient(), get, {
      headerTimeout: Number.POSITIVE_INFINITY,
    });
    await pass(1e9);
    expect(await isSettled(response.end)).toBe(false);
  });

  it("ClientConnection leaves no timer when it is closed", async () => {
    const { response } = await send(raw(bytesOf(answer(1, "x"))), get, options);
    await response.end;
    await turns();
    expect(vi.getTimerCount()).toBe(0);
  });
});
