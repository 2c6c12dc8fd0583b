import { Readable } from "node:stream";
import { deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asDecoded } from "../../../src/http/shared/fetched_response.ts";
import { type SentResponse, unreadBodyOf } from "../../../src/http/shared/sendable_response.ts";
import { joined } from "../../support/bytes.ts";
import { ENCODERS, encodedUpstream, PLAIN, zstdFrame } from "../../support/encoded_upstream.ts";
import { OpenStream } from "../../support/open_stream.ts";
import { collected, streamOf } from "../../support/streams.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

let upstream: Awaited<ReturnType<typeof encodedUpstream>>;
beforeAll(async () => {
  upstream = await encodedUpstream();
});
afterAll(() => upstream.stop());

const encodingOf = ({ headers }: SentResponse): (string | null)[] => [
  headers.get("content-encoding"),
  headers.get("content-length"),
];

async function bytesOf({ body }: SentResponse): Promise<Buffer> {
  return Buffer.from(joined(...(await collected(body as ReadableStream<Uint8Array>))));
}

/** As `fetch` returns it, on a runtime that has decoded `body` or not. */
function fetched(body: BodyInit | null, encoding: string | null, init: ResponseInit = {}): Response {
  const headers = new Headers({ "content-length": "10", "x-other": "kept" });
  if (encoding !== null) headers.set("content-encoding", encoding);
  return Object.defineProperty(new Response(body, { ...init, headers }), "url", { value: "http://a.test/" });
}

