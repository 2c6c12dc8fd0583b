// Connect-style middleware, as Express, Connect and Vite's dev server take it, of a fetch function such as `php.fetch`.

import type { IncomingMessage, ServerResponse } from "node:http";
import { checkFunction, optionsOf, unexpected } from "../../src/base/unexpected.ts";
import { dropResponse } from "../../src/http/shared/discard_body.ts";
import { isResponse } from "../../src/http/shared/fetch_objects.ts";
import {
  FastCgiError,
  type FastCgiHttpPeers,
  type FastCgiScript,
  type FastCgiScriptResolver,
} from "../../src/index.ts";
import { peersOf, requestOf } from "./incoming.ts";
import { send } from "./outgoing.ts";

/**
 * Makes middleware of a fetch function, for Express, Connect, Vite's dev server, Fastify with `@fastify/middie`, and
 * every other program that takes functions of `(req, res, next)`.
 *
 * ```ts
 * const php = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm("/run/php/php-fpm.sock", "/srv/blog/index.php"));
 * app.use("/blog", toMiddleware(php.fetch));
 * ```
 *
 * The URL of the request is the one that the client asked for, also below a path and after `req.url` was changed. The
 * address and the scheme are those that the framework tells (`req.ip` and `req.protocol`, which in Express follow
 * `trust proxy`), or the connection has. The body is read when `fetch` reads it, so middleware that reads bodies, such
 * as `express.json()`, comes later.
 *
 * An error goes to `next`, with a `status` if it is a {@linkcode FastCgiError}. If the response has begun by then, its
 * connection is closed first, so that it looks cut. A client that leaves aborts `request.signal`, and is no error.
 *
 * @param fetch Answers the requests. It gets the Request, the options for `php.fetch` that the connection knows, and
 * `req`. Where it returns null or undefined, `next` is called.
 * @param options `script` chooses the script, as {@linkcode scriptsIn} does. Requests for which it returns a 404 go on
 * to `next` with their body unread. Without it, `fetch` gets every request, and the 404s of `fetch` are answers.
 * @throws {TypeError} If an argument is not what it must be.
 */
export function toMiddleware(
  fetch: (
    request: Request,
    init: FastCgiHttpPeers & { script?: FastCgiScript },
    req: IncomingMessage,
  ) => Response | null | undefined | Promise<Response | null | undefined>,
  options: { script?: FastCgiScriptResolver } = {},
): (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void {
  checkFunction(fetch, "fetch", false);
  const { script: scriptFor } = optionsOf(options);
  checkFunction(scriptFor, "script");

  const responseTo = async (request: Request, req: IncomingMessage): Promise<Response | null | undefined> => {
    const init = peersOf(req);
    if (scriptFor === undefined) return fetch(request, init, req);
    const script = await scriptFor(request);
    if (script === undefined) return fetch(request, init, req);
    if (!isResponse(script)) return fetch(request, { ...init, script }, req);
    if (script.status !== 404) return script;
    dropResponse(script, "The request goes on to the next middleware");
    return null;
  };

  /** Resolves with whether there is an answer. */
  const answer = async (req: IncomingMessage, res: ServerResponse, signal: AbortSignal): Promise<boolean> => {
    const response = await responseTo(requestOf(req, signal), req);
    if (response === null || response === undefined) return false;
    if (!isResponse(response)) throw unexpected("Cannot answer: expected fetch to return a Response", response);
    try {
      // A client that has left since is told by no event any more.
      signal.throwIfAborted();
      await send(response, { req, res, signal });
    } catch (error) {
      dropResponse(response, "It can't be sent");
      throw error;
    }
    return true;
  };

  return (req, res, next) => {
    const leaving = new AbortController();
    const onClose = (): void => {
      if (!res.writableEnded) leaving.abort();
    };
    res.once("close", onClose);
    if (res.destroyed) onClose();
    void answer(req, res, leaving.signal)
      .finally(() => res.off("close", onClose))
      .then(
        (isAnswered) => {
          if (!isAnswered) next();
        },
        (error) => {
          // The client that has left gets no answer, and nothing went wrong.
          if (!leaving.signal.aborted) next(withStatus(error));
        },
      );
  };
}

/** Connect's and Express's handlers of errors answer with the `status` of an error. */
function withStatus(error: unknown): unknown {
  return error instanceof FastCgiError ? Object.assign(error, { status: error.gatewayStatus }) : error;
}
