// php-fpm takes a request body that was cut for a whole one. So a body of which all is here arrives whole, or the application hears nothing
// of the request: however the request ends, and whenever.

import { describe, expect, it } from "vitest";
import {
  encodeNameValuePairs,
  FastCgiClient,
  type FastCgiClientOptions,
  type FastCgiClientResponse,
  type FastCgiRequestInit,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { joined } from "../support/bytes.ts";
import { closingClients } from "../support/closing_clients.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { patternBytes } from "../support/pattern.ts";
import { record } from "../support/records.ts";
import { answer, end, type ScriptedApplication, ScriptedConnector, stdout } from "../support/scripted_application.ts";
import { drain, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const reason = new Error("Enough");
const body = patternBytes(300_000);
const put: FastCgiRequestInit = {
  params: [
    ["REQUEST_METHOD", "PUT"],
    ["CONTENT_LENGTH", String(body.length)],
  ],
  stdin: body,
};
const closing = closingClients();

/** What an application has read of one request. */
interface Received {
  stdin: Uint8Array;
  data: Uint8Array;
  /** The types of its records, each run of the same as one. */
  types: number[];
}

/** A request that an application has begun to read. */
interface Situation {
  application: ScriptedApplication;
  client: FastCgiClient;
  controller: AbortController;
  response: FastCgiClientResponse;
}

/** A way in which a request ends before the application has ended it. */
interface Ending {
  options?: FastCgiClientOptions;
  happens(situation: Situation): Promise<unknown>;
  /** Whether it ends what others do on the connection as well. */
  endsAll?: boolean;
}

/** Sends more than a response may hold unread, so that its application is not read any more. */
async function fill({ application, response }: Situation): Promise<void> {
  void application.send(stdout(response.requestId, patternBytes(20_000)));
}

const endings: Record<string, Ending> = {
  "the signal": { happens: async ({ controller }) => controller.abort(reason) },
  "a cancelled response": { happens: ({ response }) => response.stdout.cancel(reason) },
  "a response that is not read": { options: { maxQueuedBytes: 10_000, stallTimeout: 1 }, happens: fill },
  "a response that is too long": { options: { maxStdoutBytes: 10_000 }, happens: fill },
  "the close of the client": { happens: async ({ client }) => void client.close({ timeout: 0 }), endsAll: true },
  "an answer that can't be read": {
    happens: ({ application }) => application.sendBytes(Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9)),
    endsAll: true,
  },
  "an answer for another request": {
    happens: ({ application }) => application.send(stdout(999, "not asked for")),
    endsAll: true,
  },
};

/** Runs one request whose application stops to read behind `count` records, lets it end, and has the application read on. */
async function endBehind(
  count: number,
  { options, happens }: Ending,
  request: FastCgiRequestInit,
  isShared: boolean,
): Promise<{ received: Received; client: FastCgiClient }> {
  const ready = deferred<ScriptedApplication>();
  const readOn = deferred();
  const over = deferred<Received>();
  const connector = new ScriptedConnector(async (application) => {
    if (isShared) {
      await application.next();
      const values = encodeNameValuePairs([["FCGI_MPXS_CONNS", "1"]]);
      await application.send(record(RecordType.GetValuesResult, 0, values));
    }
    const received: Received = { stdin: new Uint8Array(0), data: new Uint8Array(0), types: [] };
    const read = async (): Promise<boolean> => {
      const next = await application.next();
      if (next === null) return false;
      if (received.types.at(-1) !== next.type) received.types.push(next.type);
      if (next.type === RecordType.Stdin) received.stdin = joined(received.stdin, next.contentData);
      if (next.type === RecordType.Data) received.data = joined(received.data, next.contentData);
      if (next.type === RecordType.AbortRequest) await application.send(end(next.requestId));
      return next.type !== RecordType.AbortRequest;
    };
    for (let index = 0; index < count; index++) await read();
    ready.resolve(application);
    await readOn.promise;
    while (await read());
    over.resolve(received);
    if (received.types.at(-1) !== RecordType.AbortRequest) application.close();
  });
  const client = closing(new FastCgiClient(connector, { multiplexing: isShared, ...options }));
  const controller = new AbortController();
  const response = await client.send({ ...request, signal: controller.signal });
  const application = await ready.promise;
  await turns();
  await happens({ application, client, controller, response });
  // Whatever the application does: it has not read on.
  await expect(response.end).rejects.toBeInstanceOf(Error);
  readOn.resolve();
  return { received: await over.promise, client };
}

/** A client of an application that does what a test says, with an exclusive connection. */
function exclusive(script: (application: ScriptedApplication, connection: number) => Promise<unknown>, options = {}) {
  const connector = new ScriptedConnector(
    async (application, connection) => void (await script(application, connection)),
  );
  const client = closing(new FastCgiClient(connector, { maxConnections: 1, ...options }));
  return { client, connector };
}

describe("a request that ends early while its body is on the way", () => {
  const sources: [name: string, source: NonNullable<FastCgiRequestInit["stdin"]>][] = [
    ["bytes", body],
    ["a Blob", new Blob([body])],
  ];
  const ends = Object.entries(endings);

  it.each(ends)("FastCgiClient sends the body to its end, and closes, behind %s", async (_, ending) => {
    for (const [name, stdin] of sources) {
      // BEGIN_REQUEST, PARAMS and its end, and five records of STDIN.
      for (let count = 1; count <= 8; count++) {
        const { received, client } = await endBehind(count, ending, { ...put, stdin }, false);
        expect(Buffer.compare(received.stdin, body), `${name}, ${count}`).toBe(0);
        await turns();
        expect(client.status, `${name}, ${count}`).toMatchObject({ connections: 0, active: 0 });
      }
    }
  });

  it.each(ends)("FastCgiClient sends both streams of a Filter to their ends behind %s", async (_, ending) => {
    const filter = { ...put, role: Role.Filter, data: new Blob([body]) };
    for (const count of [1, 3, 5, 9, 11, 13]) {
      const { received } = await endBehind(count, ending, filter, false);
      expect([received.stdin.length, received.data.length], String(count)).toEqual([body.length, body.length]);
      expect(received.types).toEqual([RecordType.BeginRequest, RecordType.Params, RecordType.Stdin, RecordType.Data]);
    }
  });

  it.each(ends)("FastCgiClient sends the body to its end on a shared connection behind %s", async (_, ending) => {
    for (let count = 1; count <= 8; count++) {
      const { received, client } = await endBehind(count, ending, put, true);
      expect(Buffer.compare(received.stdin, body), String(count)).toBe(0);
      const { BeginRequest, Params, Stdin, AbortRequest } = RecordType;
      const types = [BeginRequest, Params, Stdin];
      expect(received.types, String(count)).toEqual(ending.endsAll === true ? types : [...types, AbortRequest]);
      await turns();
      if (ending.endsAll !== true) expect(client.status, String(count)).toMatchObject({ connections: 1, idle: 1 });
    }
  });
});

describe("a request that ends early, at the edges", () => {
  it("FastCgiClient sends nothing of a request that is aborted in the turn in which it was sent", async () => {
    for (const isKept of [false, true]) {
      const seen: (number | undefined)[] = [];
      const { client, connector } = exclusive(
        async (application) => {
          if (isKept) await application.send(answer((await application.request())!.requestId, "first"));
          seen.push((await application.next())?.type);
        },
        { keepAlive: true, reuseForAll: true },
      );
      if (isKept) {
        await textFrom((await client.send({ params: [["REQUEST_METHOD", "GET"]] })).stdout);
        await turns();
      }
      const controller = new AbortController();
      const pending = client.send({ ...put, signal: controller.signal });
      // Until the head was given to the writer, which gathers more for some turns.
      while (connector.connections.length === 0 || client.status.active === 0) await null;
      controller.abort(reason);
      expect((await drain((await pending).stdout)).error).toBe(reason);
      await turns();
      expect([seen, client.status.connections]).toEqual([[undefined], 0]);
    }
  });

  it("FastCgiClient sends what it has read of a stream to its end, where that has come", async () => {
    const received = deferred<number>();
    const readOn = deferred();
    const { client } = exclusive(async (application) => {
      await application.next();
      await readOn.promise;
      let length = 0;
      for (let next = await application.next(); next !== null; next = await application.next()) {
        if (next.type === RecordType.Stdin)
          length = next.contentData.length === 0 ? -length : length + next.contentData.length;
      }
      received.resolve(length);
    });
    const controller = new AbortController();
    const open = new OpenStream();
    const response = await client.send({
      params: [["REQUEST_METHOD", "PUT"]],
      stdin: open.stream,
      signal: controller.signal,
    });
    await open.pulled();
    open.write(patternBytes(100_000));
    open.close();
    await turns();
    controller.abort(reason);
    await expect(response.end).rejects.toBe(reason);
    readOn.resolve();
    expect(await received.promise).toBe(-100_000);
  });

  it("FastCgiClient closes without an end of the body when its source fails behind the end of the request", async () => {
    const seen = deferred<number[]>();
    const readOn = deferred();
    const source = new OpenStream();
    const { client, connector } = exclusive(async (application) => {
      await application.next();
      await readOn.promise;
      const lengths: number[] = [];
      for (let next = await application.next(); next !== null; next = await application.next()) {
        if (next.type === RecordType.Stdin) lengths.push(next.contentData.length);
      }
      seen.resolve(lengths);
      application.close();
    });
    const controller = new AbortController();
    const stdin = { size: 10, stream: () => source.stream };
    const response = await client.send({ params: [["REQUEST_METHOD", "PUT"]], stdin, signal: controller.signal });
    await source.pulled();
    source.write("half");
    controller.abort(reason);
    await expect(response.end).rejects.toBe(reason);
    source.fail(new Error("The disk failed"));
    readOn.resolve();
    expect(await seen.promise).not.toContain(0);
    await turns();
    expect(connector.connections[0]!.isClosed).toBe(true);
  });

  it("FastCgiClient gives the place of an aborted request to the next one when its connection is closed", async () => {
    const readOn = deferred();
    const { client, connector } = exclusive(async (application, connection) => {
      if (connection === 1) {
        await application.next();
        await readOn.promise;
      }
      const request = await application.request();
      expect(request?.stdin.length ?? body.length).toBe(connection === 1 ? body.length : 0);
      if (connection === 2) await application.send(answer(request!.requestId, "next"));
      application.close();
    });
    const controller = new AbortController();
    const response = await client.send({ ...put, signal: controller.signal });
    controller.abort(reason);
    await expect(response.end).rejects.toBe(reason);
    await turns();
    const aborted = connector.connections.length;
    const next = client.send({ params: [["REQUEST_METHOD", "GET"]] });
    readOn.resolve();
    expect(await textFrom((await next).stdout)).toBe("next");
    expect([aborted, connector.connections.length]).toEqual([1, 2]);
  });
});

describe("a request that ends early, and time", () => {
  useFakeTime();

  /** Aborts a request whose application has read the first record, and then does `rest`. */
  async function aborted(
    rest: (application: ScriptedApplication) => Promise<unknown>,
    options: FastCgiClientOptions = {},
    request: FastCgiRequestInit = put,
  ) {
    const begun = deferred();
    const readOn = deferred();
    const { client, connector } = exclusive(async (application) => {
      await application.next();
      begun.resolve();
      await readOn.promise;
      await rest(application);
    }, options);
    const controller = new AbortController();
    const response = await client.send({ ...request, signal: controller.signal });
    await begun.promise;
    await turns();
    controller.abort(reason);
    await expect(response.end).rejects.toBe(reason);
    readOn.resolve();
    return { client, connection: connector.connections[0]! };
  }

  it("FastCgiClient half-closes behind the body, reads on for a second, and closes", async () => {
    const received = deferred<number>();
    const { connection } = await aborted(async (application) => {
      let length = 0;
      for (let next = await application.next(); next !== null; next = await application.next()) {
        if (next.type === RecordType.Stdin) length += next.contentData.length;
        // More than the client would hold: it reads and drops.
        await application.send(stdout(1, patternBytes(60_000)));
      }
      received.resolve(length);
      await application.send(stdout(1, patternBytes(300_000)));
    });
    expect(await received.promise).toBe(body.length);
    await pass(999);
    expect(connection.isClosed).toBe(false);
    await pass(1);
    expect(connection.isClosed).toBe(true);
  });

  it("FastCgiClient waits for an application that takes nothing more no longer than writeTimeout", async () => {
    const { client, connection } = await aborted(async () => {}, { writeTimeout: 500 });
    await pass(499);
    expect([connection.isClosed, client.status.active]).toEqual([false, 1]);
    await pass(2);
    expect([connection.isClosed, client.status.active]).toEqual([true, 0]);
  });

  it("FastCgiClient.close waits for bodies that are on the way no longer than writeTimeout, however slowly they go", async () => {
    const reader = deferred<ScriptedApplication>();
    const large: FastCgiRequestInit = { params: [["REQUEST_METHOD", "PUT"]], stdin: new Uint8Array(8_000_000) };
    const { client, connection } = await aborted(
      async (application) => reader.resolve(application),
      { writeTimeout: 500 },
      large,
    );
    const application = await reader.promise;
    let isClosed = false;
    void client.close({ timeout: 100 }).then(() => (isClosed = true));
    for (let time = 0; time < 500; time += 100) {
      expect([isClosed, connection.isClosed], String(time)).toEqual([false, false]);
      // More than one write, which puts off the writer's own timeout.
      for (let count = 0; count < 8; count++) await application.next();
      await pass(100);
    }
    await pass(99);
    expect([isClosed, connection.isClosed]).toEqual([false, false]);
    await pass(2);
    expect([isClosed, connection.isClosed]).toEqual([true, true]);
  });
});
