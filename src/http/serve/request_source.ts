import { kindOf } from "../../base/kind_of.ts";
import { GivenVariables, type Variables } from "../../cgi/variables.ts";
import type { ByteQueue } from "../../codec/byte_queue.ts";
import type { FastCgiRequest } from "../../codec/incoming_request.ts";
import { asNativeSignal, asNativeStream } from "../shared/fetch_objects.ts";

/** The parts of a request that a Request reads only when its handler asks for them. */
export interface RequestOrigin {
  /** The body. */
  readonly stdin: ReadableStream<Uint8Array>;
  /** Aborts when the request is aborted. */
  readonly signal: AbortSignal;
  /** Calls `callback` when the request is aborted, or at once if it has been. Absent if only `signal` tells. */
  onAbort?(callback: () => void): void;
  /** The body below its stream. Absent if there is only the stream. */
  readonly stdinQueue?: ByteQueue;
}

/**
 * What the Request and the context of a fetch handler are made of: an IncomingRequest, or the result of
 * {@linkcode sourceOf}.
 */
export interface RequestSource extends FastCgiRequest, RequestOrigin {
  /** The same as `params`. */
  readonly variables: Variables;
}

/**
 * Makes a source of a request that does not come from a connection: one that a program made, or a copy with other
 * variables.
 *
 * @throws {TypeError} If a member is missing: a missing body must not look like an empty one.
 */
export function sourceOf(request: FastCgiRequest): RequestSource {
  const { requestId, role, keepConn, params, paramPairs, stdin, data, signal } = request;
  check("params", params, ["get", "forEach", Symbol.iterator], "a Map");
  check("paramPairs", paramPairs, [Symbol.iterator], "an array");
  check("stdin", stdin, ["getReader"], "a ReadableStream");
  check("data", data, ["getReader"], "a ReadableStream");
  check("signal", signal, ["addEventListener"], "an AbortSignal");
  return {
    ...{ requestId, role, keepConn, params, paramPairs, variables: new GivenVariables(params) },
    ...{ stdin: asNativeStream(stdin), data: asNativeStream(data), signal: asNativeSignal(signal) },
  };
}

function check(name: keyof FastCgiRequest, value: unknown, methods: readonly PropertyKey[], expected: string): void {
  const object = Object(value);
  if (methods.every((method) => typeof object[method] === "function")) return;
  throw new TypeError(`Cannot serve the request: expected its ${name} to be ${expected}, got ${kindOf(value)}`);
}
