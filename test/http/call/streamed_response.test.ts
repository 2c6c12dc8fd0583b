// A Response whose body is still to come behaves as a native Response of a stream does, though it reads below the stream.

import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { IncomingResponse } from "../../../src/codec/incoming_response.ts";
import { RESPONSE_DECODER_DEFAULTS } from "../../../src/codec/response_decoder_options.ts";
import { responseFromCgi } from "../../../src/http/call/cgi_to_response.ts";
import { FastCgiError, FastResponse, ProtocolStatus, streamedResponse } from "../../../src/toolkit.ts";
import { latin1 } from "../../support/bytes.ts";
import { responseUses, resultsOf } from "../../support/response_uses.ts";
import { isBun } from "../../support/runtime.ts";
import { isSettled } from "../../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

afterEach(() => void vi.unstubAllGlobals());

const options = { method: "GET", maxResponseHeaderBytes: 65_536, maxDrainBytes: 1000, streamedResponse };
const complete = { appStatus: 0, protocolStatus: ProtocolStatus.RequestComplete };
const BROKEN = new FastCgiError("connectionClosed", "Broken");

interface Fed {
  readonly incoming: IncomingResponse;
  /** Why it was abandoned. */
  readonly abandoned: unknown[];
  /** What else its connection was told. */
  readonly told: string[];
  readonly response: Response;
}

/** A Response of which the header has come. */
async function fed(header: string): Promise<Fed> {
  const abandoned: unknown[] = [];
  const told: string[] = [];
  const incoming = new IncomingResponse(7, RESPONSE_DECODER_DEFAULTS, {
    onAbandoned: (reason) => abandoned.push(reason),
    onDetached: () => told.push("detached"),
    onDistrusted: () => told.push("distrusted"),
  });
  incoming.pushStdout(latin1(`${header}\r\n`));
  const { response } = await responseFromCgi(incoming, options);
  return { incoming, abandoned, told, response };
}

/** Ways to read a body as one value. */
const WHOLE: readonly (readonly [name: string, read: (response: Response) => Promise<unknown>])[] = [
  ["text", (response) => response.text()],
  ["json", (response) => response.json()],
  ["arrayBuffer", (response) => response.arrayBuffer()],
  ["blob", (response) => response.blob()],
  ...("bytes" in Response.prototype ? [["bytes", (response: Response) => response.bytes()] as const] : []),
];

