import { describe, expect, it } from "vitest";
import { readerOf } from "../../../src/codec/byte_source.ts";
import { cgiFromResponse } from "../../../src/http/serve/response_to_cgi.ts";
import {
  asNativeHeaders,
  asNativeRequest,
  asNativeSignal,
  asNativeStream,
  bodyOf,
  isRequest,
  isResponse,
} from "../../../src/http/shared/fetch_objects.ts";
import { type ByteReader, FastCgiHttpClient, FastCgiHttpService } from "../../../src/toolkit.ts";
import { latin1 } from "../../support/bytes.ts";
import { OpenStream } from "../../support/open_stream.ts";
import { request } from "../../support/records.ts";
import { answering, type ReceivedRequest, ScriptedConnector } from "../../support/scripted_application.ts";
import { streamOf } from "../../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";
import { MemoryApplication } from "../../support/web_server_end.ts";

failOnUnhandledRejections();

/** Headers of another class: names as they were written, and what HTTP can't carry is taken. */
class OtherHeaders {
  readonly pairs: [string, string | string[]][];

  constructor(pairs: [string, string | string[]][]) {
    this.pairs = pairs;
  }

  get(name: string): string | null {
    const values = this.pairs.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value);
    return values.length === 0 ? null : values.join(", ");
  }

  [Symbol.iterator](): Iterator<[string, string | string[]]> {
    return this.pairs.values();
  }
}

/** As node-fetch has them: in turn, cookies are joined. */
class JoinedHeaders extends OtherHeaders {
  override *[Symbol.iterator](): Generator<[string, string]> {
    for (const name of new Set(this.pairs.map(([name]) => name.toLowerCase()))) yield [name, this.get(name)!];
  }

  raw(): Record<string, string[]> {
    const names = new Set(this.pairs.map(([name]) => name.toLowerCase()));
    const values = (wanted: string): string[] =>
      this.pairs.filter(([name]) => name.toLowerCase() === wanted).flatMap(([, value]) => value);
    return Object.fromEntries([...names].map((name) => [name, values(name)]));
  }
}

/** A stream of another class, which notes what is done with it. */
class OtherStream {
  locked = false;
  cancelled: unknown;
  readonly #pieces: Uint8Array[];

  constructor(...pieces: Uint8Array[]) {
    this.#pieces = pieces;
  }

  getReader(): ByteReader {
    this.locked = true;
    return {
      read: async () => {
        const value = this.#pieces.shift();
        return value === undefined ? { done: true } : { done: false, value };
      },
      cancel: async (reason) => {
        this.cancelled = reason;
      },
    };
  }

  async cancel(reason: unknown): Promise<void> {
    this.cancelled = reason;
  }
}

/** A stream as Node has them: an asynchronous iterator, and `destroy`. */
class NodeStream {
  destroyed = false;
  readonly #pieces: Uint8Array[];

  constructor(...pieces: Uint8Array[]) {
    this.#pieces = pieces;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#pieces;
    } finally {
      this.destroyed = true;
    }
  }

  destroy(error?: Error): void {
    if (error !== undefined) throw error;
    this.destroyed = true;
  }
}

class OtherSignal {
  aborted = false;
  reason: unknown = undefined;
  #listener: () => void = () => {};

  addEventListener(type: string, listener: () => void): void {
    if (type === "abort") this.#listener = listener;
  }

  abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    this.#listener();
  }
}

interface Members {
  status?: unknown;
  statusText?: unknown;
  headers?: unknown;
  body?: unknown;
  bodyUsed?: boolean;
}

/** A Response of another class. */
function otherResponse(members: Members = {}): Response {
  return { status: 200, headers: new OtherHeaders([]), body: null, ...members } as unknown as Response;
}

/** A Request of another class. */
function otherRequest(members: Record<string, unknown> = {}): Request {
  return {
    url: "http://a.test/path?query",
    method: "POST",
    headers: new OtherHeaders([["X-Test", "yes"]]),
    body: new OtherStream(latin1("bo"), latin1("dy")),
    ...members,
  } as unknown as Request;
}

