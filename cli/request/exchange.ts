// One request and its answer: the header as the application writes it, and the body as it comes.

import { type EndRequestBody, type FastCgiClient, FastCgiError, type FastCgiRequestInit } from "../../src/toolkit.ts";
import { type CgiAnswer, readCgiAnswer, statusOf } from "../cgi_answer.ts";

/** The most bytes of a header block, as the library's client takes by default. */
const MAX_HEADER = 64 * 1024;

/** The head of an answer, and the body behind it. */
export interface Answer {
  readonly status: number;
  /** The header block as it came, with its empty line. */
  readonly head: CgiAnswer;
  readonly headBytes: Uint8Array;
  /** The pieces of the body. */
  body(): AsyncIterable<Uint8Array>;
  /** How the application ended the request. */
  readonly end: Promise<EndRequestBody>;
}

/**
 * Sends a request and reads the head of its answer. A successful authorizer may send an empty body, but never no header.
 *
 * @throws {FastCgiError} As the client, and `malformedResponse` if the answer has no header.
 */
export async function exchange(client: FastCgiClient, request: FastCgiRequestInit): Promise<Answer> {
  const response = await client.send(request);
  // Told by stdout as well.
  response.end.catch(() => {});
  const reader = response.stdout.getReader();
  let bytes: Uint8Array = new Uint8Array(0);
  let head: CgiAnswer;
  do {
    const { done, value } = await reader.read();
    if (done || bytes.length > MAX_HEADER) {
      await reader.cancel();
      const what = done ? "it ended without a header" : `its header has more than ${MAX_HEADER} bytes`;
      throw new FastCgiError("malformedResponse", `Cannot read the answer: ${what}`);
    }
    bytes = Buffer.concat([bytes, value]);
    head = readCgiAnswer(bytes);
  } while (head.lines === null);
  const { headerLength } = head;
  return {
    status: statusOf(head),
    head,
    headBytes: bytes.subarray(0, headerLength),
    async *body() {
      try {
        if (bytes.length > headerLength) yield bytes.subarray(headerLength);
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return;
          yield value;
        }
      } finally {
        await reader.cancel().catch(() => {});
      }
    },
    end: response.end,
  };
}
