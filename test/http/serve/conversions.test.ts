import { expect, it } from "vitest";
import {
  cgiToResponse,
  FastCgiError,
  type NameValuePair,
  paramsToRequest,
  Role,
  responseToCgi,
} from "../../../src/toolkit.ts";
import { OpenStream } from "../../support/open_stream.ts";

const GET: readonly NameValuePair[] = [
  ["REQUEST_METHOD", "GET"],
  ["REQUEST_URI", "/a%20b?x=1"],
  ["HTTP_HOST", "a.test"],
  ["HTTP_ACCEPT", "text/html"],
];
const post = (length: string): NameValuePair[] => [...GET, ["REQUEST_METHOD", "POST"], ["CONTENT_LENGTH", length]];

function opened(...pieces: string[]): OpenStream {
  const stream = new OpenStream();
  for (const piece of pieces) stream.write(piece);
  return stream;
}

it("paramsToRequest makes the Request that the web server was asked for", () => {
  const request = paramsToRequest(GET);
  expect(request).toBeInstanceOf(Request);
  expect([request.method, request.url, request.body]).toEqual(["GET", "http://a.test/a%20b?x=1", null]);
  expect(request.headers.get("accept")).toBe("text/html");
  expect(request.signal.aborted).toBe(false);
});

it("paramsToRequest reads a Map, and of repeated pairs what a server reads", () => {
  expect(paramsToRequest(new Map(GET)).url).toBe("http://a.test/a%20b?x=1");
  const repeated = [...GET, ["HTTP_COOKIE", "a=1"], ["HTTP_COOKIE", "b=2"], ["REQUEST_URI", "/later"]] as const;
  const request = paramsToRequest(repeated.map(([name, value]) => [name, value]));
  expect([request.headers.get("cookie"), new URL(request.url).pathname]).toEqual(["a=1; b=2", "/later"]);
});

it("paramsToRequest gives the body in whatever form stdin has", async () => {
  for (const stdin of ["body", new TextEncoder().encode("body"), new Blob(["body"]), new Blob(["body"]).stream()]) {
    expect(await paramsToRequest(post("4"), { stdin }).text()).toBe("body");
  }
  expect(await paramsToRequest(post(""), { stdin: "of unknown length" }).text()).toBe("of unknown length");
  for (const options of [undefined, {}, { stdin: undefined }, { stdin: null, signal: null }]) {
    expect(paramsToRequest(post("4"), options).body).toBeNull();
  }
  expect(paramsToRequest(GET, { stdin: "not used" }).body).toBeNull();
});

it("paramsToRequest takes a FastCgiRequest as it is", async () => {
  const { stream } = opened("body");
  const fastCgiRequest = { paramPairs: post("4"), stdin: stream, signal: AbortSignal.abort(new Error("gone")) };
  const request = paramsToRequest(fastCgiRequest.paramPairs, fastCgiRequest);
  expect(request.signal.reason).toMatchObject({ message: "gone" });
});

it("paramsToRequest fails a body that is not as long as CONTENT_LENGTH says", async () => {
  for (const [body, got] of [
    ["short", "5"],
    ["much too long", "13"],
  ] as const) {
    const message = expect.stringMatching(`^Cannot send stdin: expected 8 bytes, got (at least )?${got}$`);
    const error = { code: "lengthMismatch", message };
    expect(() => paramsToRequest(post("8"), { stdin: body })).toThrow(expect.objectContaining(error));
    const request = paramsToRequest(post("8"), { stdin: new Blob([body]).stream() });
    await expect(request.text()).rejects.toMatchObject(error);
  }
});

