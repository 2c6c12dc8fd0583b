// The Response whose body is still to come. It is a native Response, so that `fetch` handlers, `Bun.serve`, `clone()` and
// all other code that looks inside it work. Its body is read whole below the stream, if nothing has touched the stream.

import type { UnsharedBytes } from "../../base/unshared_bytes.ts";
import { readBelowStream, type WholeBody } from "../shared/whole_body.ts";

/** The body of a response that is still to come. Either the stream is read, or all of it is taken below the stream. */
export interface FastCgiStreamedBody extends WholeBody {
  /** The body as a stream, the same each time. */
  readonly stream: ReadableStream<UnsharedBytes>;
}

type StreamedResponseClass = new (body: FastCgiStreamedBody, init: ResponseInit) => Response;

/** The class of such Responses for one global `Response`. */
let made: { readonly base: typeof Response; readonly StreamedResponse: StreamedResponseClass } | null = null;

/**
 * Makes a native Response that gives `body`: {@linkcode FastCgiHttpPreset.streamedResponse} of the adapters. `text()`,
 * `json()`, `arrayBuffer()`, `bytes()` and `blob()` take the body below the stream, if nothing has touched it. That saves
 * a stream's promises for each piece and, on Node.js and Bun, garbage collection: what was read from the socket is
 * freed at once.
 */
export function streamedResponse(body: FastCgiStreamedBody, init: ResponseInit): Response {
  // A framework may have replaced the global class since the last call.
  if (made?.base !== Response) made = { base: Response, StreamedResponse: makeClass(Response) };
  return new made.StreamedResponse(body, init);
}

function makeClass(base: typeof Response): StreamedResponseClass {
  class StreamedResponse extends base {
    readonly #body: FastCgiStreamedBody;

    constructor(body: FastCgiStreamedBody, init: ResponseInit) {
      super(body.stream, init);
      this.#body = body;
    }

    /** The body below its stream; null if the stream was touched, or is that of a clone. */
    static unread(response: StreamedResponse): FastCgiStreamedBody | null {
      const { stream } = response.#body;
      // Stryker disable next-line ConditionalExpression: the stream of a response that was cloned is locked as well
      return response.body !== stream || response.bodyUsed || stream.locked ? null : response.#body;
    }
  }
  Object.defineProperty(StreamedResponse.prototype, "constructor", { value: base, configurable: true, writable: true });
  readBelowStream(StreamedResponse.prototype, StreamedResponse.unread);
  return StreamedResponse;
}
