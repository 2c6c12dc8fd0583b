// What the apps answer with, so that each holds only what its framework needs.

export const page = "<!doctype html><title>Shop</title><h1>Grüße</h1>";

/** The fields of a form, as an app sees them. */
export function fieldsOf(form) {
  return [...form].map(([name, value]) =>
    typeof value === "string" ? [name, value] : [name, { name: value.name, type: value.type, size: value.size }],
  );
}

const held = new Set();

/** Resolves at the next `release()`. */
export function released() {
  return new Promise((resolve) => held.add(resolve));
}

/** A line, and another one after `release()`. */
export function heldStream() {
  let sent = 0;
  const goOn = released();
  return new ReadableStream({
    async pull(controller) {
      if (sent++ === 0) return controller.enqueue(new TextEncoder().encode("one\n"));
      await goOn;
      controller.enqueue(new TextEncoder().encode("two\n"));
      controller.close();
    },
  });
}

/** Lets all go on that is held. */
export function release() {
  for (const letGo of held) letGo();
  held.clear();
}

/** Gives work to `waitUntil` that goes on after the response, for as long as the trial wants. */
export function later(waitUntil) {
  if (waitUntil === undefined) return "none";
  waitUntil(work());
  return "later";
}

async function work() {
  // Only where it is needed: some frameworks bundle this file for browsers.
  const { connect } = await import("node:net");
  const socket = connect(process.env.LATER);
  for await (const _ of socket) socket.end("done");
}
