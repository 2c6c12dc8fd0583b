// CGI meta-variables → Fetch request: method, URL, headers (RFC 3875 4.1). The reverse of request_to_params.ts.

import type { FastCgiParams } from "../../cgi/params.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { hasControlBytes, headerFromParam, isToken } from "../shared/header_rules.ts";
import { hostFromParams } from "./request_host.ts";
import { type ParamsSource, targetFromParams } from "./request_target.ts";

/**
 * The parts of a Fetch request. The URL and the headers are made when they are asked for, because making them takes
 * time.
 */
export interface RequestParts {
  readonly method: string;
  /** The serialised URL. */
  readonly url: () => string;
  /** Adds the headers to `target`, or to new Headers. */
  readonly headers: (target?: Headers) => Headers;
}

/** Methods that Fetch converts to upper case. All others are case-sensitive (RFC 9110 9.1). */
const NORMALIZED: ReadonlySet<string> = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);

/** Whether Fetch has no Request with this method, in whatever case it is written. */
export function isForbiddenMethod(method: string): boolean {
  return /^(?:CONNECT|TRACE|TRACK)$/i.test(method);
}

/**
 * Reads the variables of a request. Everything that can fail is checked here, so that the parts can be made later.
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

/** Whether the URL parser would leave a path and query as they are. They must not have dot segments. */
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
  // lighttpd, HAProxy and others send 0 if the client sent no Content-Length.
  if (/^[0-9]+$/.test(length) && length !== "0") headers.set("content-length", length);
  return headers;
}

function malformed(reason: string): FastCgiError {
  return new FastCgiError("malformedRequest", `Cannot build a request: ${reason}`);
}
