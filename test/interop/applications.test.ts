import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  type FastCgiConnection,
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  type FastCgiHttpConnector,
} from "../../adapters/node/index.ts";
import { FastCgiClient } from "../../src/toolkit.ts";
import type { RunningApplication, StartApplicationOptions } from "../support/applications/application.ts";
import { applications, firstStartTimeout, go } from "../support/applications/list.ts";
import { fastCgiErrorOf } from "../support/failures.ts";
import { patternChunks, patternSha256 } from "../support/pattern.ts";
import { waitUntil } from "../support/process.ts";
import { textFrom } from "../support/streams.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

// One battery for every application. What an application can't do is a fact of the table in test/support/applications/list.ts,
// and the tests expect that fact: nothing is left out quietly.

failOnUnhandledRejections();

const MiB = 1024 * 1024;
const url = (path: string): string => `http://application.test${path}`;

function clientOf(connector: FastCgiHttpConnector, options?: FastCgiHttpClientOptions): FastCgiHttpClient {
  const client = new FastCgiHttpClient(connector, options);
  onTestFinished(async () => client.close());
  return client;
}

/** A POST whose body is streamed. */
function upload(length: number, { announced = true } = {}): RequestInit {
  const pieces = patternChunks(length);
  const init: RequestInit & { duplex: "half" } = {
    method: "POST",
    headers: announced ? { "content-length": String(length) } : {},
    body: new ReadableStream({
      pull(controller) {
        const { done, value } = pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    }),
    duplex: "half",
  };
  return init;
}

async function digestOf(response: Response): Promise<[number, string]> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of response.body!) {
    bytes += piece.length;
    hash.update(piece);
  }
  return [bytes, hash.digest("hex")];
}

/** The same connector, and how many connections it opened. */
function counting(connector: FastCgiHttpConnector) {
  const count = { opened: 0 };
  const counted: FastCgiHttpConnector = {
    ...connector,
    async connect(options): Promise<FastCgiConnection> {
      count.opened++;
      return connector.connect(options);
    },
  };
  return { count, connector: counted };
}

/** Which of the ways to end a response early. */
type Ending = "response.body.cancel()" | "request.signal";

/** Reads the beginning of a response that has no end, then ends it. */
async function leave(client: FastCgiHttpClient, path: string, ending: Ending): Promise<void> {
  const abort = new AbortController();
  const response = await client.fetch(url(path), { signal: abort.signal });
  const reader = response.body!.getReader();
  expect((await reader.read()).value?.length).toBeGreaterThan(0);
  if (ending === "response.body.cancel()") {
    await reader.cancel();
    return;
  }
  const reason = new Error("no longer wanted");
  abort.abort(reason);
  const readToEnd = async (): Promise<void> => {
    while (!(await reader.read()).done);
  };
  await expect(readToEnd()).rejects.toBe(reason);
}

const table = applications.flatMap((application) =>
  application.listen.map((listen) => ({ name: application.name, listen, application })),
);