it("paramsToRequest refuses what is no HTTP request, and what it can't read", () => {
  const refusal = (call: () => unknown): unknown => {
    try {
      return call();
    } catch (error) {
      return error instanceof FastCgiError ? error.code : String(error);
    }
  };
  expect([
    refusal(() => paramsToRequest([["REQUEST_URI", "/"]])),
    refusal(() => paramsToRequest([...GET, ["REQUEST_METHOD", "trace"]])),
    refusal(() => paramsToRequest({ REQUEST_METHOD: "GET" } as never)),
    refusal(() => paramsToRequest([null] as never)),
    refusal(() => paramsToRequest([["SERVER_PORT", 80]] as never)),
    refusal(() => paramsToRequest(GET, { signal: {} as never })),
    refusal(() => paramsToRequest(post("1"), { stdin: 1 as never })),
  ]).toEqual([
    "malformedRequest",
    'TypeError: Cannot make a Request: Fetch has none with the method "trace"',
    "TypeError: Cannot make a Request: expected params to be pairs [name, value] or a Map, got Object",
    "TypeError: Cannot make a Request: expected params to be pairs [name, value] or a Map, got something else in it",
    expect.stringMatching(/^TypeError: .*SERVER_PORT/),
    "TypeError: Cannot make a Request: expected signal to be an AbortSignal, got Object",
    expect.stringMatching(/^TypeError: Cannot send stdin: .* got number/),
  ]);
});

it("responseToCgi writes the header block and what is there of the body in one piece", async () => {
  const reader = (await responseToCgi(new Response("Hello", { status: 201 }))).getReader();
  const { value } = await reader.read();
  expect(new TextDecoder().decode(value)).toMatch(
    /^Status: 201 Created\r\n(?=[\s\S]*content-length: 5\r\n)[\s\S]*\r\n\r\nHello$/,
  );
  expect(await reader.read()).toMatchObject({ done: true });
});

it("responseToCgi knows HEAD and the names of an Authorizer's variables", async () => {
  const head = await new Response(await responseToCgi(new Response("Hello"), { method: "HEAD" })).text();
  expect(head).toMatch(/\r\n\r\n$/);
  const allowed = new Response(null, { headers: { "variable-user": "alice" } });
  expect(await new Response(await responseToCgi(allowed, { role: Role.Authorizer })).text()).toContain(
    "Variable-USER: alice\r\n",
  );
});

it("responseToCgi streams a body that is not all there, and cancels it with its reader", async () => {
  const body = opened("first");
  const stream = await responseToCgi(new Response(body.stream));
  const reader = stream.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toMatch(/^Status: 200 OK\r\n[\s\S]*first$/);
  await reader.cancel(new Error("enough"));
  expect(await body.cancellation).toMatchObject({ message: "enough" });
});

it("responseToCgi fails a body that is not as long as its Content-Length says", async () => {
  const body = new Blob(["four"]).stream();
  const response = new Response(body, { headers: { "content-length": "5" } });
  const result = responseToCgi(response).then((stream) => new Response(stream).text());
  await expect(result).rejects.toMatchObject({ code: "lengthMismatch" });
});

it("responseToCgi refuses what is no response to send", async () => {
  for (const [response, options, message] of [
    ["Hello", {}, 'expected response to be a Response, got "Hello"'],
    [Response.error(), {}, "its status is 0"],
    [new Response(), { method: 1 }, "expected method to be a string, got 1"],
    [new Response(), { role: 9 }, "expected role to be one of Role, got 9"],
  ] as unknown as [...Parameters<typeof responseToCgi>, string][]) {
    const error = new TypeError(`Cannot send the response: ${message}`);
    await expect(responseToCgi(response, options)).rejects.toThrow(error);
  }
});

it("cgiToResponse reads what responseToCgi writes", async () => {
  for (const body of ["", "Hello", new Blob(["x".repeat(200_000)])]) {
    const sent = new Response(body, { status: 203, headers: { "x-a": "b", "set-cookie": "c=d" } });
    const { response } = await cgiToResponse(await responseToCgi(sent));
    expect([response.status, response.headers.get("x-a"), response.headers.getSetCookie()]).toEqual([
      203,
      "b",
      ["c=d"],
    ]);
    expect(await response.text()).toBe(typeof body === "string" ? body : await body.text());
  }
});
