import { kindOf } from "../../base/kind_of.ts";
import type { FastCgiRequest } from "../../codec/incoming_request.ts";
import { asNativeSignal, asNativeStream } from "../shared/fetch_objects.ts";

/** Where a Request comes from: what is asked of it only when the Request is asked. */
export interface RequestOrigin {
  /** The body. */
  readonly stdin: ReadableStream<Uint8Array>;
  /** Aborts with the request. */
  readonly signal: AbortSignal;
  /** Calls `callback` at the abort, or now if it has been. Absent where only the signal tells. */
  onAbort?(callback: () => void): void;
}

/** What the Request and the context of a fetch handler are made of: an IncomingRequest, or {@linkcode sourceOf} any other. */
export interface RequestSource extends FastCgiRequest, RequestOrigin {
  /** Knows whether FCGI_STDIN has turned out to be empty. */
  readonly stdinQueue?: { readonly isEmpty: boolean };
}

/**
 * What is made of a request that no connection has: one that a program made, or a copy with other variables.
 *
 * @throws {TypeError} If a member is missing: a body that is not there must not look like an empty one.
 */
export function sourceOf(request: FastCgiRequest): RequestSource {
  const { requestId, role, keepConn, params, paramPairs, stdin, data, signal } = request;
  check("params", params, ["get", "forEach", Symbol.iterator], "a Map");
  check("paramPairs", paramPairs, [Symbol.iterator], "an array");
  check("stdin", stdin, ["getReader"], "a ReadableStream");
  check("data", data, ["getReader"], "a ReadableStream");
  check("signal", signal, ["addEventListener"], "an AbortSignal");
  return {
    ...{ requestId, role, keepConn, params, paramPairs },
    ...{ stdin: asNativeStream(stdin), data: asNativeStream(data), signal: asNativeSignal(signal) },
  };
}

function check(name: keyof FastCgiRequest, value: unknown, methods: readonly PropertyKey[], expected: string): void {
  const object = Object(value);
  if (methods.every((method) => typeof object[method] === "function")) return;
  throw new TypeError(`Cannot serve the request: its ${name} must be ${expected}, got ${kindOf(value)}`);
}
