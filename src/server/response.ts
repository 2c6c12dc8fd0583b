import type { FastCgiRequest } from "../codec/incoming_request.ts";
import type { FastCgiResponse } from "../codec/outgoing_response.ts";

/** What a handler can ask its server to do. */
export interface FastCgiHandlerContext {
  /**
   * Makes a graceful close wait for work that goes on after the response. `request` is the request that it belongs to,
   * for `onError`.
   */
  waitUntil(promise: PromiseLike<unknown>, request?: FastCgiRequest): void;
}

/** An application: answers one request. */
export type FastCgiHandler = (
  request: FastCgiRequest,
  context: FastCgiHandlerContext,
) => FastCgiResponse | Promise<FastCgiResponse>;
