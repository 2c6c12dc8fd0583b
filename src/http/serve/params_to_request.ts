// CGI meta-variables → Fetch request: method, URL, headers (RFC 3875 4.1). The reverse of request_to_params.ts.

import type { Variables } from "../../cgi/variables.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { CONTROL_BYTES, headerFromParam, isToken } from "../shared/header_rules.ts";
import { hostFromParams } from "./request_host.ts";
import { type TargetSource, targetFromParams } from "./request_target.ts";

/** The variables that a request is made of. */
export interface ParamsSource extends TargetSource {
  readonly variables: Variables;
}

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
  const { variables } = source;
  const contentLength = variables.get("CONTENT_LENGTH") ?? "";
  if (!/^[0-9]{0,15}$/.test(contentLength) && contentLength !== "-1") {
    throw malformed(`CONTENT_LENGTH is ${JSON.stringify(contentLength)}`);
  }
  const broken = variables.headerWith(CONTROL_BYTES);
  if (broken !== null) throw malformed(`${broken} holds a control byte`);
  const method = readMethod(variables);
  const { origin, field } = hostFromParams(variables);
  const target = targetFromParams(source);
  return {
    method,
    // The URL parser leaves a plain target as it is, and takes longer.
    url: () => (isPlainTarget(target) ? origin + target : new URL(origin + target).href),
    headers: (headers = new Headers()) => readHeaders(variables, field, headers),
  };
}

/** Whether the URL parser would leave a path and query as they are. They must not have dot segments. */
function isPlainTarget(target: string): boolean {
  return /^[A-Za-z0-9\-._~!$&()*+,;=:@/%?]*$/.test(target);
}

function readMethod(variables: Variables): string {
  const method = variables.get("REQUEST_METHOD") ?? "";
  // Stryker disable next-line ConditionalExpression: a shortcut to what the last line returns
  if (NORMALIZED.has(method)) return method;
  if (!isToken(method)) throw malformed(`REQUEST_METHOD is ${JSON.stringify(method)}`);
  const upper = method.toUpperCase();
  return NORMALIZED.has(upper) ? upper : method;
}

function readHeaders(variables: Variables, host: string | null, headers: Headers): Headers {
  variables.forEachHeader((param, value) => {
    const name = headerFromParam(param);
    if (name !== null) headers.append(name, value);
  });
  if (host === null) headers.delete("host");
  const type = variables.get("CONTENT_TYPE") ?? "";
  if (type !== "") headers.set("content-type", type);
  // Stryker disable next-line StringLiteral: any text without digits does
  const length = variables.get("CONTENT_LENGTH") ?? "";
  // lighttpd, HAProxy and others send 0 if the client sent no Content-Length.
  if (length !== "0" && /^[0-9]+$/.test(length)) headers.set("content-length", length);
  return headers;
}

function malformed(reason: string): FastCgiError {
  return new FastCgiError("malformedRequest", `Cannot build a request: ${reason}`);
}
