import { expect, it } from "vitest";
import { cgiToResponse, paramsToRequest, requestToParams } from "../../../src/toolkit.ts";
import { OpenStream } from "../../support/open_stream.ts";
import { turns } from "../../support/unhandled_rejections.ts";

function opened(...pieces: string[]): OpenStream {
  const stream = new OpenStream();
  for (const piece of pieces) stream.write(piece);
  return stream;
}

it("requestToParams makes the variables that php-fpm goes by", () => {
  const request = new Request("https://a.test/x/index.php?y=1", { headers: { accept: "text/html", proxy: "evil" } });
  const params = requestToParams(request, {
    script: { filename: "/srv/x/index.php", name: "/x/index.php" },
    remoteAddress: "192.0.2.7",
    phpValues: { memory_limit: "64M" },
    params: { APP_ENV: "test" },
  });
  expect(Object.fromEntries(params)).toMatchObject({
    REQUEST_METHOD: "GET",
    REQUEST_URI: "/x/index.php?y=1",
    SCRIPT_FILENAME: "/srv/x/index.php",
    SCRIPT_NAME: "/x/index.php",
    HTTPS: "on",
    HTTP_ACCEPT: "text/html",
    REMOTE_ADDR: "192.0.2.7",
    CONTENT_LENGTH: "",
    PHP_VALUE: "memory_limit='64M'",
    APP_ENV: "test",
  });
  expect(params.has("HTTP_PROXY")).toBe(false);
});

it("requestToParams sends the given length of a body, and none when it is unknown", () => {
  const request = (headers: HeadersInit = {}): Request =>
    new Request("http://a.test/", { method: "POST", body: "body", headers });
  const lengthOf = (...given: Parameters<typeof requestToParams>): string | undefined =>
    requestToParams(...given).get("CONTENT_LENGTH");
  expect(lengthOf(request())).toBeUndefined();
  expect(lengthOf(request({ "content-length": "4" }))).toBe("4");
  expect(lengthOf(request({ "content-length": "4" }), { contentLength: 5 })).toBe("5");
  expect(lengthOf(request(), { contentLength: null })).toBe("");
  expect(lengthOf(request(), { contentLength: 0 })).toBe("0");
  expect(lengthOf(request(), { params: { CONTENT_LENGTH: "77" } })).toBeUndefined();
  // Of another class.
  const bodiless = { url: "http://a.test/", method: "POST", headers: new Headers({ "content-length": "4" }) };
  expect(lengthOf(bodiless as Request)).toBe("");
});

it("requestToParams makes of a Request what paramsToRequest makes a Request of", async () => {
  const request = new Request("http://a.test/a%20b?x=%31", { method: "PUT", body: "body", headers: { "x-a": "b" } });
  const back = paramsToRequest(requestToParams(request, { contentLength: 4 }), { stdin: request.body });
  expect([back.method, back.url, back.headers.get("x-a"), await back.text()]).toEqual([
    "PUT",
    "http://a.test/a%20b?x=%31",
    "b",
    "body",
  ]);
});

it("requestToParams refuses what is no Request, and what is no option", () => {
  const request = new Request("http://a.test/");
  expect(() => requestToParams("http://a.test/" as never)).toThrow(
    'Cannot make variables: expected request to be a Request, got "http://a.test/"',
  );
  for (const [script, shown] of [
    ["/x.php", '"/x.php"'],
    [() => ({ filename: "/x.php" }), "function"],
  ] as [never, string][]) {
    const message = `Cannot use script: expected an object with a filename, got ${shown}`;
    expect(() => requestToParams(request, { script })).toThrow(message);
  }
  expect(() => requestToParams(request, { contentLength: -1 })).toThrow(RangeError);
  expect(() => requestToParams(request, { contentLength: "4" as never })).toThrow(
    "Cannot make variables: expected contentLength to be an integer",
  );
  expect(() => requestToParams(request, { params: { SERVER_PORT: 80 as never } })).toThrow("SERVER_PORT");
  expect(() => requestToParams(new Request("http://a.test/..%2f..%2fetc"))).toThrow("leads upwards");
});

const CGI = "Status: 404 Not here\r\nContent-Type: text/plain\r\nX-A: b\r\n\r\nbody";