describe("streamedResponse", () => {
  it("streamedResponse makes a Response of the global class", async () => {
    const { response } = await fed("Status: 201 Made\r\nX-A: 1\r\n");
    expect(response).toBeInstanceOf(Response);
    expect(response.constructor).toBe(Response);
    expect(Object.prototype.toString.call(response)).toBe("[object Response]");
    expect([response.status, response.statusText, [...response.headers]]).toEqual([201, "Made", [["x-a", "1"]]]);
  });

  it("streamedResponse gives what a native Response of the stream gives, in every order of calls", async () => {
    // On Bun the Blob of a native Response of a stream has no type.
    const compared = isBun ? responseUses.map((uses) => uses.filter((use) => use !== "blob")) : responseUses;
    const type = fc.constantFrom("", "text/plain; charset=UTF-8", 'TEXT/HTML; a="b"', "nothing", "a/b, c/d; e=f", ";");
    const body = fc.constantFrom("text", "\xef\xbb\xbf{}", '{"a":1}', "\xff\0", '["\xc3\xa9\xe2\x82\xac"]', "");
    const cuts = fc.array(fc.nat(10), { maxLength: 4 });
    const isWhole = fc.boolean();
    const length = fc.constantFrom("", "exact", "surplus");
    await fc.assert(
      fc.asyncProperty(type, body, cuts, isWhole, length, compared, async (type, body, cuts, isWhole, length, uses) => {
        const fields = [...(type === "" ? [] : [["content-type", type] as [string, string]])];
        if (length !== "") fields.unshift(["content-length", String(body.length)]);
        const { incoming, response } = await fed(
          ["Status: 200 OK\r\n", ...fields.map(([name, value]) => `${name}: ${value}\r\n`)].join(""),
        );
        const ends = [...cuts].sort((a, b) => a - b).concat(body.length);
        const pieces = ends
          .map((end, index) => latin1(body.slice(ends[index - 1] ?? 0, end)))
          .filter(({ length }) => length > 0);
        const native = new Response(streamFrom(pieces, isWhole), { statusText: "OK", headers: fields });
        const feeding = (async () => {
          for (const piece of length === "surplus" ? [...pieces, latin1("more")] : pieces) {
            await turns(1);
            incoming.pushStdout(piece);
          }
          await turns(1);
          if (isWhole) incoming.complete(complete);
          else incoming.fail(BROKEN);
        })();
        // A body that has all its bytes is complete, whatever comes then.
        const expected =
          isWhole || length === ""
            ? native
            : new Response(streamFrom(pieces, true), { statusText: "OK", headers: fields });
        expect(await resultsOf(response, uses)).toEqual(await resultsOf(expected, uses));
        await feeding;
      }),
      { numRuns: 300 },
    );
  });

  it.each(WHOLE)(
    "streamedResponse fails %s() where the body breaks off, is too short or is cancelled by its signal",
    async (_, read) => {
      const short = expect.objectContaining({ code: "lengthMismatch" });
      const breaks: readonly [header: string, end: (incoming: IncomingResponse) => void, error: unknown][] = [
        ["", (incoming) => incoming.fail(BROKEN), BROKEN],
        ["Content-Length: 9\r\n", (incoming) => incoming.fail(BROKEN), BROKEN],
        ["Content-Length: 9\r\n", (incoming) => incoming.complete(complete), short],
      ];
      for (const [header, end, error] of breaks) {
        const { incoming, response } = await fed(header);
        const outcome = read(response).catch((reason: unknown) => reason);
        incoming.pushStdout(latin1('{"a":1}'));
        expect(await isSettled(outcome)).toBe(false);
        end(incoming);
        expect(await outcome).toEqual(error);
        expect(response.bodyUsed).toBe(true);
        await expect(read(response)).rejects.toThrow(TypeError);
      }
    },
  );

  it.each(WHOLE)(
    "streamedResponse ends %s() after as many bytes as were announced, and drops the rest",
    async (_, read) => {
      for (const surplus of ["", " more"]) {
        const { incoming, response, told, abandoned } = await fed("Content-Length: 7\r\n");
        const outcome = read(response);
        incoming.pushStdout(latin1('{"a"'));
        incoming.pushStdout(latin1(`:1}${surplus}`));
        await outcome;
        expect(told).toEqual(surplus === "" ? ["detached"] : ["distrusted", "detached"]);
        // What follows is read, up to maxDrainBytes.
        for (let count = 0; count < 3; count++) {
          expect(abandoned).toEqual([]);
          incoming.pushStdout(new Uint8Array(400));
          await turns();
        }
        expect(abandoned).toMatchObject([{ code: "limit", limit: "maxDrainBytes" }]);
        expect(told.includes("distrusted")).toBe(true);
      }
    },
  );

  it.each(WHOLE)(
    "streamedResponse reads its body below the stream by %s(), unless the stream was touched",
    async (_, read) => {
      const make = (): Response => {
        const stream = new Blob(["1"]).stream();
        return streamedResponse({ stream, expectedBytes: 1, takeInto: async (target) => target.add(latin1("2")) }, {});
      };
      const textOf = async (response: Response): Promise<string> =>
        new Response((await read(response)) as BodyInit).text();
      expect(await textOf(make())).toBe("2");
      const looked = make();
      looked.body!.getReader().releaseLock();
      // On Bun a body that ever had a reader counts as used.
      if (!isBun) expect(await textOf(looked)).toBe("2");
      const cloned = make();
      expect(await cloned.clone().text()).toBe("1");
      expect(await textOf(cloned)).toBe("1");
      const begun = make();
      const reader = begun.body!.getReader();
      await reader.read();
      await expect(read(begun)).rejects.toThrow(TypeError);
      reader.releaseLock();
      await expect(read(begun)).rejects.toThrow(TypeError);
    },
  );

  it("streamedResponse makes one class for each global Response, with a constructor as the native one has", async () => {
    const [one, other] = [(await fed("")).response, (await fed("")).response].map(Object.getPrototypeOf);
    expect(one).toBe(other);
    class Replaced extends Response {}
    vi.stubGlobal("Response", Replaced);
    const made = Object.getPrototypeOf((await fed("")).response);
    const descriptorOf = (prototype: object) => Object.getOwnPropertyDescriptor(prototype, "constructor");
    expect(made).not.toBe(Replaced.prototype);
    expect(descriptorOf(made)).toEqual(descriptorOf(Replaced.prototype));
  });

  it("streamedResponse gives an empty body at once, while the application goes on", async () => {
    const { incoming, response, told } = await fed("Content-Length: 0\r\n");
    const text = response.text();
    expect(await isSettled(text)).toBe(true);
    expect(await text).toBe("");
    incoming.pushStdout(latin1("more"));
    await turns();
    expect(told).toEqual(["detached", "distrusted"]);
  });

  it("streamedResponse is locked for a program that holds its body while it is read below", async () => {
    const { incoming, response } = await fed("");
    const { body } = response;
    const text = response.text();
    expect([body!.locked, response.bodyUsed]).toEqual([true, true]);
    expect(() => body!.getReader()).toThrow(TypeError);
    expect(() => response.clone()).toThrow(TypeError);
    await expect(body!.cancel()).rejects.toThrow(TypeError);
    incoming.pushStdout(latin1("text"));
    incoming.complete(complete);
    expect(await text).toBe("text");
  });

  it("streamedResponse leaves its body to the program that has a reader, which can still cancel it", async () => {
    const { response, abandoned } = await fed("");
    const reader = response.body!.getReader();
    for (const [, read] of WHOLE) await expect(read(response)).rejects.toThrow(TypeError);
    const reason = new Error("Not needed");
    await reader.cancel(reason);
    expect(abandoned).toEqual([reason]);
  });

  it("streamedResponse is native for what looks inside", async () => {
    const { incoming, response } = await fed("X-A: 1\r\n");
    const copy = new Response(response.clone().body, response);
    incoming.pushStdout(latin1("text"));
    incoming.complete(complete);
    expect([copy.headers.get("x-a"), await copy.text(), await response.text()]).toEqual(["1", "text", "text"]);
  });

  it.each<[name: string, make: () => typeof Response]>([
    ["a class that extends it", () => class Replaced extends Response {}],
    ["FastResponse", () => FastResponse],
  ])("streamedResponse makes an instance of the global class where that is %s", async (_, make) => {
    const Replaced = make();
    vi.stubGlobal("Response", Replaced);
    const { incoming, response } = await fed("X-A: 1\r\n");
    expect(response).toBeInstanceOf(Replaced);
    const text = response.text();
    incoming.pushStdout(latin1("text"));
    incoming.complete(complete);
    expect([response.headers.get("x-a"), await text, response.bodyUsed]).toEqual(["1", "text", true]);
    await expect(response.text()).rejects.toThrow(TypeError);
    vi.unstubAllGlobals();
    expect((await fed("")).response.constructor).toBe(Response);
  });
});

/** A stream that gives pieces, and then ends or fails. */
function streamFrom(
  pieces: readonly Uint8Array<ArrayBuffer>[],
  isWhole: boolean,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const left = [...pieces];
  return new ReadableStream(
    {
      pull(controller) {
        const piece = left.shift();
        if (piece !== undefined) controller.enqueue(piece);
        else if (isWhole) controller.close();
        else controller.error(BROKEN);
      },
    },
    { highWaterMark: 0 },
  );
}
