// What the apps answer with, so that each holds only what its framework needs.

export const page = "<!doctype html><title>Shop</title><h1>Grüße</h1>";

/** The fields of a form, as an app sees them. */
export function fieldsOf(form) {
  return [...form].map(([name, value]) =>
    typeof value === "string" ? [name, value] : [name, { name: value.name, type: value.type, size: value.size }],
  );
}

const held = new Set();

/** A line, and another one after `release()`. */
export function heldStream() {
  let sent = 0;
  const released = new Promise((resolve) => held.add(resolve));
  return new ReadableStream({
    async pull(controller) {
      if (sent++ === 0) return controller.enqueue(new TextEncoder().encode("one\n"));
      await released;
      controller.enqueue(new TextEncoder().encode("two\n"));
      controller.close();
    },
  });
}

/** Lets all streams go on. */
export function release() {
  for (const letGo of held) letGo();
  held.clear();
}
