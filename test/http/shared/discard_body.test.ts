import { expect, it } from "vitest";
import { discardBody, dropResponse } from "../../../src/http/shared/discard_body.ts";
import { latin1 } from "../../support/bytes.ts";
import { OpenStream } from "../../support/open_stream.ts";
import { isSettled } from "../../support/streams.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

/** A body that a test feeds, and why it was cancelled. */
function body() {
  const cancelled: unknown[] = [];
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
    cancel: (reason) => void cancelled.push(reason),
  });
  return { reader: stream.getReader(), controller, cancelled };
}

it("discardBody reads a body to its end", async () => {
  const { reader, controller, cancelled } = body();
  const done = discardBody(reader, 4);
  controller.enqueue(latin1("ab"));
  controller.enqueue(latin1("cd"));
  expect(await isSettled(done)).toBe(false);
  controller.close();
  await done;
  expect(cancelled).toEqual([]);
});

it("discardBody cancels a body that is longer than maxDrainBytes, at once", async () => {
  const { reader, controller, cancelled } = body();
  const done = discardBody(reader, 4);
  controller.enqueue(latin1("abcd"));
  controller.enqueue(latin1("e"));
  await done;
  expect(cancelled).toMatchObject([{ code: "limit", limit: "maxDrainBytes" }]);
  expect(cancelled).toMatchObject([{ message: "Cannot drop the response's body: it is longer than 4 bytes" }]);
});

it("discardBody never rejects", async () => {
  const failing = body();
  const done = discardBody(failing.reader, 4);
  failing.controller.error(new Error("Gone"));
  await done;
  const reader = {
    read: async () => ({ done: false, value: latin1("abc") }),
    cancel: () => Promise.reject(new Error()),
  };
  await discardBody(reader, 1);
});

it("discardBody counts nothing for a piece that is missing", async () => {
  const pieces = [undefined, latin1("ab"), undefined];
  const cancelled: unknown[] = [];
  const reader = {
    read: async () => (pieces.length > 0 ? { done: false, value: pieces.shift() } : { done: true }),
    cancel: async (reason: unknown) => void cancelled.push(reason),
  };
  await discardBody(reader as unknown as Parameters<typeof discardBody>[0], 2);
  expect([pieces, cancelled]).toEqual([[], []]);
});

it("dropResponse cancels a body, and leaves a response that has none", async () => {
  const { stream, cancellation } = new OpenStream();
  dropResponse(new Response(stream), "unused");
  expect(await cancellation).toBe("unused");
  dropResponse(new Response(null), "unused");
});
