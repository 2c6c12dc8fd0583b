import fc from "fast-check";
import { Hono } from "hono";
import { afterEach, describe, expect, it, vi } from "vitest";
import { readerOf } from "../../../src/codec/byte_source.ts";
import { heldResponse } from "../../../src/http/serve/fast_response.ts";
import { cgiFromResponse } from "../../../src/http/serve/response_to_cgi.ts";
import { FastResponse } from "../../../src/index.ts";
import { latin1 } from "../../support/bytes.ts";
import { responseUses, resultsOf } from "../../support/response_uses.ts";
import { isBun, isDeno } from "../../support/runtime.ts";
import { transferred } from "../../support/transferred.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

/** What is sent for a response, as text. */
async function sent(response: Response, method = "GET", toCgi = cgiFromResponse): Promise<string> {
  let text = "";
  for (const source of await toCgi(response, { method })) {
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

  it("FastResponse behaves as a native Response of the same, whatever a program does with it and in which order", async ({
    skip,
  }) => {
    skip(isBun, OF_BUN);
    const body = fc.oneof(
      fc.constant(null),
      fc.string({ maxLength: 20 }),
      // Deno's Response gives text back as it was given: with lone surrogates and a byte order mark.
      fc.constantFrom('{"a":1}', "[", ...(isDeno ? [] : ["\ud800"])),
      fc.constant(latin1("\xef\xbb\xbf{}")),
      fc.uint8Array({ maxLength: 20 }) as fc.Arbitrary<Uint8Array<ArrayBuffer>>,
    );
    await fc.assert(
      fc.asyncProperty(body, responseUses, async (given, uses) => {
        const init = { status: 201, headers: { "x-a": "1" } };
        const results = await resultsOf(new FastResponse(given, init), uses);
        expect(results).toEqual(await resultsOf(new Response(given, init), uses));
      }),
      { numRuns: 200 },
    );
  });

  it("FastResponse can't be sent when its body was read", async () => {
    const response = new FastResponse("text");
    await response.text();
    await expect(sent(response)).rejects.toThrow("its body was read already");
  });

  it.for(["GET", "HEAD"])("FastResponse can be sent once, as a native Response, after %s", async (method) => {
    for (const make of [FastResponse, Response]) {
      for (const body of ["text", "", new Uint8Array(3)]) {
        const response = new make(body);
        await sent(response, method);
        expect(response.bodyUsed).toBe(true);
        await expect(sent(response)).rejects.toThrow("its body was read already");
      }
      const empty = new make(null);
      await sent(empty, method);
      expect(empty.bodyUsed).toBe(false);
      expect(await sent(empty)).toContain("Status: 200 OK");
    }
  });

  it.for<[string, BodyInit | null, ResponseInit]>([
    ["a status", "x", { status: 99 }],
    ["a status, without a body", null, { status: 199 }],
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

  it("FastResponse refuses a header name that is a symbol where a native Response does", () => {
    // Deno passes over it.
    const refuses = (each: typeof Response): boolean => {
      try {
        new each("x", { headers: { [Symbol("x-a")]: "1" } });
        return false;
      } catch (error) {
        return error instanceof TypeError;
      }
    };
    expect(refuses(FastResponse)).toBe(refuses(Response));
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

  it("FastResponse refuses bytes whose buffer can change its size, as a native Response does", async ({ skip }) => {
    skip(isBun, OF_BUN);
    const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer;
    const bytes = new Uint8Array(new Resizable(4, { maxByteLength: 8 }));
    expect(heldResponse(new FastResponse(new Uint8Array(4)))).not.toBeNull();
    const made = (make: typeof Response): string => {
      try {
        return String(heldResponse(new make(bytes)));
      } catch (error) {
        return String(error);
      }
    };
    expect(made(FastResponse)).toBe(made(Response));
  });

  it.for<[what: string, make: () => Uint8Array<ArrayBuffer>]>([
    ["bytes whose buffer was transferred", () => transferred(new Uint8Array(3))],
    ["bytes in shared memory", () => new Uint8Array(new SharedArrayBuffer(3)) as unknown as Uint8Array<ArrayBuffer>],
  ])("FastResponse treats %s as a native Response does", ([, make], { skip }) => {
    skip(isBun, OF_BUN);
    const outcome = (each: typeof Response): string => {
      try {
        return String(heldResponse(new each(make())));
      } catch (error) {
        return (error as Error).constructor.name;
      }
    };
    expect(outcome(FastResponse)).toBe(outcome(Response));
  });

  it("FastResponse holds text, bytes and nothing as they are, with each status that can have them", () => {
    const bytes = new Uint8Array(3);
    for (const body of ["", "text", bytes, null]) {
      for (const status of [200, 404, 599]) expect(heldResponse(new FastResponse(body, { status }))?.body).toBe(body);
    }
    expect(heldResponse(new FastResponse(null, { status: 204 }))?.body).toBeNull();
    expect(heldResponse(new FastResponse("text", { statusText: "Words" }))?.statusText).toBe("Words");
    for (const body of [new Blob(["a"]), new ArrayBuffer(3), new Uint16Array(3), new DataView(new ArrayBuffer(3))]) {
      expect(heldResponse(new FastResponse(body))).toBeNull();
    }
  });

  it.each([
    [200, true],
    [299, true],
    [300, false],
    [404, false],
  ])("FastResponse with status %i says whether that is ok", (status, isOk) => {
    expect(new FastResponse(null, { status }).ok).toBe(isOk);
  });

  it("FastResponse keeps the headers of what it can't hold, whatever is built of it", () => {
    const response = new FastResponse(new Blob(["a"]).stream(), { headers: { "x-a": "1" } });
    expect(response.clone().headers.get("x-a")).toBe("1");
    expect(response.headers.get("x-a")).toBe("1");
  });

  it("FastResponse refuses to read bytes whose buffer was transferred meanwhile", async () => {
    const bytes = new Uint8Array(3);
    const response = new FastResponse(bytes);
    transferred(bytes);
    await expect(response.text()).rejects.toThrow("Cannot send the response body: expected bytes that are there");
  });

  it("FastResponse makes no Headers of what is only sent", async () => {
    new FastResponse();
    let count = 0;
    const construct = (target: typeof Headers, args: unknown[]): object => {
      count++;
      return Reflect.construct(target, args);
    };
    vi.stubGlobal("Headers", new Proxy(Headers, { construct }));
    try {
      const made = [new FastResponse("text", { headers: { "x-a": "1" } }), FastResponse.json({ a: 1 })];
      for (const response of made) await sent(response);
      expect(count).toBe(0);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("FastResponse takes a null init, and makes text of statusText, as a native Response does", async ({ skip }) => {
    skip(isBun, OF_BUN);
    expect(await sent(new FastResponse("a", null as never))).toBe(await sent(new Response("a", null as never)));
    const init = { statusText: 7, status: "201" } as never;
    expect(await sent(new FastResponse("a", init))).toBe(await sent(new Response("a", init)));
    expect(new FastResponse("a", init).statusText).toBe("7");
  });

  it.for(["status", "statusText", "headers", "ok", "body", "bodyUsed", "type", "url"] as const)(
    "FastResponse does not let a program set its %s, as a native Response does not",
    (name) => {
      const response = new FastResponse("text");
      expect(() => Object.assign(response, { [name]: 1 })).toThrow(TypeError);
      expect(Object.keys(response)).toEqual([]);
    },
  );

  it("FastResponse has members that throw TypeError when they are used on what is no FastResponse", async () => {
    const { prototype } = FastResponse;
    for (const other of [prototype, new Proxy(new FastResponse("a"), {}), new Response("a")]) {
      for (const name of ["status", "headers", "body", "type"]) {
        expect(() => Reflect.get(prototype, name, other), name).toThrow(TypeError);
      }
      expect(() => prototype.clone.call(other)).toThrow(TypeError);
      await expect((async () => prototype.text.call(other))()).rejects.toThrow(TypeError);
    }
  });

  it("FastResponse is named as the class that it stands for", () => {
    expect(FastResponse.name).toBe("Response");
    expect(new FastResponse("text").constructor.name).toBe("Response");
  });

  it("FastResponse lists the headers as Headers does, whatever object they come from", () => {
    const inits: HeadersInit[] = [
      { "X-B": "2", "x-a": "1", "Content-Type": "text/html" },
      { "X-A": "1", "x-a": "2" },
      { "x-a": " padded ", "x-b": "" },
      { "x-a": 1, "x-b": null } as never,
      new Headers({ "x-a": "1" }),
      [
        ["x-b", "1"],
        ["X-A", "2"],
      ],
      Object.assign(Object.create({ "x-inherited": "1" }), { "x-a": "1" }),
      new Map([["x-a", "1"]]) as never,
    ];
    for (const headers of inits) {
      const expected = [...new Headers(headers)];
      const { headers: asked } = new FastResponse(null, { headers });
      expect([...asked]).toEqual(expected);
    }
    for (const headers of inits) expect(heldResponse(new FastResponse("text", { headers })), "held").not.toBeNull();
    const changed = { "x-a": "1" };
    const response = new FastResponse(null, { headers: changed });
    changed["x-a"] = "2";
    expect(response.headers.get("x-a")).toBe("1");
  });
});

const usual = { FastResponse, heldResponse, cgiFromResponse };

/** The library as a program has it that has not used it yet. */
async function unused(): Promise<typeof usual> {
  vi.resetModules();
  return {
    FastResponse: (await import("../../../src/index.ts")).FastResponse,
    heldResponse: (await import("../../../src/http/serve/fast_response.ts")).heldResponse,
    cgiFromResponse: (await import("../../../src/http/serve/response_to_cgi.ts")).cgiFromResponse,
  };
}

describe("FastResponse and the class behind it", () => {
  const native = globalThis.Response;
  afterEach(() => void vi.unstubAllGlobals());

  it("FastResponse works after the first one could not be made", async () => {
    const { FastResponse } = await unused();
    let failures = 1;
    class Failing extends native {
      constructor(...args: ConstructorParameters<typeof Response>) {
        if (failures-- > 0) throw new Error("not yet");
        super(...args);
      }
    }
    vi.stubGlobal("Response", Failing);
    expect(() => new FastResponse("text")).toThrow("not yet");
    expect(await new FastResponse("text").clone().text()).toBe("text");
  });

  it("FastResponse has the runtime's class behind it again when another was the global one for a while", async () => {
    const { FastResponse } = await unused();
    class Other {
      readonly isOther = true;
    }
    vi.stubGlobal("Response", Other);
    expect(new FastResponse("text")).toBeInstanceOf(Other);
    vi.unstubAllGlobals();
    const response = new FastResponse("text");
    expect(response).toBeInstanceOf(native);
    expect(response).not.toBeInstanceOf(Other);
    expect(Object.getPrototypeOf(response.clone())).toBe(native.prototype);
  });

  it.for<[what: string, replacement: () => unknown]>([
    ["a class that extends the runtime's", () => class extends native {}],
    ["a Proxy of the runtime's", () => new Proxy(native, {})],
    ["FastResponse", () => FastResponse],
    ["a Proxy of FastResponse", () => new Proxy(FastResponse, {})],
    ["a class that extends FastResponse", () => class extends FastResponse {}],
    ["no class", () => () => {}],
    ["a function without instances", () => Object.assign(function Hollow() {}, { prototype: null })],
    ["an object with a prototype", () => ({ prototype: {} })],
    ["nothing", () => undefined],
  ])("FastResponse keeps the runtime's class behind it while this is the global one: %s", ([, replacement]) => {
    new FastResponse();
    vi.stubGlobal("Response", replacement());
    const response = new FastResponse(new Blob(["a"]).stream()).clone();
    expect(Object.getPrototypeOf(response)).toBe(native.prototype);
  });
});

describe.each<[when: string, library: () => Promise<typeof usual>]>([
  ["after the first FastResponse", async () => usual],
  ["before the first FastResponse", unused],
])("FastResponse as the global class, set %s", (_, library) => {
  new FastResponse();
  const native = globalThis.Response;

  /** Runs `work` in a program that has replaced the global class. */
  async function replaced<Result>(work: (library: typeof usual) => Promise<Result>): Promise<Result> {
    const used = await library();
    globalThis.Response = used.FastResponse;
    try {
      return await work(used);
    } finally {
      globalThis.Response = native;
    }
  }

  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    c.res.headers.append("x-after", c.req.path);
  });
  app.get("/text", (c) => c.text("héllo"));
  app.get("/json", (c) => c.json({ a: [1, 2] }, 201));
  app.get("/html", (c) => c.html("<p>"));
  app.get("/redirect", (c) => c.redirect("/else"));
  app.get("/stream", (c) => c.body(new Blob(["streamed"]).stream()));
  app.get("/static-json", () => Response.json({ b: 1 }, { headers: { "x-a": "1" } }));
  app.get("/static-redirect", () => Response.redirect("http://a.test/"));
  app.get("/fetched", () => fetch("data:text/plain,fetched"));
  app.get("/again", (c) => {
    const first = c.text("first");
    return new Response(first.body, first);
  });
  app.get("/error", () => {
    throw new Error("as planned");
  });
  app.onError((_, c) => c.text("failed", 500));

  const paths = ["/text", "/json", "/html", "/redirect", "/stream", "/static-json", "/static-redirect"];
  it.for([...paths, "/fetched", "/again", "/error", "/missing"])(
    "FastResponse sends what a Hono app answers with the native class: %s",
    async (path, { skip }) => {
      skip(isBun, OF_BUN);
      skip(path === "/static-redirect" && library === unused, "the app can change the header of this redirect");
      const answer = async (used: typeof usual) => sent(await app.request(path), "GET", used.cgiFromResponse);
      const expected = (await answer(usual)).split("\r\n").toSorted();
      expect((await replaced(answer)).split("\r\n").toSorted()).toEqual(expected);
    },
  );

  it.for(["/text", "/json", "/html", "/static-json"])("FastResponse holds the body that a Hono app gives: %s", (path) =>
    replaced(async ({ heldResponse }) => {
      const app = new Hono();
      app.get("/text", (c) => c.text("text"));
      app.get("/json", (c) => c.json({ a: 1 }));
      app.get("/html", (c) => c.html("<p>"));
      app.get("/static-json", () => Response.json({ b: 1 }));
      expect(heldResponse(await app.request(path))).not.toBeNull();
    }),
  );

  it("FastResponse has native Responses, and those of fetch(), for instances, and lets a class extend it", () =>
    replaced(async () => {
      class Page extends Response {}
      expect(await fetch("data:,")).toBeInstanceOf(Response);
      expect(native.json({})).toBeInstanceOf(Response);
      expect(new Page("text")).toBeInstanceOf(Page);
      expect(new Page("text")).toBeInstanceOf(Response);
      expect(new Response("text")).not.toBeInstanceOf(Page);
      expect({}).not.toBeInstanceOf(Response);
      expect(await new Page("text").text()).toBe("text");
    }));

  /** What a program can see of a Response. */
  async function seen(make: () => Response | Promise<Response>): Promise<unknown> {
    try {
      const response = await make();
      const { status, statusText, ok, type, redirected } = response;
      // Each form has a boundary of its own.
      const boundary = /boundary=(.*)/.exec(response.headers.get("content-type") ?? "")?.[1] ?? "no boundary";
      const headers = [...response.headers].map(([name, value]) => [name, value.replace(boundary, "")]);
      const body = response.body === null ? null : typeof response.body.getReader;
      const copy = response.bodyUsed ? null : await response.clone().text();
      const text = response.bodyUsed ? null : (await response.text()).replaceAll(boundary, "");
      const kind = Object.prototype.toString.call(response);
      return {
        status,
        statusText,
        ok,
        type,
        redirected,
        headers,
        body,
        text,
        copy: copy?.length,
        bodyUsed: response.bodyUsed,
        kind,
      };
    } catch (error) {
      return (error as Error).constructor.name;
    }
  }

  const form = new FormData();
  form.set("a", "b");
  it.for<[what: string, make: () => Response | Promise<Response>]>([
    ["a stream", () => new Response(new Blob(["streamed"]).stream(), { status: 201, headers: { "x-a": "1" } })],
    ["a Blob", () => new Response(new Blob(["blob"], { type: "text/x" }))],
    ["a form", () => new Response(form)],
    [
      "URLSearchParams with a type",
      () => new Response(new URLSearchParams("a=b"), { headers: { "content-type": "b/c" } }),
    ],
    ["a reason phrase", () => new Response(new ArrayBuffer(3), { statusText: "Fine" })],
    ["a clone", () => new Response("text", { status: 404 }).clone()],
    ["a redirect", () => Response.redirect("http://a.test/b c", 307)],
    ["a redirect with another status", () => Response.redirect("http://a.test/", 200)],
    ["a redirect to nowhere", () => Response.redirect("http://[")],
    ["an error", () => Response.error()],
    ["a body where there is none", () => new Response("text", { status: 204 })],
    ["a status that is none", () => new Response(null, { status: 199 })],
    ["text for the init", () => new Response("x", "y" as never)],
    ["a number for the init", () => new Response("x", 5 as never)],
    ["a function for the init", () => new Response("x", (() => {}) as never)],
    ["a status that is no integer", () => new Response("x", { status: 200.7 })],
    ["a status of more than 16 bits", () => new Response("x", { status: 65_736 })],
    ["a status that is no number", () => new Response("x", { status: Number.NaN })],
    ["a redirect whose status is text", () => Response.redirect("http://a.test/", "303" as never)],
    ["a redirect to nowhere with another status", () => Response.redirect("http://[", 200)],
    ["a reason phrase that is none", () => new Response(null, { statusText: "a\nb" })],
    ["data that is not JSON", () => Response.json(undefined)],
    [
      "a body that was read",
      async () => {
        const response = new Response(new Blob(["a"]).stream());
        await response.arrayBuffer();
        return response;
      },
    ],
  ])("FastResponse behaves as the native class: %s", async ([, make], { skip }) => {
    skip(isBun, OF_BUN);
    const expected = await seen(make);
    expect(await replaced(() => seen(make))).toEqual(expected);
  });

  it("FastResponse reads its body as bytes, a Blob with the present type, JSON or a form", () =>
    replaced(async () => {
      expect([...(await new Response("ab").bytes())]).toEqual([97, 98]);
      const typed = new Response(new Blob(["a"]).stream(), { headers: { "content-type": "a/b" } });
      typed.headers.set("content-type", "c/d");
      expect((await typed.blob()).type).toBe("c/d");
      // On Bun the type of a body stays that of the Blob.
      const untyped = new Response(new Blob(["a"], { type: "a/b" }));
      untyped.headers.delete("content-type");
      if (!isBun) expect((await untyped.blob()).type).toBe("");
      expect(await new Response('{"a":1}').json()).toEqual({ a: 1 });
      expect((await new Response(form).formData()).get("a")).toBe("b");
    }));
});
