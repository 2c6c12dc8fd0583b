// What the apps of the battery answer with beside the rest: applications that take (req, res).

import { createHash } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { released } from "./parts.js";

/** Long enough to be compressed. */
export const longText = "word ".repeat(20_000);

/** The length and the digest of a body that is not kept. */
export async function digestOf(body) {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    hash.update(piece);
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** The form in a body of this type. */
export function formOf(body, type) {
  return new Response(body, { headers: { "content-type": type } }).formData();
}

const departures = new EventEmitter();
let departed = 0;

/** A client has left. */
export function leave() {
  departed++;
  departures.emit("leave");
}

/** Resolves when so many clients have left. */
export async function left(count) {
  while (departed < count) await once(departures, "leave");
  return String(departed);
}

/** A line, and after the next `release()` an error. */
export async function* broken() {
  yield new TextEncoder().encode("one\n");
  await released();
  throw new Error("out of bread");
}