describe("a Response of fetch()", () => {
  it.each(Object.keys(ENCODERS))("is sent with fields that describe its body: %s", async (coding) => {
    for (const search of ["", "?chunked"]) {
      const sent = await asDecoded(await fetch(upstream.url(encodeURIComponent(coding) + search)));
      const [encoding, length] = encodingOf(sent);
      const body = await bytesOf(sent);
      const encoded = Buffer.from(ENCODERS[coding]!(PLAIN));
      if (encoding === null) expect([body.toString(), length]).toEqual([PLAIN, null]);
      else expect([body, length]).toEqual([encoded, search === "" ? String(encoded.length) : null]);
    }
  });

  it.each(["gzip", "br"])("is decoded on every runtime: %s", async (coding) => {
    expect(encodingOf(await asDecoded(await fetch(upstream.url(coding))))).toEqual([null, null]);
  });

  it("to HEAD has no fields that a GET would not have", async () => {
    expect(encodingOf(await asDecoded(await fetch(upstream.url("gzip"), { method: "HEAD" })))).toEqual([null, null]);
  });

  it.each([
    ["gzip", gzipSync("text")],
    ["X-GZIP", gzipSync("text")],
    ["identity,, gzip", gzipSync("text")],
    ["br, gzip", gzipSync("text")],
    ["deflate", deflateSync("text")],
    ["zstd", zstdFrame(PLAIN)],
  ])("keeps the fields of a body that is still encoded: %s", async (encoding, bytes) => {
    for (const pieces of [[bytes], [...bytes].map((byte) => Uint8Array.of(byte))]) {
      const sent = await asDecoded(fetched(streamOf<Uint8Array>(...pieces), encoding));
      expect(encodingOf(sent)).toEqual([encoding, "10"]);
      expect(await bytesOf(sent)).toEqual(Buffer.from(bytes));
    }
  });

  it.each([
    ["gzip", "text"],
    ["gzip", ""],
    ["gzip", "\x1f"],
    ["gzip", "\x1ftext"],
    ["gzip", "text".replace("e", "\x8b")],
    ["deflate", "text"],
    ["deflate", ""],
    ["deflate", "x"],
    ["deflate", "xylophone"],
    ["deflate", "\x1f\x1d"],
    ["zstd", "(text"],
    ["zstd", "(\xb5"],
    ["zstd", "(\xb5/-text"],
    ["zstd", "(\xb5-\xfdtext"],
    ["zstd", "(-/\xfdtext"],
    ["zstd", "-\xb5/\xfdtext"],
    ["gzip, br", "text"],
    ["X-GZIP", "text"],
    ["identity,, gzip", "text"],
  ])("loses the fields of a body that was decoded: %s, %j", async (encoding, text) => {
    const given = fetched(Buffer.from(text, "latin1"), encoding, { status: 201, statusText: "Made" });
    const sent = await asDecoded(given);
    expect(unreadBodyOf(sent)).toBe(sent.body);
    expect([sent.status, sent.statusText, sent.headers.get("x-other")]).toEqual([201, "Made", "kept"]);
    expect(encodingOf(sent)).toEqual([null, null]);
    expect((await bytesOf(sent)).toString("latin1")).toBe(text);
    // The program may look at what it has returned.
    expect(encodingOf(given)).toEqual([encoding, "10"]);
  });

  it.each(["compress", "gzip, compress", "compress, gzip", "", "identity", null])(
    "is sent as it is with the coding %j",
    (encoding) => {
      const given = fetched("text", encoding);
      expect(asDecoded(given)).toBe(given);
    },
  );

  it("without a body loses the fields as well", async () => {
    expect(encodingOf(await asDecoded(fetched(null, "gzip", { status: 304 })))).toEqual([null, null]);
  });

  it("of another class, with a stream of Node, is one too", async () => {
    const body = Readable.from([Buffer.from("te"), Buffer.from("xt and more")]);
    const headers = new Headers({ "content-encoding": "gzip" });
    const given = { url: "http://a.test/", status: 200, statusText: "", headers, body, bodyUsed: false };
    const sent = await asDecoded(given as unknown as Response);
    expect(encodingOf(sent)).toEqual([null, null]);
    expect(String(await bytesOf(sent))).toBe("text and more");
  });

  it("is refused where it can't be sent", async () => {
    const read = fetched("text", "gzip");
    await read.text();
    await expect(asDecoded(read)).rejects.toThrow("Cannot send the response: its body was read already");
    const odd = Object.defineProperty(fetched("text", "gzip"), "status", { value: 0 });
    await expect(asDecoded(odd)).rejects.toThrow("Cannot send the response: its status is 0");
    expect(odd.body!.locked).toBe(false);
  });

  it("whose body fails rejects, and one that gives no bytes is given up", async () => {
    const failing = new OpenStream();
    const failed = asDecoded(fetched(failing.stream, "gzip"));
    failing.fail(new Error("The upstream has left"));
    await expect(failed).rejects.toThrow("The upstream has left");
    const wrong = new OpenStream();
    const refused = asDecoded(fetched(wrong.stream, "gzip"));
    wrong.write(Buffer.from("te"));
    (wrong as { write(piece: unknown): void }).write({});
    const message = "Cannot send the response body: expected chunks that are Uint8Arrays, got Object";
    await expect(refused).rejects.toThrow(message);
    expect(await wrong.cancellation).toEqual(new TypeError(message));
  });

  it("whose body has not begun is given up when its client leaves", async () => {
    const open = new OpenStream();
    const leaving = new AbortController();
    const sent = asDecoded(fetched(open.stream, "gzip"), leaving);
    await open.pulled();
    leaving.abort("left");
    expect(await open.cancellation).toBe("left");
    await sent;
  });

  it("is not given up any more once its body has begun", async () => {
    const open = new OpenStream();
    const leaving = new AbortController();
    const sent = asDecoded(fetched(open.stream, "gzip"), leaving);
    open.write("text");
    const { body } = await sent;
    leaving.abort();
    open.write(" and more");
    open.close();
    expect(String(await bytesOf({ body } as SentResponse))).toBe("text and more");
    expect(open.cancelled).toBeUndefined();
  });
});

it("A Response that a program made is sent as it is", () => {
  const given = new Response("text", { headers: { "content-encoding": "gzip" } });
  expect(asDecoded(given)).toBe(given);
});
