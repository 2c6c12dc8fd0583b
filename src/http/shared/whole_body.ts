// Reads a body whole, below its stream: each piece is copied or decoded when it comes, and the memory that the runtime has
// read it into can be freed at once.

import { freeMemory } from "../../base/free_memory.ts";
import { WholeBytes } from "../../base/whole_bytes.ts";
import { WholeText } from "../../base/whole_text.ts";
import type { PieceTarget } from "../../codec/byte_queue.ts";

/** A body that can be read below its stream. */
export interface WholeBody {
  /** The announced length; null if there is none. */
  readonly expectedBytes: number | null;
  /** Passes all of the body to `target`, as it comes. Locks the stream. Rejects with the error of the body. */
  takeInto(target: PieceTarget): Promise<void>;
}

/** Reads a body as text. */
export async function textOf(body: WholeBody): Promise<string> {
  const text = new WholeText();
  await body.takeInto(text);
  return text.take();
}

/** Reads a body as bytes, in a buffer that nothing else uses. */
export async function bytesOf(body: WholeBody): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new WholeBytes(body.expectedBytes);
  await body.takeInto(bytes);
  return bytes.take();
}

/** Reads the body of a message with these headers as a Blob. */
export async function blobOf(body: WholeBody, { headers }: Pick<Message, "headers">): Promise<Blob> {
  const bytes = await bytesOf(body);
  // The runtime knows how to make a type of the header, which may be repeated or invalid.
  const { type } = await new Response("", { headers: [["content-type", headers.get("content-type") ?? ""]] }).blob();
  const blob = new Blob([bytes], { type });
  freeMemory(bytes);
  return blob;
}

/** A Request or Response. */
interface Message extends Body {
  readonly headers: Headers;
}

/** The methods of a message that read its body whole. */
const METHODS: Readonly<Record<string, (body: WholeBody, message: Message) => Promise<unknown>>> = {
  text: textOf,
  json: async (body) => JSON.parse(await textOf(body)),
  arrayBuffer: async (body) => (await bytesOf(body)).buffer,
  bytes: bytesOf,
  blob: blobOf,
};

/**
 * Gives `prototype`, which derives from that of the native Request or Response, methods that read the body below its
 * stream, as the native ones do it above. Left out is what the runtime does not have, such as `bytes` on Node.js 20.
 *
 * @param unread Returns the body below the stream; null if the native method must read it, or refuse to.
 */
export function readBelowStream<Instance extends Message>(
  prototype: Instance,
  unread: (message: Instance) => WholeBody | null,
): void {
  const native = Object.getPrototypeOf(prototype);
  for (const [name, read] of Object.entries(METHODS)) {
    const inherited = native[name];
    if (inherited === undefined) continue;
    const { [name]: value } = {
      async [name](this: Instance): Promise<unknown> {
        const body = unread(this);
        return body === null ? inherited.call(this) : read(body, this);
      },
    };
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
}