describe.each(table)("FastCgiHttpClient with $name ($listen)", ({ application, listen }) => {
  let running: RunningApplication;

  beforeAll(async () => {
    running = await application.start({ listen });
  }, firstStartTimeout);
  afterAll(() => running?.stop());

  const client = (options?: FastCgiHttpClientOptions): FastCgiHttpClient => clientOf(running.connector, options);

  /** One that the test may break or block. */
  async function startOwn(options: StartApplicationOptions = {}): Promise<RunningApplication> {
    const own = await application.start({ listen, ...options });
    onTestFinished(() => own.stop());
    return own;
  }

  it("fetch tells the application the method, the URL, the headers and params", async () => {
    const long = "v".repeat(20_000);
    const response = await client().fetch(url("/params?a=1&b=%20"), {
      headers: { "x-own": "header", "x-long": long, cookie: "c=1" },
      params: { OWN_PARAM: "param", EMPTY_PARAM: "" },
    });
    expect(response.status).toBe(200);
    const pairs = (await response.text()).split("\0").map((pair) => pair.split(/=(.*)/s) as [string, string]);
    expect(Object.fromEntries(pairs)).toMatchObject({
      REQUEST_METHOD: "GET",
      REQUEST_URI: "/params?a=1&b=%20",
      QUERY_STRING: "a=1&b=%20",
      HTTP_HOST: "application.test",
      HTTP_COOKIE: "c=1",
      HTTP_X_OWN: "header",
      HTTP_X_LONG: long,
      OWN_PARAM: "param",
      EMPTY_PARAM: "",
    });
  });

  it("fetch sends a small body", async () => {
    const body = "name=J%C3%BCrgen&text=a%0D%0Ab";
    const response = await client().fetch(url("/collect"), { method: "POST", body });
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(await response.text()).toBe(body);
  });

  it("fetch sends 8 MiB, and then receives 8 MiB", async () => {
    const response = await client().fetch(url("/collect"), upload(8 * MiB));
    expect(await digestOf(response)).toEqual([8 * MiB, patternSha256(8 * MiB)]);
  });

  if (application.duplex) {
    it("fetch sends 8 MiB and receives them at the same time", async () => {
      const response = await client().fetch(url("/echo"), upload(8 * MiB));
      expect(await digestOf(response)).toEqual([8 * MiB, patternSha256(8 * MiB)]);
    });
  } else {
    it("fetch gives up after its timeout when the application can't receive and send at the same time", async () => {
      const own = clientOf((await startOwn({ workers: 1 })).connector, {
        writeTimeout: 300,
        headerTimeout: 300,
        readTimeout: 300,
      });
      const error = await fastCgiErrorOf(own.fetch(url("/echo"), upload(8 * MiB)).then(digestOf));
      expect(error).toMatchObject({ code: "timeout", gatewayStatus: 504 });
    });
  }

  it.each([0, 5, 3 * MiB + 1])("fetch sends a body of unknown length whole: %i bytes", async (length) => {
    const response = await client().fetch(url("/collect"), upload(length, { announced: false }));
    expect(await digestOf(response)).toEqual([length, patternSha256(length)]);
  });

  it("onStderr gets what the application says, the body does not", async () => {
    const { params = {}, message, status } = application.stderr;
    const messages: string[] = [];
    const own = client({ onStderr: (text) => void messages.push(text) });
    const response = await own.fetch(url("/stderr"), { params });
    expect(response.status).toBe(status);
    const body = await response.text();
    // fcgiwrap makes CR LF of an LF at times.
    expect(messages.join("").replaceAll("\r\n", "\n")).toBe(message);
    expect(body).not.toContain(message.trim());
    expect(body).toMatch(status === 200 ? /^hello from / : /^$/);
  });

  it("response.end has the exit status", async () => {
    const own = new FastCgiClient(running.connector);
    onTestFinished(async () => own.close());
    for (const [path, appStatus] of [
      ["/exit", application.appStatus],
      ["/", 0],
    ] as const) {
      const response = await own.send({ params: running.params(path) });
      expect(await textFrom(response.stdout)).toMatch(/\r\n\r\nhello from .*\n$/);
      expect(await response.end).toEqual({ appStatus, protocolStatus: 0 });
    }
  });

  it.each([201, 404, 503])("fetch resolves with the status %i", async (status) => {
    const response = await client().fetch(url(`/status?${status}`));
    expect(response.status).toBe(status);
    expect(await response.text()).toBe(`status ${status}\n`);
  });

  it("fetch resolves with a redirect as it is", async () => {
    const response = await client().fetch(url("/redirect"));
    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe("http://elsewhere.test/?x=1");
    await response.text();
  });

  it("fetch resolves with an empty body when the method is HEAD", async () => {
    const response = await client().fetch(url("/"), { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
    expect(await response.text()).toBe("");
  });

  if (application.headerless === "malformedResponse") {
    it("fetch rejects when the application sends no header", async () => {
      const error = await fastCgiErrorOf(client().fetch(url("/headerless")));
      expect(error).toMatchObject({ code: "malformedResponse", gatewayStatus: 502 });
    });
  } else {
    it("fetch gets a header from the application's library when the program sends none", async () => {
      const response = await client().fetch(url("/headerless"));
      expect(response.status).toBe(application.headerless);
      expect(response.headers.get("content-type")).toMatch(/^text\//);
      expect(await response.text()).toMatch(/^hello from /);
    });
  }

  it("fetch serves 10 requests at once", async () => {
    const own = client();
    const lengths = Array.from({ length: 10 }, (_, i) => 50_000 + i);
    const digests = await Promise.all(
      lengths.map(async (length) => digestOf(await own.fetch(url("/collect"), upload(length)))),
    );
    expect(digests).toEqual(lengths.map((length) => [length, patternSha256(length)]));
  });

  it("keepAlive serves requests of every kind on one connection", async () => {
    const { count, connector } = counting(running.connector);
    // One connection: after a HEAD the next request has to wait for the end of the body that is not read.
    const own = clientOf(connector, { keepAlive: true, reuseForAll: true, maxConnections: 1 });
    for (let round = 0; round < 3; round++) {
      expect(await (await own.fetch(url("/"))).text()).toMatch(/^hello from /);
      expect(await digestOf(await own.fetch(url("/collect"), upload(200_000)))).toEqual([
        200_000,
        patternSha256(200_000),
      ]);
      expect(await (await own.fetch(url("/"), { method: "HEAD" })).text()).toBe("");
      expect((await (await own.fetch(url("/status?404"))).text()).length).toBeGreaterThan(0);
      await (await own.fetch(url("/stderr"))).text();
    }
    expect(count.opened).toBe(1);
  });

  it("getValues resolves with what the application tells", async () => {
    const own = new FastCgiClient(running.connector);
    onTestFinished(async () => own.close());
    expect(Object.fromEntries(await own.getValues())).toEqual(application.values);
  });

  it("the body fails when the application dies in the middle of it", async () => {
    const own = clientOf((await startOwn({ workers: 1 })).connector);
    const directory = await createTemporaryDirectory("die");
    onTestFinished(() => directory.remove());
    const response = await own.fetch(url(`/die?${directory.path}/now`));
    expect(response.status).toBe(200);
    const reader = response.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe("partial\n");
    await writeFile(`${directory.path}/now`, "");
    expect(await fastCgiErrorOf(reader.read())).toMatchObject({ code: "connectionClosed", gatewayStatus: 502 });
  });

  describe("with one worker", () => {
    // A further request is answered only once the one before is over.
    let single: RunningApplication;

    beforeAll(async () => {
      single = await application.start({ listen, workers: 1 });
    });
    afterAll(() => single?.stop());

    it.each([
      ["response.body.cancel()", "/endless"],
      ["response.body.cancel()", "/drip"],
      ["request.signal", "/endless"],
      ["request.signal", "/drip"],
    ] as const)("%s frees the application in the middle of %s", async (ending, path) => {
      const own = clientOf(single.connector);
      await leave(own, path, ending);
      expect(await (await own.fetch(url("/"))).text()).toMatch(/^hello from /);
      if (application !== go) return;
      const running = async (): Promise<number> => (await (await own.fetch(url("/counts"))).json()).running;
      await waitUntil(async () => (await running()) === 0);
    });
  });
});