/** What is sent for a response, as a byte string. */
async function sent(response: Response, method = "GET"): Promise<string> {
  let text = "";
  for (const source of await cgiFromResponse(response, { method })) {
    const reader = readerOf(source instanceof Uint8Array ? streamOf(source) : source);
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      text += Buffer.from(next.value!).toString("latin1");
    }
  }
  return text;
}

describe("isResponse, isRequest", () => {
  it("isResponse takes what has the members of one", () => {
    for (const value of [new Response(), otherResponse(), otherResponse({ body: new OtherStream() })]) {
      expect(isResponse(value)).toBe(true);
    }
    for (const value of [
      null,
      undefined,
      "text",
      {},
      new Request("http://a.test/"),
      otherRequest(),
      otherResponse({ status: "200" }),
      otherResponse({ headers: {} }),
      otherResponse({ headers: null }),
      otherResponse({ headers: { get() {} } }),
      otherResponse({ headers: new Set() }),
      Promise.resolve(new Response()),
    ]) {
      expect(isResponse(value)).toBe(false);
    }
  });

  it("isRequest takes what has the members of one", () => {
    for (const value of [new Request("http://a.test/"), otherRequest()]) expect(isRequest(value)).toBe(true);
    const { headers } = new Request("http://a.test/");
    for (const value of [null, "http://a.test/", new URL("http://a.test/"), new Response(), otherResponse(), {}]) {
      expect(isRequest(value)).toBe(false);
    }
    for (const value of [
      { url: "http://a.test/", headers },
      { method: "GET", headers },
    ]) {
      expect(isRequest(value)).toBe(false);
    }
  });
});

