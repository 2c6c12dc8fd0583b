// The HTTP side: an ordinary fetch handler that hands every request to the FastCGI application.

import { FastCgiError, type FastCgiHttpClient } from "fetchcgi/node";
import type { ServerRequest } from "srvx";
import { recordsSection } from "./page.ts";
import { EXCHANGE_ID, type Exchange } from "./tap.ts";
import { recordsText } from "./text.ts";
import { negotiate } from "./view.ts";

export function createFront(
  application: FastCgiHttpClient,
  exchanges: ReadonlyMap<string, Exchange>,
): (request: ServerRequest) => Promise<Response> {
  let count = 0;
  return async (request) => {
    const { pathname } = new URL(request.url);
    // Answered here, because a look at the records must not add to them.
    if (pathname.startsWith("/records/")) {
      const exchange = exchanges.get(pathname.slice("/records/".length));
      if (exchange === undefined) return new Response("No such exchange, or too long ago\n", { status: 404 });
      return negotiate(request, { html: () => recordsSection(exchange), text: () => recordsText(exchange) });
    }
    const id = String(++count);
    try {
      const response = await application.fetch(request, {
        remoteAddress: request.ip,
        params: { [EXCHANGE_ID]: id },
      });
      // The page's script asks for the records with this id.
      response.headers.set("exchange-id", id);
      return response;
    } catch (error) {
      // The browser has left, so this answer is not read.
      if (request.signal.aborted) return new Response(null, { status: 499 });
      return failure(error);
    }
  };
}

/** The answer to the HTTP client if an exchange failed. */
function failure(error: unknown): Response {
  const status = error instanceof FastCgiError ? error.gatewayStatus : 500;
  if (status >= 500) console.error(error);
  const message =
    status === 413 ? "The body is too long" : status < 500 ? "Bad request" : "The application did not answer";
  return new Response(`${message}\n`, { status });
}
