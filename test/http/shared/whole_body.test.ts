// Reading a body whole, below its stream.

import { describe, expect, it } from "vitest";
import { blobOf, bytesOf, readBelowStream, textOf, type WholeBody } from "../../../src/http/shared/whole_body.ts";
import { latin1 } from "../../support/bytes.ts";
import { isBun } from "../../support/runtime.ts";

/** A body that comes in these pieces. */
function bodyOf(...pieces: string[]): WholeBody {
  return {
    expectedBytes: pieces.join("").length,
    async takeInto(target) {
      for (const piece of pieces) target.add(latin1(piece));
    },
  };
}

const JSON_TEXT = "[2]";

/** What each method gives, as text. */
async function givenBy(message: Body, name: string): Promise<string> {
  const value = await (message as unknown as Record<string, () => Promise<BodyInit>>)[name]!();
  return name === "json" ? JSON.stringify(value) : new Response(value).text();
}

/** The methods of a body that read it whole, but for formData(), as far as the runtime has them. */
const METHODS = ["text", "json", "arrayBuffer", "blob", "bytes"].filter((name) => name in Response.prototype);

describe("readBelowStream", () => {
  it.each(METHODS)("readBelowStream has %s() read the body that it is given, or else the native one", async (name) => {
    class Message extends Response {
      isTouched = false;
    }
    readBelowStream(Message.prototype, ({ isTouched }) => (isTouched ? null : bodyOf("[", "2]")));
    const message = new Message("[1]");
    expect(await givenBy(message, name)).toBe(JSON_TEXT);
    expect(message.bodyUsed).toBe(false);
    message.isTouched = true;
    expect(await givenBy(message, name)).toBe("[1]");
    expect(message.bodyUsed).toBe(true);
  });

  it("readBelowStream gives methods that a program can replace, with their names, and only those that the runtime has", () => {
    const native = { text: async () => "native", blob: async () => new Blob() };
    const prototype = Object.create(native) as Response;
    readBelowStream(prototype, () => null);
    expect(Object.getOwnPropertyDescriptors(prototype)).toEqual({
      text: { value: expect.any(Function), writable: true, enumerable: false, configurable: true },
      blob: { value: expect.any(Function), writable: true, enumerable: false, configurable: true },
    });
    expect([prototype.text.name, prototype.blob.name]).toEqual(["text", "blob"]);
  });
});

it("textOf reads a text of many pieces, which may cut its characters, without a byte order mark", async () => {
  expect(await textOf(bodyOf("\xef\xbb", "\xbfcaf\xc3", "\xa9"))).toBe("café");
  expect(await textOf(bodyOf())).toBe("");
});

it("bytesOf gives the bytes in a buffer of just their length", async () => {
  const bytes = await bytesOf(bodyOf("a", "\0", "\xff"));
  expect([bytes, bytes.buffer.byteLength]).toEqual([latin1("a\0\xff"), 3]);
});

it("blobOf gives the bytes with the type in the headers, as the runtime reads it", async () => {
  for (const [fields, type] of [
    [[], ""],
    [[["content-type", "image/png"]], "image/png"],
    // Bun takes any text for a type.
    ...(isBun ? [] : [[[["content-type", "nothing"]], ""]]),
  ] as [HeadersInit, string][]) {
    const blob = await blobOf(bodyOf("b", "lob"), { headers: new Headers(fields) });
    expect([blob.type, await blob.text()]).toEqual([type, "blob"]);
  }
});
