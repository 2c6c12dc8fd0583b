// CGI meta-variables → Fetch request: method, URL, headers (RFC 3875 4.1). The reverse of request_to_params.ts.

import type { FastCgiParams } from "../../cgi/params.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { hasControlBytes, headerFromParam, isToken } from "../shared/header_rules.ts";
import { hostFromParams } from "./request_host.ts";
import { type ParamsSource, targetFromParams } from "./request_target.ts";

/** The parts of a Fetch request. URL and headers cost time, so they are made when asked for. */
export interface RequestParts {
  readonly method: string;
  /** The serialised URL. */
  readonly url: () => string;
  /** The headers: new ones, or added to `target`. */
  readonly headers: (target?: Headers) => Headers;
}

/** Methods that Fetch writes in upper case whatever the client wrote; all others are case-sensitive (RFC 9110 9.1). */
const NORMALIZED: ReadonlySet<string> = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);

/**
 * Reads the variables of a request. All that could fail later is checked here, so that the parts can be made lazily.
 *
 * @throws {FastCgiError} `malformedRequest` if they do not describe an HTTP request.
 */
export function partsFromParams(source: ParamsSource): RequestParts {
  const { params } = source;
  const contentLength = params.get("CONTENT_LENGTH") ?? "";
  if (!/^[0-9]{0,15}$/.test(contentLength) && contentLength !== "-1") {
    throw malformed(`CONTENT_LENGTH is ${JSON.stringify(contentLength)}`);
  }
  params.forEach(checkHeaderValue);
  const method = readMethod(params);
  const { origin, field } = hostFromParams(params);
  const target = targetFromParams(source);
  return {
    method,
    url: () => (isPlainTarget(target) ? origin + target : new URL(origin + target).href),
    headers: (headers = new Headers()) => readHeaders(params, field, headers),
  };
}

function checkHeaderValue(value: string, name: string): void {
  if ((name.startsWith("HTTP_") || name === "CONTENT_TYPE") && hasControlBytes(value)) {
    throw malformed(`${name} holds a control byte`);
  }
}

/** Whether the URL parser would change nothing of a path and query without dot segments: nothing is to be escaped. */
function isPlainTarget(target: string): boolean {
  return /^[A-Za-z0-9\-._~!$&()*+,;=:@/%?]*$/.test(target);
}

function readMethod(params: FastCgiParams): string {
  const method = params.get("REQUEST_METHOD") ?? "";
  if (NORMALIZED.has(method)) return method;
  if (!isToken(method)) throw malformed(`REQUEST_METHOD is ${JSON.stringify(method)}`);
  const upper = method.toUpperCase();
  return NORMALIZED.has(upper) ? upper : method;
}

function readHeaders(params: FastCgiParams, host: string | null, headers: Headers): Headers {
  for (const [param, value] of params) {
    const name = headerFromParam(param);
    if (name !== null) headers.append(name, value);
  }
  if (host === null) headers.delete("host");
  const type = params.get("CONTENT_TYPE") ?? "";
  if (type !== "") headers.set("content-type", type);
  const length = params.get("CONTENT_LENGTH") ?? "";
  // lighttpd, HAProxy and others say 0 where the client said nothing.
  if (/^[0-9]+$/.test(length) && length !== "0") headers.set("content-length", length);
  return headers;
}

function malformed(reason: string): FastCgiError {
  return new FastCgiError("malformedRequest", `Cannot build a request: ${reason}`);
}
