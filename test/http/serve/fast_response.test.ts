import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cgiFromResponse } from "../../../src/http/serve/response_to_cgi.ts";
import { FastResponse } from "../../../src/index.ts";
import { readerOf } from "../../../src/transport/byte_source.ts";
import { isBun } from "../../support/runtime.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

/** What is sent for a response, as text. */
async function sent(response: Response, method = "GET"): Promise<string> {
  let text = "";
  for (const source of await cgiFromResponse(response, { method })) {
    if (source instanceof Uint8Array) {
      text += Buffer.from(source).toString("latin1");
      continue;
    }
    const reader = readerOf(source);
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      text += Buffer.from(next.value!).toString("latin1");
    }
  }
  return text;
}

const INITS: [string, BodyInit | null | undefined, ResponseInit | undefined][] = [
  ["nothing", undefined, undefined],
  ["null", null, { status: 204 }],
  ["text", "héllo", undefined],
  ["empty text", "", { headers: { "x-a": "1" } }],
  ["text with a type", "{}", { headers: { "content-type": "application/json", "set-cookie": "a=1" } }],
  [
    "two cookies",
    "x",
    {
      headers: [
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
      ],
    },
  ],
  ["bytes", new Uint8Array([1, 2, 255]), { status: 201, statusText: "Made" }],
  ["bytes of the right length", new Uint8Array(3), { headers: { "content-length": "3" } }],
  ["a redirect", null, { status: 302, headers: { location: "/else" } }],
  ["a stream", new Blob(["streamed"]).stream(), undefined],
  ["a form", new URLSearchParams({ a: "1" }), undefined],
];

const OF_BUN = "Bun's own Response gives a string no type, and takes what Fetch refuses";

describe("FastResponse", () => {
  it.for(INITS)("FastResponse is sent as a native Response of the same is: %s", async ([, body, init], { skip }) => {
    skip(isBun, OF_BUN);
    const [first, second] = body instanceof ReadableStream ? body.tee() : [body, body];
    expect(await sent(new FastResponse(first, init))).toBe(await sent(new Response(second, init)));
  });

  it("FastResponse sends no body when the method is HEAD", async ({ skip }) => {
    skip(isBun, OF_BUN);
    expect(await sent(new FastResponse("text"), "HEAD")).toBe(await sent(new Response("text"), "HEAD"));
  });

  it.for(INITS.filter(([, body]) => !(body instanceof ReadableStream)))(
    "FastResponse has every member that a native Response has: %s",
    async ([, body, init], { skip }) => {
      skip(isBun, OF_BUN);
      const [fast, native] = [new FastResponse(body, init), new Response(body, init)];
      expect(fast).toBeInstanceOf(Response);
      expect(Object.prototype.toString.call(fast)).toBe("[object Response]");
      for (const name of ["status", "statusText", "ok", "type", "url", "redirected", "bodyUsed"] as const) {
        expect(fast[name], name).toEqual(native[name]);
      }
      expect([...fast.headers]).toEqual([...native.headers]);
      expect(fast.body === null).toBe(native.body === null);
      expect(await fast.clone().text()).toBe(await native.clone().text());
      expect(new Uint8Array(await fast.arrayBuffer())).toEqual(new Uint8Array(await native.arrayBuffer()));
      expect(fast.bodyUsed).toBe(native.bodyUsed);
    },
  );

  it("FastResponse sends the headers that were changed, before and after its body was looked at", async () => {
    const response = new FastResponse("text", { headers: { "x-a": "1", "x-b": "1" } });
    const { headers } = response;
    headers.set("x-a", "2");
    expect(response.body).not.toBeNull();
    headers.delete("x-b");
    headers.append("set-cookie", "c=1");
    headers.append("set-cookie", "d=1");
    expect(response.headers).toBe(headers);
    expect([...response.clone().headers]).toEqual([...headers]);
    const [header, text] = (await sent(response)).split("\r\n\r\n");
    expect(text).toBe("text");
    // Every runtime has its own order.
    expect(header!.split("\r\n").toSorted()).toEqual([
      "Status: 200 OK",
      "content-length: 4",
      "content-type: text/plain;charset=UTF-8",
      "set-cookie: c=1",
      "set-cookie: d=1",
      "x-a: 2",
    ]);
  });

  it("FastResponse can be the start of another Response", async () => {
    const fast = new FastResponse("text", { status: 201, headers: { "x-a": "1" } });
    const other = new Response(fast.body, fast);
    expect(other.status).toBe(201);
    expect(other.headers.get("x-a")).toBe("1");
    expect(await other.text()).toBe("text");
  });

  it("FastResponse can't be sent when its body was read", async () => {
    const response = new FastResponse("text");
    await response.text();
    await expect(sent(response)).rejects.toThrow("its body was read already");
  });

  it.for<[string, BodyInit | null, ResponseInit]>([
    ["a status", "x", { status: 99 }],
    ["a status that is none", "x", { status: 2.5e9 }],
    ["a body where there can be none", "x", { status: 204 }],
    ["a reason phrase", "x", { statusText: "a\nb" }],
    ["a header that breaks out of its line", "x", { headers: { "x-a": "1\r\nx-b: 2" } }],
    ["a header name", "x", { headers: { "x a": "1" } }],
  ])("FastResponse throws what a native Response throws for %s", ([, body, init], { skip }) => {
    skip(isBun, OF_BUN);
    let expected: unknown;
    try {
      new Response(body, init);
    } catch (error) {
      expected = error;
    }
    expect(expected).toBeInstanceOf(Error);
    expect(() => new FastResponse(body, init)).toThrow(expected as Error);
  });

  it("FastResponse fails with lengthMismatch when Content-Length is not the length of its body", async () => {
    const response = new FastResponse("text", { headers: { "content-length": "5" } });
    await expect((async () => sent(response))()).rejects.toMatchObject({ code: "lengthMismatch" });
  });

  it("FastResponse.json and redirect are those of Response", async () => {
    expect(await FastResponse.json({ a: 1 }).json()).toEqual({ a: 1 });
    expect(FastResponse.redirect("http://a.test/").status).toBe(302);
  });

  it("FastResponse is sent as a native Response of the same when text and headers are any", async ({ skip }) => {
    skip(isBun, OF_BUN);
    const name = fc.stringMatching(/^[a-z][a-z-]{0,8}$/).filter((text) => text !== "content-length");
    const value = fc.stringMatching(/^[!-~\x80-\xff]{0,8}$/);
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme" }), fc.dictionary(name, value), async (body, headers) => {
        expect(await sent(new FastResponse(body, { headers }))).toBe(await sent(new Response(body, { headers })));
      }),
      { numRuns: 100 },
    );
  });
});