describe("a Response of another class", () => {
  it("cgiFromResponse sends it as one of the runtime's own", async () => {
    const headers = new OtherHeaders([
      ["Content-Type", "a/b"],
      ["X-Twice", "1"],
      ["x-twice", " 2 "],
    ]);
    for (const body of [new OtherStream(latin1("bo"), latin1("dy")), new NodeStream(latin1("bo"), latin1("dy"))]) {
      expect(await sent(otherResponse({ status: 201, statusText: "Made", headers, body }))).toMatch(
        /^Status: 201 Made\r\ncontent-type: a\/b\r\nx-twice: 1, 2\r\n(?:content-length: 4\r\n)?\r\nbody$/,
      );
    }
  });

  it("cgiFromResponse sends a line for each of its cookies", async () => {
    const cookies: [string, string][] = [
      ["Set-Cookie", "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
      ["set-cookie", "b=2"],
    ];
    const values = cookies.map(([, value]) => value);
    const several = Object.assign(new OtherHeaders([["set-cookie", values]]), { getSetCookie: () => values });
    const listed = new OtherHeaders([["set-cookie", values]]);
    for (const headers of [new OtherHeaders(cookies), new JoinedHeaders(cookies), several, listed, new Map(cookies)]) {
      const lines = (await sent(otherResponse({ headers }))).split("\r\n").filter((line) => line.startsWith("set-c"));
      expect(lines).toEqual(cookies.map(([, value]) => `set-cookie: ${value}`));
    }
  });

  it("cgiFromResponse refuses what HTTP can't carry, even if its class accepts it", async () => {
    const open = new OtherStream();
    const refused: Members[] = [
      { headers: new OtherHeaders([["x", "1\r\nset-cookie: evil=1"]]) },
      { headers: new OtherHeaders([["x\r\ny", "1"]]) },
      { headers: new OtherHeaders([["x", "\u010a"]]) },
      { statusText: "OK\r\nset-cookie: evil=1" },
      { statusText: "OK\0" },
      { statusText: "\u010a" },
      { status: 200.5 },
      { status: Number.NaN },
      { status: 101 },
      { status: 600 },
    ];
    for (const members of refused) {
      await expect(sent(otherResponse({ ...members, body: open })), JSON.stringify(members)).rejects.toThrow(TypeError);
      await turns(1);
      expect(open.cancelled).toBeInstanceOf(TypeError);
    }
  });

  it("cgiFromResponse refuses one whose body is no stream, or was read", async () => {
    await expect(sent(otherResponse({ body: "text" }))).rejects.toThrow(
      new TypeError("Cannot read the body: expected a stream, got string"),
    );
    await expect(sent(otherResponse({ body: new OtherStream(), bodyUsed: true }))).rejects.toThrow(
      new TypeError("Cannot send the response: its body was read already"),
    );
  });

  it("cgiFromResponse gives up a body that is not sent", async () => {
    const [web, node] = [new OtherStream(latin1("body")), new NodeStream(latin1("body"))];
    for (const body of [web, node]) {
      expect(await sent(otherResponse({ body }), "HEAD")).toBe("Status: 200 OK\r\n\r\n");
      await turns(1);
    }
    expect(web.cancelled).toBe("The response has no body");
    expect(node.destroyed).toBe(true);
  });

  it("bodyOf finds none where there is no such member", () => {
    expect(bodyOf({ body: undefined })).toBeNull();
  });

  it("bodyOf cancels the rest of a body", async () => {
    const [web, node] = [new OtherStream(latin1("a"), latin1("b")), new NodeStream(latin1("a"), latin1("b"))];
    for (const body of [web, node]) {
      const reader = readerOf(bodyOf({ body })!);
      expect((await reader.read()).value).toEqual(latin1("a"));
      await reader.cancel("Gone");
    }
    expect(web.cancelled).toBe("Gone");
    expect(node.destroyed).toBe(true);
  });

  it("FastCgiHttpService answers with it, at once or later", async () => {
    const body = (): OtherStream => new OtherStream(latin1("body"));
    for (const fetch of [() => otherResponse({ body: body() }), async () => otherResponse({ body: body() })]) {
      const application = new MemoryApplication(new FastCgiHttpService(fetch as () => Promise<Response>).handler);
      const { web } = application.connect();
      await web.send(request(1));
      expect((await web.answer(1)).stdout).toMatch(/^Status: 200 OK\r\n[\s\S]*\r\n\r\nbody$/);
      expect(application.errors).toEqual([]);
    }
  });
});

describe("a Request of another class", () => {
  const clients: FastCgiHttpClient[] = [];

  function recording(script?: (request: Request) => Response) {
    const requests: ReceivedRequest[] = [];
    const connector = new ScriptedConnector(
      answering((received) => {
        requests.push(received);
        return "X-A: 1\r\n\r\nanswer";
      }),
    );
    const client = new FastCgiHttpClient(connector, script === undefined ? {} : { script });
    clients.push(client);
    return { client, requests };
  }

  it("FastCgiHttpClient sends it as one of the runtime's own", async () => {
    const { client, requests } = recording();
    for (const body of [new OtherStream(latin1("bo"), latin1("dy")), new NodeStream(latin1("bo"), latin1("dy"))]) {
      const response = await client.fetch(otherRequest({ body }));
      expect(await response.text()).toBe("answer");
      const { params, stdin } = requests.pop()!;
      expect(stdin).toEqual(latin1("body"));
      expect(params.get("REQUEST_METHOD")).toBe("POST");
      expect(params.get("REQUEST_URI")).toBe("/path?query");
      expect(params.get("HTTP_X_TEST")).toBe("yes");
      expect(params.get("CONTENT_LENGTH")).toBe("4");
    }
  });

  it("FastCgiHttpClient sends it with what init says", async () => {
    const { client, requests } = recording();
    await client.fetch(otherRequest(), { headers: { "x-other": "1" }, remoteAddress: "192.0.2.1" });
    await client.fetch(otherRequest({ body: null }), { method: "GET" });
    const [first, second] = requests;
    expect(first!.stdin).toEqual(latin1("body"));
    expect(["HTTP_X_OTHER", "HTTP_X_TEST", "REMOTE_ADDR"].map((name) => first!.params.get(name))).toEqual([
      "1",
      undefined,
      "192.0.2.1",
    ]);
    expect(second!.params.get("REQUEST_METHOD")).toBe("GET");
  });

  it("FastCgiHttpClient refuses headers that HTTP can't carry, even if their class accepts them", async () => {
    const { client, requests } = recording();
    for (const value of ["1\r\nset-cookie: evil=1", "1\n folded", "\u010a"]) {
      const headers = new OtherHeaders([["x", value]]);
      await expect(client.fetch(otherRequest({ headers })), JSON.stringify(value)).rejects.toThrow(TypeError);
    }
    expect(requests).toEqual([]);
  });

  it("FastCgiHttpClient gives up with a signal of another class", async () => {
    const { client } = recording();
    const aborted = new OtherSignal();
    aborted.abort(new Error("Before"));
    await expect(client.fetch(otherRequest({ signal: aborted }))).rejects.toThrow("Before");
    await expect(client.fetch("http://a.test/", { signal: aborted as unknown as AbortSignal })).rejects.toThrow(
      "Before",
    );
    await expect(client.authorize(otherRequest({ signal: aborted }))).rejects.toThrow("Before");
    const later = new OtherSignal();
    const open = new OpenStream();
    const fetched = client.fetch(otherRequest({ signal: later, body: open.stream }));
    await open.pulled();
    later.abort(new Error("Under way"));
    await expect(fetched).rejects.toThrow("Under way");
  });

  it("FastCgiHttpClient asks an authorizer about it and does not touch its body", async () => {
    const { client, requests } = recording();
    const body = new OtherStream(latin1("body"));
    expect(await client.authorize(otherRequest({ body }))).toMatchObject({ allowed: true });
    expect(body.locked).toBe(false);
    expect(requests[0]!.params.get("HTTP_X_TEST")).toBe("yes");
  });

  it("FastCgiHttpClient answers with a Response of another class from script", async () => {
    const response = otherResponse({ status: 404 });
    const { client, requests } = recording(() => response);
    expect(await client.fetch("http://a.test/")).toBe(response);
    expect(await client.authorize(new Request("http://a.test/"))).toEqual({ allowed: false, response });
    expect(requests).toEqual([]);
  });

  it("asNativeRequest refuses one whose body was read", () => {
    expect(() => asNativeRequest(otherRequest({ bodyUsed: true }))).toThrow(
      new TypeError("Cannot send the request: its body was read already"),
    );
  });

  it("asNativeHeaders takes each cookie once from a class that also lists them among the others", () => {
    class CookieHeaders extends OtherHeaders {
      getSetCookie(): string[] {
        return ["a=1", "b=2"];
      }
    }
    const headers = new CookieHeaders([
      ["X-Test", "yes"],
      ["Set-Cookie", "a=1, b=2"],
    ]);
    // Bun lists cookies last.
    expect([...asNativeHeaders(headers as unknown as Headers)].sort()).toEqual([
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["x-test", "yes"],
    ]);
  });

  it("asNativeStream reads one of another class, and leaves the runtime's own as they are", async () => {
    const other = new OtherStream(latin1("a"), latin1("b")) as unknown as ReadableStream<Uint8Array>;
    const native = asNativeStream(other);
    expect(native).toBeInstanceOf(ReadableStream);
    expect(await new Response(native).text()).toBe("ab");
    const own = streamOf(latin1("a"));
    expect(asNativeStream(own)).toBe(own);
  });

  it("asNativeHeaders and asNativeSignal leave the runtime's own as they are", () => {
    const headers = new Headers();
    expect(asNativeHeaders(headers)).toBe(headers);
    const { signal } = new AbortController();
    expect(asNativeSignal(signal)).toBe(signal);
  });
});
