import { optionsOf, unexpected } from "../base/unexpected.ts";

/**
 * What went wrong, as a closed union:
 *
 * | code | meaning |
 * |---|---|
 * | `protocol` | the peer broke the FastCGI protocol; its connection is closed |
 * | `limit` | the peer passed a limit; `limit` names the option |
 * | `timeout` | the peer was silent for too long; `limit` names the option |
 * | `aborted` | the web server aborted the request (FastCGI 5.4) |
 * | `connectionClosed` | the connection closed before the exchange was complete |
 * | `connectFailed` | no connection to the application could be opened |
 * | `lengthMismatch` | a body is shorter or longer than its announced length |
 * | `lengthRequired` | a request body of unknown length is larger than memory may hold, and there is no spool |
 * | `spoolFailed` | the spool could not keep a request body |
 * | `malformedRequest` | the meta-variables do not describe an HTTP request |
 * | `malformedResponse` | the application's output is not a CGI response (RFC 3875 6) |
 * | `overloaded`, `cantMultiplex`, `unknownRole` | the application refused the request (FastCGI 5.5) |
 */
export type FastCgiErrorCode =
  | "protocol"
  | "limit"
  | "timeout"
  | "aborted"
  | "connectionClosed"
  | "connectFailed"
  | "lengthMismatch"
  | "lengthRequired"
  | "spoolFailed"
  | "malformedRequest"
  | "malformedResponse"
  | "overloaded"
  | "cantMultiplex"
  | "unknownRole";

/**
 * The status that a gateway answers with when its request to the application failed with a code (RFC 9110 15.5, 15.6).
 */
const GATEWAY_STATUS: Readonly<Record<FastCgiErrorCode, number>> = {
  protocol: 502,
  limit: 502,
  timeout: 504,
  aborted: 502,
  connectionClosed: 502,
  connectFailed: 502,
  lengthMismatch: 400,
  lengthRequired: 411,
  spoolFailed: 500,
  malformedRequest: 400,
  malformedResponse: 502,
  overloaded: 503,
  cantMultiplex: 502,
  unknownRole: 502,
};

/** Options whose status differs from that of the codes `limit` and `timeout`. */
const GATEWAY_STATUS_OF_LIMIT: ReadonlyMap<string | undefined, number> = new Map([
  // Too many requests wait for a connection, which passes.
  ["maxQueuedRequests", 503],
  // The gateway's HTTP client sends too much, or too slowly.
  ["maxSpooledRequestBytes", 413],
  ["requestBodyTimeout", 408],
]);

/** The facts of a {@linkcode FastCgiError}, where they apply. */
export interface FastCgiErrorOptions {
  /** The request on its connection. */
  requestId?: number | undefined;
  /** The name of the option that was reached. */
  limit?: string | undefined;
  /** The `protocolStatus` of the FCGI_END_REQUEST record. */
  protocolStatus?: number | undefined;
  /** What the application wrote to FCGI_STDERR, as UTF-8 text. */
  stderr?: string | undefined;
  /** The error underneath. */
  cause?: unknown;
}

/**
 * An error in an exchange between a web server and an application. Wrong calls throw a `TypeError` or `RangeError`
 * instead.
 */
export class FastCgiError extends Error {
  /** Set as a string, because a minifier may rename the class. */
  override readonly name = "FastCgiError";
  /** What went wrong. */
  readonly code: FastCgiErrorCode;
  /** The request on its connection, where the error concerns one. */
  readonly requestId: number | undefined;
  /** The name of the option that was reached (`limit`, `timeout`, `lengthRequired`). */
  readonly limit: string | undefined;
  /** The `protocolStatus` of FCGI_END_REQUEST, where the application refused. */
  readonly protocolStatus: number | undefined;
  /** What the application had written to FCGI_STDERR by then, as text. */
  readonly stderr: string | undefined;

  /** Whether `value` is one. False for a thrown value that throws when it is looked at, such as a revoked proxy. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    try {
      // biome-ignore lint/complexity/noThisInStatic: a subclass asks for its own instances.
      return super[Symbol.hasInstance](value);
    } catch {
      return false;
    }
  }

  /**
   * Makes an error. Connectors and handlers may throw one as well.
   *
   * @throws {TypeError} If there is no such code.
   */
  constructor(code: FastCgiErrorCode, message: string, options: FastCgiErrorOptions = {}) {
    const { cause, requestId, limit, protocolStatus, stderr } = optionsOf(options);
    super(message, cause === undefined ? undefined : { cause });
    if (typeof code !== "string" || !Object.hasOwn(GATEWAY_STATUS, code)) {
      throw unexpected("Cannot make a FastCgiError: expected code to be one of FastCgiErrorCode", code);
    }
    this.code = code;
    this.requestId = requestId;
    this.limit = limit;
    this.protocolStatus = protocolStatus;
    this.stderr = stderr;
  }

  /**
   * The HTTP status for a gateway whose request to an application failed with this error: 502 for most, 504 for a timeout, 503
   * for an overloaded application, 400, 408, 411 or 413 where the request is at fault.
   */
  get gatewayStatus(): number {
    return GATEWAY_STATUS_OF_LIMIT.get(this.limit) ?? GATEWAY_STATUS[this.code];
  }
}

/** Makes the error for a peer that broke the protocol. */
export function protocolError(message: string, requestId?: number): FastCgiError {
  return new FastCgiError("protocol", message, { requestId });
}
