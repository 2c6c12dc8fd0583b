import { copyable, type FastCgiRequest } from "../codec/incoming_request.ts";
import type { FastCgiResponse } from "../codec/outgoing_response.ts";

/** What a handler can ask its server to do. */
export interface FastCgiHandlerContext {
  /**
   * Makes a graceful close wait for work that goes on after the response. `request` is the request that it belongs to,
   * for `onError`.
   */
  waitUntil(promise: PromiseLike<unknown>, request?: FastCgiRequest): void;
}

/**
 * The handlers of this library. A program's handler gets the request in a form that can be copied, which takes a
 * twentieth of a small exchange to make.
 */
const ownHandlers = /* @__PURE__ */ new WeakSet<FastCgiHandler>();

/** Marks `handler`, which makes a copyable form itself where it passes the request on. */
export function asOwnHandler(handler: FastCgiHandler): FastCgiHandler {
  ownHandlers.add(handler);
  return handler;
}

/** The handler for an IncomingRequest that calls `handler`. */
export function forIncoming(handler: FastCgiHandler): FastCgiHandler {
  return ownHandlers.has(handler) ? handler : (request, context) => handler(copyable(request), context);
}

/** An application: answers one request. */
export type FastCgiHandler = (
  request: FastCgiRequest,
  context: FastCgiHandlerContext,
) => FastCgiResponse | Promise<FastCgiResponse>;
