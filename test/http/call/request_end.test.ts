// onRequestEnd of a client: exactly one call for each fetch, however it ended.

import { afterEach, describe, expect, it } from "vitest";
import { watchFetch } from "../../../src/http/call/fetch_watch.ts";
import {
  encodeNameValuePairs,
  FastCgiError,
  type FastCgiFetchEnd,
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  ProtocolStatus,
  RecordType,
} from "../../../src/toolkit.ts";
import { pass, useFakeTime } from "../../support/fake_time.ts";
import { OpenStream } from "../../support/open_stream.ts";
import { record } from "../../support/records.ts";
import { answer, end, type Script, ScriptedConnector, stdout } from "../../support/scripted_application.ts";
import { failOnUnhandledRejections, turns, unhandledRejectionsOf } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();
useFakeTime();

const reason = new Error("Enough");
const URL_ASKED = "http://a.test/x?y";

const clients: FastCgiHttpClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) void client.close({ timeout: 0 });
  await pass(3_600_000);
});

/** A client of scripted applications, and the ends that it told of. */
function calling(script: Script, options: FastCgiHttpClientOptions = {}) {
  const ends: FastCgiFetchEnd[] = [];
  const connector = new ScriptedConnector(script);
  const client = new FastCgiHttpClient(connector, { ...options, onRequestEnd: (end) => void ends.push(end) });
  clients.push(client);
  return { client, connector, ends };
}

/** What a way of ending is made of. */
interface Ending {
  options?: FastCgiHttpClientOptions;
  script: Script;
  init?: RequestInit;
  /** What the program does with the response. */
  use?(response: Response, controller: AbortController): unknown;
  /** What happens while fetch waits. */
  meanwhile?(controller: AbortController, client: FastCgiHttpClient): unknown;
  end: Partial<FastCgiFetchEnd>;
}

const answers =
  (content: string): Script =>
  async (application) => {
    const request = await application.request();
    if (request !== null) await application.send(answer(request.requestId, content));
  };

const begins =
  (content: string): Script =>
  async (application) => {
    const request = await application.request();
    if (request !== null) await application.send(stdout(request.requestId, content));
  };

const readsOnly: Script = async (application) => void (await application.request());

const refuses =
  (protocolStatus: number): Script =>
  async (application) => {
    const request = await application.request();
    await application.send(end(request!.requestId, protocolStatus));
  };

const failingBody = (): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      controller.error(reason);
    },
  });

const code = (name: string) => expect.objectContaining({ code: name });
const limit = (name: string) => expect.objectContaining({ limit: name });

