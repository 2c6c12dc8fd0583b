// The beginning of a response's body: the pieces that are there leave with the header, and a body that has ended gets a
// Content-Length.

import { waitTurns } from "../../base/turns.ts";
import { type ByteReader, type ByteReadResult, chunkOf } from "../../codec/byte_source.ts";
import { MAX_SENT_CONTENT_LENGTH } from "../../protocol/constants.ts";

/**
 * The pieces of a body that could be read without waiting, and the read that has not settled yet; null if the body has
 * ended.
 */
export interface BodyStart {
  pieces: Uint8Array[];
  next: Promise<ByteReadResult> | null;
}

/**
 * The most turns of the microtask queue that a body may take for its next piece. A body made of a string or bytes needs
 * two or three, a form up to ten, and each stream that a body is piped through adds as many. 32 turns take some 3 µs.
 */
const TURNS = 32;

/**
 * Reads until the body ends, a record is full, or the next piece takes time: a header must not wait for a slow body.
 *
 * @param wantsEnd Whether to wait with {@linkcode endOfBlob} for the end of a body that has begun.
 */
export async function readWhatIsThere(reader: ByteReader, wantsEnd: boolean): Promise<BodyStart> {
  const pieces: Uint8Array[] = [];
  let blobEnd: Promise<void> | null = null;
  for (let length = 0; ; ) {
    // Does not await `next` itself, which takes turns of its own.
    let result: ByteReadResult | undefined;
    let isSettled = false;
    const next = Promise.resolve(reader.read());
    const settling = next.then(
      (settled) => {
        result = settled;
        isSettled = true;
      },
      () => {
        isSettled = true;
      },
    );
    // Stryker disable next-line ArrowFunction: to wait for all turns gives the same, later
    await waitTurns(TURNS, () => isSettled);
    if (!isSettled && wantsEnd && pieces.length > 0) {
      blobEnd ??= endOfBlob();
      await Promise.race([settling, blobEnd]);
    }
    // A body that ends here is complete, however long it is.
    const isLong = length >= MAX_SENT_CONTENT_LENGTH && result?.done !== true;
    if (!isSettled || isLong) return { pieces, next };
    const { done, value } = result ?? (await next);
    /* v8 ignore else -- V8 loses the count behind a conditional await: each body with a piece takes it */
    if (done) return { pieces, next: null };
    const piece = chunkOf(value, "the response body");
    if (piece.length > 0) pieces.push(piece);
    length += piece.length;
  }
}

/** Whether the stream of a Blob needs more than microtasks to end. Found out when it matters for the first time. */
let isBlobLate: boolean | undefined;
let comparedBlob: Blob | undefined;

/**
 * Resolves when a body made of a Blob, of a file in memory, or of a form with one, would have ended. On Node 24 and
 * later that takes rounds of the event loop: no number of microtasks is enough, and a timer takes a millisecond. So a
 * Blob of three parts is read for comparison, which takes some 30 µs if nothing else runs. A stream that waits for
 * anything else takes longer, and its first pieces are sent without its end.
 */
async function endOfBlob(): Promise<void> {
  if (isBlobLate === false) return;
  let isRead = false;
  const reading = readBlob().then(() => {
    isRead = true;
  });
  // Stryker disable next-line ArrowFunction: as above
  await waitTurns(TURNS, () => isRead);
  isBlobLate ??= !isRead;
  await reading;
}

async function readBlob(): Promise<void> {
  try {
    comparedBlob ??= new Blob(["a", "b", "c"]);
    const reader = comparedBlob.stream().getReader();
    while (!(await reader.read()).done);
  } catch {
    // A program has replaced the global Blob by something else.
  }
}

/** A reader whose first result is that of a read that has begun already. */
export function resume(reader: ByteReader, next: Promise<ByteReadResult>): ByteReader {
  let first: ReturnType<ByteReader["read"]> | null = next;
  return {
    read() {
      const result = first ?? reader.read();
      first = null;
      return result;
    },
    cancel: (reason) => reader.cancel(reason),
  };
}