it("cgiToResponse makes a Response of what a CGI program writes, in whatever form it comes", async () => {
  async function* iterable(): AsyncGenerator<Uint8Array> {
    for (const byte of new TextEncoder().encode(CGI)) yield Uint8Array.of(byte);
  }
  for (const stdout of [CGI, new TextEncoder().encode(CGI), new Blob([CGI]), new Blob([CGI]).stream(), iterable()]) {
    const { response, localRedirect, asksForFile } = await cgiToResponse(stdout);
    expect([response.status, response.statusText, response.headers.get("x-a")]).toEqual([404, "Not here", "b"]);
    expect([await response.text(), localRedirect, asksForFile]).toEqual(["body", null, false]);
  }
});

it("cgiToResponse resolves when the header block is there, and reads a body no faster than its reader", async () => {
  const stdout = opened("Content-Type: text/plain\r\n\r\n");
  const { response } = await cgiToResponse(stdout.stream);
  const text = response.text();
  stdout.write("late");
  stdout.close();
  expect(await text).toBe("late");
  let pulls = 0;
  const endless = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        controller.enqueue(pulls++ === 0 ? new TextEncoder().encode("\n") : new Uint8Array(64 * 1024));
      },
    },
    { highWaterMark: 0 },
  );
  const unread = await cgiToResponse(endless);
  await turns(50);
  expect(pulls).toBeLessThan(10);
  await unread.response.body!.cancel();
  expect(pulls).toBeLessThan(10);
});

it("cgiToResponse reports what the program asks its web server to do", async () => {
  expect((await cgiToResponse("Location: /there?x=1\n\n")).localRedirect).toBe("/there?x=1");
  const { response, asksForFile } = await cgiToResponse("Content-Type: a/b\nX-Sendfile: /srv/file\n\n");
  expect([asksForFile, response.headers.get("x-sendfile")]).toEqual([true, "/srv/file"]);
  const { variables } = await cgiToResponse("Status: 200 OK\nVariable-USER: alice\n\n");
  expect([...variables]).toEqual([["USER", "alice"]]);
});

it("cgiToResponse has no body for HEAD, and cancels one that is longer than maxDrainBytes", async () => {
  const stdout = opened("Content-Type: a/b\n\n", "12345");
  const { response } = await cgiToResponse(stdout.stream, { method: "HEAD", maxDrainBytes: 4 });
  expect(response.body).toBeNull();
  expect(await stdout.cancellation).toMatchObject({ code: "limit", limit: "maxDrainBytes" });
});

it("cgiToResponse fails where the output is no response, too long or too short, and cancels the rest", async () => {
  await expect(cgiToResponse("")).rejects.toMatchObject({ code: "malformedResponse" });
  const endless = opened("X-A: ", "b".repeat(100));
  const tooLong = cgiToResponse(endless.stream, { maxResponseHeaderBytes: 64 });
  await expect(tooLong).rejects.toMatchObject({ code: "limit", limit: "maxResponseHeaderBytes" });
  expect(await endless.cancellation).toMatchObject({ code: "limit" });
  const { response } = await cgiToResponse("Content-Length: 5\n\nfour");
  await expect(response.text()).rejects.toMatchObject({ code: "lengthMismatch" });
});

it("cgiToResponse fails with what the program's output fails with, before the header and behind it", async () => {
  const error = new Error("killed");
  const before = opened("X-A: ");
  const result = cgiToResponse(before.stream);
  before.fail(error);
  await expect(result).rejects.toBe(error);
  const behind = opened("X-A: b\n\nbo");
  const { response } = await cgiToResponse(behind.stream);
  behind.fail(error);
  await expect(response.text()).rejects.toBe(error);
});

it("cgiToResponse refuses what it can't read, and what is no option", async () => {
  await expect(cgiToResponse(1 as never)).rejects.toThrow("Cannot send stdout: expected text, bytes, a Blob");
  await expect(cgiToResponse(CGI, { method: null as never })).rejects.toThrow(
    new TypeError("Cannot read the response: expected method to be a string, got null"),
  );
  await expect(cgiToResponse(CGI, { maxDrainBytes: -1 })).rejects.toThrow("Cannot use maxDrainBytes");
  const text = new ReadableStream({ start: (controller) => controller.enqueue("text") });
  await expect(cgiToResponse(text as never)).rejects.toThrow(
    "Cannot send stdout: expected chunks that are Uint8Arrays",
  );
});