const ENDINGS: Record<string, Ending> = {
  "a response that is complete": {
    script: answers("Status: 404\r\n\r\nabsent"),
    end: {
      outcome: "complete",
      error: undefined,
      method: "GET",
      url: URL_ASKED,
      status: 404,
      responseBodyBytes: 6,
      retries: 0,
    },
  },
  "a response that is not read": {
    script: answers("Content-Type: a/b\r\n\r\nunread"),
    end: { outcome: "complete", status: 200, responseBodyBytes: 6 },
  },
  "a body of text": {
    script: answers("A: 1\r\n\r\n"),
    init: { method: "POST", body: "12345" },
    end: { outcome: "complete", method: "POST", requestBodyBytes: 5 },
  },
  "a body and the file of a Filter, which is not counted": {
    script: answers("A: 1\r\n\r\n"),
    init: {
      method: "POST",
      body: "12345",
      data: { source: "the file", length: 8, lastModified: new Date() },
    } as RequestInit,
    end: { outcome: "complete", requestBodyBytes: 5 },
  },
  "a body that streams": {
    options: { requestBuffering: "stream" },
    script: answers("A: 1\r\n\r\n"),
    init: { method: "POST", body: new Blob(["12345"]).stream(), duplex: "half" } as RequestInit,
    end: { outcome: "complete", requestBodyBytes: 5 },
  },
  "HEAD, whose body is dropped": {
    script: answers("Content-Length: 3\r\n\r\nall"),
    init: { method: "HEAD" },
    end: { outcome: "complete", method: "HEAD", responseBodyBytes: 3 },
  },
  "HEAD, of whose body there is too much to drop": {
    options: { maxDrainBytes: 10 },
    script: begins(`A: 1\r\n\r\n${"x".repeat(100)}`),
    init: { method: "HEAD" },
    end: { outcome: "complete", responseBodyBytes: 100 },
  },
  "a body that is longer than announced": {
    script: answers("Content-Length: 3\r\n\r\nall and more"),
    use: (response) => response.text(),
    end: { outcome: "complete", responseBodyBytes: 12 },
  },
  "a body of just the announced length": {
    script: answers("Content-Length: 3\r\n\r\nall"),
    use: (response) => response.text(),
    end: { outcome: "complete", error: undefined, responseBodyBytes: 3 },
  },
  "a body that is shorter than announced": {
    script: answers("Content-Length: 30\r\n\r\nall"),
    use: (response) => response.text().catch(() => {}),
    end: { outcome: "failed", error: code("lengthMismatch"), status: 200, responseBodyBytes: 3 },
  },
  "an application that goes on after the announced length, and breaks off": {
    script: async (application) => {
      const request = await application.request();
      await application.send(stdout(request!.requestId, "Content-Length: 3\r\n\r\nall"));
      await turns();
      application.close();
    },
    use: (response) => response.text(),
    end: { outcome: "complete", responseBodyBytes: 3 },
  },
  "an output that is no CGI response": {
    script: answers("nonsense"),
    end: { outcome: "failed", error: code("malformedResponse"), status: undefined },
  },
  "a header that is too long": {
    options: { maxResponseHeaderBytes: 10 },
    script: answers("Content-Type: text/plain\r\n\r\n"),
    end: { outcome: "failed", error: limit("maxResponseHeaderBytes") },
  },
  "an application that closes before its answer": {
    script: async (application) => {
      await application.request();
      application.close();
    },
    end: { outcome: "failed", error: code("connectionClosed"), status: undefined },
  },
  "an application that closes in the middle of its answer": {
    script: async (application) => {
      const request = await application.request();
      await application.send(stdout(request!.requestId, "Status: 206\r\n\r\nhalf"));
      await turns();
      application.close();
    },
    use: (response) => response.text().catch(() => {}),
    end: { outcome: "failed", error: code("connectionClosed"), status: 206, responseBodyBytes: 4 },
  },
  "an application that is overloaded": {
    script: refuses(ProtocolStatus.Overloaded),
    end: { outcome: "refused", error: code("overloaded") },
  },
  "an application that does not know the role": {
    script: refuses(ProtocolStatus.UnknownRole),
    end: { outcome: "refused", error: code("unknownRole") },
  },
  "no connection": {
    options: { maxConnectRetries: 0 },
    script: () => {
      throw reason;
    },
    end: { outcome: "failed", status: undefined, timeToHeader: undefined },
  },
  "an application that is silent": {
    options: { headerTimeout: 1000 },
    script: readsOnly,
    meanwhile: () => pass(1000),
    end: { outcome: "timeout", error: limit("headerTimeout") },
  },
  "an application that falls silent": {
    options: { readTimeout: 1000 },
    script: begins("A: 1\r\n\r\nhalf"),
    use: async (response) => {
      const text = response.text().catch(() => {});
      await pass(1000);
      return text;
    },
    end: { outcome: "timeout", error: limit("readTimeout"), status: 200 },
  },
  "a response that is not read in time": {
    options: { stallTimeout: 1000, maxQueuedBytes: 10 },
    script: async (application) => {
      const { requestId } = (await application.request())!;
      await application.send(stdout(requestId, "A: 1\r\n\r\n"));
      await turns();
      await application.send(stdout(requestId, "more than may wait"));
    },
    // Time counts from the moment when nothing is read any more.
    use: () => pass(3000),
    end: { outcome: "timeout", error: limit("stallTimeout") },
  },
  "a signal that aborted before": {
    script: readsOnly,
    init: { signal: AbortSignal.abort(reason) },
    end: { outcome: "aborted", error: reason },
  },
  "a signal that aborts while fetch waits": {
    script: readsOnly,
    meanwhile: (controller) => controller.abort(reason),
    end: { outcome: "aborted", error: reason },
  },
  "a signal that aborts in the body": {
    script: begins("A: 1\r\n\r\nhalf"),
    use: (_, controller) => controller.abort(reason),
    end: { outcome: "aborted", error: reason, status: 200, responseBodyBytes: 4 },
  },
  "a body that is cancelled": {
    script: begins("A: 1\r\n\r\nhalf"),
    use: (response) => response.body!.cancel("not wanted"),
    end: { outcome: "aborted", error: "not wanted", status: 200 },
  },
  "a body that is cancelled without a reason": {
    script: begins("A: 1\r\n\r\nhalf"),
    use: (response) => response.body!.cancel(),
    end: { outcome: "aborted", error: code("aborted") },
  },
  "a request body that fails while it is collected": {
    script: readsOnly,
    init: { method: "POST", body: failingBody(), duplex: "half" } as RequestInit,
    end: { outcome: "failed", error: reason, requestBodyBytes: 0 },
  },
  "a request body that fails while it is sent": {
    options: { requestBuffering: "stream" },
    script: readsOnly,
    init: { method: "POST", body: failingBody(), duplex: "half" } as RequestInit,
    end: { outcome: "failed", error: reason },
  },
  "a request body that takes too long": {
    options: { requestBodyTimeout: 1000 },
    script: readsOnly,
    init: { method: "POST", body: new OpenStream().stream, duplex: "half" } as RequestInit,
    meanwhile: () => pass(1000),
    end: { outcome: "timeout", error: limit("requestBodyTimeout") },
  },
  "a request body that is too long": {
    options: { maxSpooledRequestBytes: 2 },
    script: readsOnly,
    init: { method: "POST", body: new Blob(["12345"]).stream(), duplex: "half" } as RequestInit,
    end: { outcome: "failed", error: limit("maxSpooledRequestBytes") },
  },
  "a script that answers by itself": {
    options: { script: () => new Response("none", { status: 404 }) },
    script: readsOnly,
    end: { outcome: "refused", error: undefined, status: 404 },
  },
  "a script that throws": {
    options: {
      script: () => {
        throw reason;
      },
    },
    script: readsOnly,
    end: { outcome: "failed", error: reason },
  },
  "a script that throws nothing, while there is a signal": {
    options: {
      script: () => {
        throw undefined;
      },
    },
    script: readsOnly,
    end: { outcome: "failed", error: undefined },
  },
  "a body that fails with nothing, and no signal": {
    script: readsOnly,
    init: {
      method: "POST",
      body: new ReadableStream({ start: (controller) => controller.error() }),
      duplex: "half",
      signal: null,
    } as RequestInit,
    end: { outcome: "failed", error: undefined },
  },
  "a signal that aborts with null": {
    script: begins("A: 1\r\n\r\nhalf"),
    use: (_, controller) => controller.abort(null),
    end: { outcome: "aborted", error: null },
  },
  "a variable that can't be sent": {
    options: { params: { WRONG: "\u0100" } },
    script: readsOnly,
    end: { outcome: "failed", error: expect.any(TypeError) },
  },
  "the close of the client": {
    script: readsOnly,
    meanwhile: async (_, client) => {
      await turns();
      void client.close({ timeout: 0 });
      await pass(1);
    },
    end: { outcome: "failed", error: code("connectionClosed") },
  },
  "a hook that answers a local redirect": {
    options: { onLocalRedirect: () => new Response("there", { status: 203 }) },
    script: answers("Location: /there\r\n\r\n"),
    end: { outcome: "complete", status: 302 },
  },
  "a hook that answers, where there is too much of the body to drop": {
    options: { maxDrainBytes: 10, onAccelRedirect: () => new Response("there") },
    script: begins(`X-Accel-Redirect: /there\r\n\r\n${"x".repeat(100)}`),
    end: { outcome: "complete", error: undefined, status: 200 },
  },
  "a hook that throws": {
    options: {
      onAccelRedirect: () => {
        throw reason;
      },
    },
    script: answers("X-Accel-Redirect: /there\r\n\r\n"),
    end: { outcome: "complete", status: 200 },
  },
};

