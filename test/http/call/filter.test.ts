import { describe, expect, it } from "vitest";
import {
  type FastCgiFetchHandler,
  type FastCgiFilterData,
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  type FastCgiHttpConnector,
  FastCgiHttpService,
  FastCgiServer,
  Role,
} from "../../../src/toolkit.ts";
import { latin1, sha256 } from "../../support/bytes.ts";
import { closingClients } from "../../support/closing_clients.ts";
import { connectionPair } from "../../support/memory_connection.ts";
import { OpenStream } from "../../support/open_stream.ts";
import { patternBytes, patternSha256 } from "../../support/pattern.ts";
import {
  answer,
  answering,
  type ReceivedRequest,
  type ScriptedApplication,
  ScriptedConnector,
} from "../../support/scripted_application.ts";
import { sourceForms } from "../../support/source_forms.ts";
import { streamOf } from "../../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const closing = closingClients();

function clientOf(connector: FastCgiHttpConnector, options: FastCgiHttpClientOptions = {}): FastCgiHttpClient {
  return closing(new FastCgiHttpClient(connector, options));
}

/** A client of a Filter that keeps its requests. */
function recording(options: FastCgiHttpClientOptions = {}) {
  const requests: ReceivedRequest[] = [];
  const connector = new ScriptedConnector(
    answering((received) => {
      requests.push(received);
      return "\r\nfiltered";
    }),
  );
  return { client: clientOf(connector, options), connector, requests };
}

/** A client of our own server with a fetch handler. */
function served(fetch: FastCgiFetchHandler): FastCgiHttpClient {
  const server = new FastCgiServer(new FastCgiHttpService(fetch).handler);
  return clientOf({
    async connect() {
      const [client, application] = connectionPair();
      void server.serve(application);
      return client;
    },
  });
}

const lastModified = new Date("2026-11-01T12:00:00.999Z");

function dataOf(source: FastCgiFilterData["source"], length: number): { data: FastCgiFilterData } {
  return { data: { source, length, lastModified } };
}

