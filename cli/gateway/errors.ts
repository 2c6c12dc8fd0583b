// What the HTTP client gets, and what the terminal says, if there is no answer.

import { STATUS_CODES } from "node:http";
import { printable } from "../../adapters/shared/print.ts";
import { FastCgiError } from "../../src/toolkit.ts";
import { CLIENT_LEFT } from "./access_log.ts";
import { type ServerRequest, targetOf } from "./http.ts";

/** The most characters of a URL, and of a reason, in a message. */
const MAX_URL = 512;
const MAX_REASON = 2048;

/** Makes a handler that always answers. `report` gets the reason, unless it is that the client has left. */
export function withErrors(
  handler: (request: ServerRequest) => Promise<Response>,
  report: (line: string) => void,
): (request: ServerRequest) => Promise<Response> {
  return async (request) => {
    if (!hasHost(request)) return errorAnswer(400);
    try {
      return await handler(request);
    } catch (error) {
      if (request.signal.aborted) return errorAnswer(CLIENT_LEFT);
      report(failureText(request, error));
      return errorAnswer(error instanceof FastCgiError ? error.gatewayStatus : 500);
    }
  };
}

/** Whether the Host field names a host, or is empty. PHP programs print it, so that web servers refuse any other. */
function hasHost({ url, headers }: ServerRequest): boolean {
  const host = headers.get("host") ?? "";
  return URL.canParse(url) && (host === "" || (!/[^!-~]|[/\\?#@]/.test(host) && URL.canParse(`http://${host}`)));
}

/** The request in messages. */
export function requestText({ method, url }: Pick<Request, "method" | "url">): string {
  return `${method} ${printable(targetOf(url), MAX_URL)}`;
}

/** Why a request has no answer, or no whole one. */
export function failureText(request: Pick<Request, "method" | "url">, error: unknown): string {
  return `${requestText(request)}: ${printable(reasonOf(error), MAX_REASON)}`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function errorAnswer(status: number): Response {
  const headers = { "content-type": "text/plain;charset=UTF-8" };
  return new Response(`${STATUS_CODES[status] ?? "Client Closed Request"}\n`, { status, headers });
}
