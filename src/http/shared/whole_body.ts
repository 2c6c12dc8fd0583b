// Reads a body whole, below its stream: each piece is copied when it comes, and the memory that the runtime has read it into
// can be freed at once.

import { WholeBytes } from "../../base/whole_bytes.ts";
import type { PieceTarget } from "../../codec/byte_queue.ts";

const utf8 = /* @__PURE__ */ new TextDecoder();

/** A body that can be read below its stream. */
export interface WholeBody {
  /** The announced length; null if there is none. */
  readonly expectedBytes: number | null;
  /** Passes all of the body to `target`, as it comes. Locks the stream. Rejects with the error of the body. */
  takeInto(target: PieceTarget): Promise<void>;
}

/**
 * Reads a body as text. It is decoded at once. A text that is joined of decoded pieces is put together only when the
 * program looks into it, and until then each scavenge copies the pieces.
 */
export async function textOf(body: WholeBody): Promise<string> {
  return (await lentBytesOf(body)).use((bytes) => utf8.decode(bytes));
}

/** Reads a body as bytes, in a buffer that nothing else uses. */
export async function bytesOf(body: WholeBody): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new WholeBytes(body.expectedBytes);
  await body.takeInto(bytes);
  return bytes.take();
}

/** Reads a body whose bytes are only looked at. */
async function lentBytesOf(body: WholeBody): Promise<WholeBytes> {
  // Stryker disable next-line BooleanLiteral: fresh memory holds the same bytes
  const bytes = new WholeBytes(body.expectedBytes, true);
  await body.takeInto(bytes);
  return bytes;
}

/** Reads the body of a message with these headers as a Blob. */
export async function blobOf(body: WholeBody, { headers }: Pick<Message, "headers">): Promise<Blob> {
  const whole = await lentBytesOf(body);
  // The runtime knows how to make a type of the header, which may be repeated or invalid.
  // Stryker disable next-line StringLiteral: nothing is read of the body, and a type without a slash counts as none
  const { type } = await new Response("", { headers: [["content-type", headers.get("content-type") ?? ""]] }).blob();
  return whole.use((bytes) => new Blob([bytes], { type }));
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
    // A member of an object, so that the function has the name of the native one.
    const { [name]: value } = {
      async [name](this: Instance): Promise<unknown> {
        const body = unread(this);
        return body === null ? inherited.call(this) : read(body, this);
      },
    };
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
}