describe("FastCgiHttpClient.fetch with data", () => {
  it("fetch sends a Filter its variables, its body, and then the file", async () => {
    const params = { FCGI_DATA_LENGTH: "1", FCGI_DATA_LAST_MOD: "1" };
    const { client, requests } = recording({ params });
    const response = await client.fetch("http://a.test/", {
      method: "POST",
      body: "body",
      ...dataOf(latin1("file"), 4),
    });
    expect(await response.text()).toBe("filtered");
    const [{ role, params: sent, stdin, data, records }] = requests as [ReceivedRequest];
    expect(role).toBe(Role.Filter);
    expect(Object.fromEntries(sent)).toMatchObject({
      REQUEST_METHOD: "POST",
      CONTENT_LENGTH: "4",
      FCGI_DATA_LAST_MOD: String(Date.UTC(2026, 10, 1, 12) / 1000),
      FCGI_DATA_LENGTH: "4",
    });
    expect([stdin, data]).toEqual([latin1("body"), latin1("file")]);
    // FCGI_BEGIN_REQUEST, then FCGI_PARAMS, FCGI_STDIN and FCGI_DATA, each with its end.
    expect(records.map(([type]) => type)).toEqual([1, 4, 4, 5, 5, 8, 8]);
  });

  it("fetch sends bytes, a stream or a reader, over a Request as it is", async () => {
    const bytes = patternBytes(100_000);
    for (const source of [bytes, streamOf(bytes), streamOf(bytes).getReader()]) {
      const { client, requests } = recording();
      const request = new Request("http://a.test/");
      await client.fetch(request, dataOf(source, bytes.length));
      expect(sha256(requests[0]!.data)).toBe(patternSha256(bytes.length));
      expect(requests[0]!.stdin).toEqual(latin1(""));
    }
  });

  it("fetch takes a file in every form that programs have bytes in, and names data when it is none", async () => {
    for (const [form, make] of sourceForms("file")) {
      const { client, requests } = recording();
      await client.fetch("http://a.test/", dataOf(make(), 4));
      expect(requests[0]!.data, form).toEqual(latin1("file"));
    }
    const { client, requests } = recording();
    await expect(client.fetch("http://a.test/", dataOf(5 as never, 4))).rejects.toThrow(/^Cannot send data: expected /);
    expect(requests).toEqual([]);
  });

  it("fetch asks a Responder when data is undefined", async () => {
    const { client, requests } = recording();
    await client.fetch("http://a.test/", { data: undefined });
    expect(requests[0]!.role).toBe(Role.Responder);
    expect(requests[0]!.params.has("FCGI_DATA_LENGTH")).toBe(false);
  });

  it("fetch sends an empty file", async () => {
    const { client, requests } = recording();
    await client.fetch("http://a.test/", dataOf(latin1(""), 0));
    expect(requests[0]!.params.get("FCGI_DATA_LENGTH")).toBe("0");
    expect(requests[0]!.records.at(-1)).toEqual([8, 1, 0]);
  });

  it.each([3, 5])(
    "fetch fails, without an end of the data, when a file of 4 bytes is announced as %i",
    async (length) => {
      for (const source of [latin1("file"), streamOf(latin1("fi"), latin1("le"))]) {
        const received: (ReceivedRequest | null)[] = [];
        const connector = new ScriptedConnector(async (application) => {
          received.push(await application.request());
        });
        const response = clientOf(connector).fetch("http://a.test/", dataOf(source, length));
        await expect(response).rejects.toMatchObject({ code: "lengthMismatch" });
        await turns();
        expect(received).toEqual([null]);
      }
    },
  );

  it.each([
    ["length is negative", { length: -1 }],
    ["length is no whole number", { length: 1.5 }],
    ["length is no number", { length: Number.NaN }],
    ["length has more digits than receivers read", { length: 1e15 }],
    ["lastModified is no date", { lastModified: new Date(Number.NaN) }],
  ])("fetch refuses data, opens no connection and cancels the source when its %s", async (_, changes) => {
    const { client, connector } = recording();
    const open = new OpenStream();
    const data = { source: open.stream, length: 1, lastModified, ...changes };
    const fetched = client.fetch("http://a.test/", { data });
    await expect(fetched).rejects.toThrow(RangeError);
    await expect(fetched).rejects.toThrow(`Cannot send the data: expected ${Object.keys(changes)[0]} to be a`);
    expect(connector.connections).toHaveLength(0);
    expect(open.cancelled).toBeInstanceOf(RangeError);
  });

  it("fetch takes null for no data", async () => {
    const { client, requests } = recording();
    await client.fetch("http://a.test/", { data: null as never });
    expect(requests[0]!.role).toBe(Role.Responder);
  });

  it("fetch refuses data that is no object", async () => {
    const { client, connector } = recording();
    await expect(client.fetch("http://a.test/", { data: 5 as never })).rejects.toThrow(
      "Cannot send the data: expected data to be an object with source, length and lastModified, got 5",
    );
    expect(connector.connections).toHaveLength(0);
  });

  it("fetch refuses data whose lastModified is no Date at all, and cancels the source", async () => {
    const { client, connector } = recording();
    for (const lastModified of [undefined, null, 1_793_500_000, "2026-11-01"]) {
      const open = new OpenStream();
      const data = { source: open.stream, length: 1, lastModified: lastModified as never };
      await expect(client.fetch("http://a.test/", { data })).rejects.toThrow(
        /^Cannot send the data: expected lastModified to be a Date, got /,
      );
      expect(open.cancelled).toBeInstanceOf(TypeError);
    }
    expect(connector.connections).toHaveLength(0);
  });

  it("fetch cancels the source when it can't send the request", async () => {
    const refuse = (): Promise<never> => Promise.reject(new Error("nobody"));
    const cases: [url: string, connector: FastCgiHttpConnector, init: RequestInit, error: object][] = [
      ["http://a.test/", { connect: refuse }, {}, { code: "connectFailed" }],
      ["http://a.test/%2e%2e%2fetc", { connect: refuse }, {}, { code: "malformedRequest" }],
      ["http://a.test/", { connect: refuse }, { signal: AbortSignal.abort(new Error("no")) }, { message: "no" }],
    ];
    for (const [url, connector, init, error] of cases) {
      const open = new OpenStream();
      const response = clientOf(connector).fetch(url, { ...init, ...dataOf(open.stream, 1) });
      await expect(response).rejects.toMatchObject(error);
      await turns();
      expect(open.cancelled).toMatchObject(error);
    }
  });

  it("fetch cancels the source when the signal aborts while it is read", async () => {
    const { client } = recording();
    const open = new OpenStream();
    const controller = new AbortController();
    const response = client.fetch("http://a.test/", { signal: controller.signal, ...dataOf(open.stream, 10) });
    const outcome = expect(response).rejects.toBe("no more");
    await open.pulled();
    controller.abort("no more");
    await outcome;
    await turns();
    expect(open.cancelled).toBe("no more");
  });

  it("fetch rejects with what the source fails with", async () => {
    const { client } = recording();
    const open = new OpenStream();
    const response = client.fetch("http://a.test/", dataOf(open.stream, 10));
    const error = new Error("disk");
    const outcome = expect(response).rejects.toBe(error);
    await open.pulled();
    open.fail(error);
    await outcome;
  });

  it("fetch cancels the source when the Filter answers without the file", async () => {
    const fromCache = async (application: ScriptedApplication): Promise<void> => {
      for (let stdinEnded = false; !stdinEnded; ) {
        const next = (await application.next())!;
        stdinEnded = next.type === 5 && next.contentData.length === 0;
      }
      await application.send(answer(1, "\r\nfrom a cache"));
      await application.closedByClient();
    };
    const open = new OpenStream();
    const client = clientOf(new ScriptedConnector(fromCache), { keepAlive: true });
    const response = await client.fetch("http://a.test/", dataOf(open.stream, 10));
    expect(await response.text()).toBe("from a cache");
    await turns();
    expect(open.cancelled).toBeDefined();
  });

  it("fetch does not send the file again to where a local redirect leads", async () => {
    const requests: ReceivedRequest[] = [];
    const connector = new ScriptedConnector(
      answering((received) => {
        requests.push(received);
        return requests.length === 1 ? "Location: /next\r\n\r\n" : "\r\nnext";
      }),
    );
    const client: FastCgiHttpClient = clientOf(connector, { onLocalRedirect: (request) => client.fetch(request) });
    const response = await client.fetch("http://a.test/", dataOf(latin1("file"), 4));
    expect(await response.text()).toBe("next");
    expect(requests.map(({ role }) => role)).toEqual([Role.Filter, Role.Responder]);
  });
});