describe("onRequestEnd of a client", () => {
  it.each(Object.entries(ENDINGS))(
    "is called once for %s",
    async (_, { options, script, init, use, meanwhile, end }) => {
      const { client, ends } = calling(script, options);
      const controller = new AbortController();
      const fetching = client.fetch(URL_ASKED, { signal: controller.signal, ...init }).then(
        (response) => response,
        () => null,
      );
      await turns();
      await meanwhile?.(controller, client);
      const response = await fetching;
      if (response !== null) await use?.(response, controller);
      await turns();
      expect(ends).toEqual([expect.objectContaining(end)]);
      // And no more, whatever follows.
      controller.abort();
      void client.close({ timeout: 0 });
      await pass(3_600_000);
      expect(ends).toHaveLength(1);
    },
  );

  it("is called for requests that wait, when too many do, and when they are aborted", async () => {
    const { client, ends } = calling(readsOnly, { maxConnections: 1, maxQueuedRequests: 1 });
    const first = client.fetch("http://a.test/1").catch(() => {});
    await turns();
    const controller = new AbortController();
    const waiting = client.fetch("http://a.test/2", { signal: controller.signal }).catch(() => {});
    await turns();
    await client.fetch("http://a.test/3").catch(() => {});
    controller.abort(reason);
    await waiting;
    await turns();
    expect(ends.map(({ url, outcome }) => [url, outcome])).toEqual([
      ["http://a.test/3", "refused"],
      ["http://a.test/2", "aborted"],
    ]);
    void client.close({ timeout: 0 });
    await pass(1);
    await first;
    expect(ends).toHaveLength(3);
  });

  it("counts how often a request was sent again, and the bytes of the last time", async () => {
    const { client, ends } = calling(
      async (application, connection) => {
        const first = await application.request();
        await application.send(answer(first!.requestId, "A: 1\r\n\r\n"));
        if (connection > 1) return;
        await application.request();
        application.close();
      },
      { keepAlive: true },
    );
    for (let round = 0; round < 2; round++) {
      await (await client.fetch(URL_ASKED, { method: "PUT", body: "12345" })).text();
    }
    await turns();
    expect(ends).toMatchObject([
      { outcome: "complete", retries: 0, requestBodyBytes: 5 },
      { outcome: "complete", retries: 1, requestBodyBytes: 5 },
    ]);
  });

  it("is called once for each request on a shared connection", async () => {
    const { client, ends } = calling(
      async (application) => {
        await application.next();
        await application.send(record(RecordType.GetValuesResult, 0, encodeNameValuePairs([["FCGI_MPXS_CONNS", "1"]])));
        const requests = [await application.request(), await application.request()];
        await application.send(stdout(requests[0]!.requestId, "A: 1\r\n\r\nhalf"));
        await application.send(answer(requests[1]!.requestId, "A: 1\r\n\r\nwhole"));
        const abort = await application.next();
        await application.send(end(abort!.requestId));
      },
      { multiplexing: true },
    );
    const [cut, whole] = await Promise.all([client.fetch("http://a.test/1"), client.fetch("http://a.test/2")]);
    await whole.text();
    await cut.body!.cancel(reason);
    await turns();
    expect(ends.map(({ url, outcome, responseBodyBytes }) => [url, outcome, responseBodyBytes])).toEqual([
      ["http://a.test/2", "complete", 5],
      ["http://a.test/1", "aborted", 4],
    ]);
  });

  it("measures from the call of fetch to the header and to the end", async () => {
    const { client, ends } = calling(async (application) => {
      const { requestId } = (await application.request())!;
      await pass(30);
      await application.send(stdout(requestId, "A: 1\r\n\r\n"));
      await pass(40);
      await application.send(end(requestId));
    });
    await pass(20);
    const started = performance.now();
    await (await client.fetch(URL_ASKED)).text();
    await turns();
    expect(ends).toMatchObject([{ startTime: started, timeToHeader: 30, duration: 70 }]);
  });

  it("has the Request that fetch was given, or one like it", async () => {
    const { client, ends } = calling(answers("A: 1\r\n\r\n"));
    const request = new Request(URL_ASKED, { method: "PUT" });
    await client.fetch(request, { params: { A: "1" } });
    await client.fetch(URL_ASKED, { headers: { "x-a": "b" } });
    await turns();
    expect(ends[0]!.request).toBe(request);
    expect([ends[1]!.request.url, ends[1]!.request.headers.get("x-a")]).toEqual([URL_ASKED, "b"]);
  });

  it("is called for what an Authorizer was asked", async () => {
    const request = new Request("http://a.test/");
    for (const [output, end] of [
      ["Status: 200\r\n\r\n", { outcome: "complete", status: 200 }],
      ["Status: 403\r\n\r\nno", { outcome: "complete", status: 403, responseBodyBytes: 2 }],
      ["nonsense", { outcome: "failed", status: undefined }],
      ["Status: 200\r\nStatus: 403\r\n\r\n", { outcome: "failed", error: code("malformedResponse"), status: 200 }],
      [`Status: 200\r\n\r\n${"x".repeat(100)}`, { outcome: "failed", error: limit("maxDrainBytes"), status: 200 }],
      ["Status: 200\r\nContent-Length: 3\r\n\r\nno", { outcome: "failed", error: code("lengthMismatch") }],
    ] as const) {
      const { client, ends } = calling(answers(output), { maxDrainBytes: 10 });
      await client.authorize(request).catch(() => {});
      await turns();
      expect(ends).toMatchObject([{ url: request.url, ...end }]);
      expect(ends[0]!.request).toBe(request);
    }
  });

  it("is called with the abort of what an Authorizer was asked, and with its answer that breaks off", async () => {
    const controller = new AbortController();
    const { client, ends } = calling(begins("Status: 200\r\n\r\nok"));
    const asking = client.authorize(new Request("http://a.test/"), { signal: controller.signal }).catch(() => {});
    await turns();
    controller.abort(reason);
    await asking;
    const closing = calling(async (application) => {
      const { requestId } = (await application.request())!;
      await application.send(stdout(requestId, "Status: 200\r\nContent-Length: 2\r\n\r\nok"));
      await turns();
      application.close();
    });
    await closing.client.authorize(new Request("http://a.test/")).catch(() => {});
    await turns();
    expect([...ends, ...closing.ends]).toMatchObject([
      { outcome: "aborted", error: reason, status: 200 },
      { outcome: "failed", error: { code: "connectionClosed" }, status: 200 },
    ]);
  });

  it("tells an abort from what failed before it", () => {
    const error = new FastCgiError("aborted", "Gone");
    for (const [failure, outcome] of [
      [reason, "aborted"],
      [new Error("Another"), "failed"],
      [error, "aborted"],
    ] as const) {
      const ends: FastCgiFetchEnd[] = [];
      const request = new Request(URL_ASKED);
      const watched = { method: "GET", url: URL_ASKED, signal: AbortSignal.abort(reason), native: () => request };
      watchFetch(watched, (end) => ends.push(end)).fail(failure);
      expect(ends).toMatchObject([{ outcome, error: failure, request, status: undefined, responseBodyBytes: 0 }]);
    }
  });

  it("harms nothing when it throws or rejects", async () => {
    for (const onRequestEnd of [
      () => {
        throw reason;
      },
      async () => {
        throw reason;
      },
    ]) {
      let text = "";
      const unhandled = await unhandledRejectionsOf(async () => {
        const client = new FastCgiHttpClient(new ScriptedConnector(answers("A: 1\r\n\r\nall")), { onRequestEnd });
        text = await (await client.fetch(URL_ASKED)).text();
      });
      expect([text, unhandled]).toEqual(["all", [reason]]);
    }
  });
});