describe("a Filter of our own", () => {
  it("fetch streams the file through a fetch handler that transforms it", async () => {
    const upper = new Map<string, string>();
    const client = served((_, { role, params, data }) => {
      for (const name of ["FCGI_DATA_LENGTH", "FCGI_DATA_LAST_MOD"]) upper.set(name, params.get(name)!);
      if (role !== Role.Filter) return new Response(null, { status: 500 });
      const transform = new TransformStream<Uint8Array, Uint8Array>({
        transform: (piece, controller) => controller.enqueue(piece.map((byte) => byte ^ 0x20)),
      });
      return new Response(data.pipeThrough(transform) as ReadableStream<Uint8Array<ArrayBuffer>>);
    });
    const bytes = patternBytes(3_000_000);
    const response = await client.fetch("http://a.test/", dataOf(streamOf(bytes), bytes.length));
    const filtered = new Uint8Array(await response.arrayBuffer());
    expect(sha256(filtered.map((byte) => byte ^ 0x20))).toBe(patternSha256(bytes.length));
    expect(upper).toEqual(
      new Map([
        ["FCGI_DATA_LENGTH", "3000000"],
        ["FCGI_DATA_LAST_MOD", String(Math.floor(lastModified.getTime() / 1000))],
      ]),
    );
  });

  it("fetch brings the body and the file to the same handler", async () => {
    const client = served(async (request, { data }) => {
      const body = await request.text();
      return new Response(`${body} ${await new Response(data as ReadableStream<Uint8Array<ArrayBuffer>>).text()}`);
    });
    const response = await client.fetch("http://a.test/", {
      method: "POST",
      body: "body",
      ...dataOf(latin1("file"), 4),
    });
    expect(await response.text()).toBe("body file");
  });
});
