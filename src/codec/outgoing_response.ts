import { MAX_SENT_CONTENT_LENGTH } from "../protocol/constants.ts";
import { type ByteSource, type ByteSourceInit, byteSourceOf, cancelSource } from "./byte_source.ts";
import { MAX_WHOLE_LENGTH, WholeOutput } from "./whole_output.ts";

/** The answer of an application (FastCGI 6). */
export interface FastCgiResponse {
  /** A CGI response, header block and body (RFC 3875 6): text, bytes, a Blob, a stream and more, or several one after the other. */
  stdout?: ByteSourceInit | null | readonly ByteSourceInit[];
  /**
   * Text for the web server's error log, in the same forms as `stdout`. Text or bytes at its beginning are sent before
   * `stdout`, as nginx's `fastcgi_catch_stderr` needs it; the rest is sent beside `stdout`. Set it only if the web
   * server accepts it: HAProxy 2.6 and others fail on it (see specifications/fastcgi.md).
   */
  stderr?: ByteSourceInit | null | readonly ByteSourceInit[];
  /**
   * The exit status that a CGI program would return (FastCGI 5.5), an integer of 32 bits. No known web server reads it.
   * If a promise gives anything else, `onError` is told and the status is 1.
   *
   * @default {0}
   */
  appStatus?: number | PromiseLike<number>;
}

/**
 * The parts of a response that go to FCGI_STDOUT.
 *
 * @throws {TypeError} If a part of it can't be sent. The others are cancelled then.
 */
export function outputOf(response: FastCgiResponse): ByteSource[] {
  const parts = partsOf(response.stdout);
  try {
    return parts.map((part) => (part instanceof WholeOutput ? part : byteSourceOf(part, "stdout")));
  } catch (error) {
    cancelOutput(response, error);
    throw error;
  }
}

/** Cancels the parts of a response, which will not be read. */
export function cancelOutput({ stdout, stderr }: FastCgiResponse, reason: unknown): void {
  for (const part of [...partsOf(stdout), ...partsOf(stderr)]) void cancelSource(part, reason);
}

/** The parts of an option that accepts one part, several, or none. */
export function partsOf(given: FastCgiResponse["stdout" | "stderr"]): readonly ByteSourceInit[] {
  if (Array.isArray(given)) return given;
  return given === undefined || given === null ? [] : [given as ByteSourceInit];
}

/** The output of a response if it is only bytes that fit one record; otherwise null. */
export function wholeOutput(
  output: readonly ByteSource[],
  { stderr, appStatus = 0 }: FastCgiResponse,
): WholeOutput | Uint8Array | null {
  const [only] = output;
  if (output.length !== 1 || partsOf(stderr).length > 0 || appStatus !== 0) return null;
  if (only instanceof WholeOutput) return only;
  if (!(only instanceof Uint8Array) || only.length === 0 || only.length > MAX_SENT_CONTENT_LENGTH) return null;
  return only.length <= MAX_WHOLE_LENGTH ? new WholeOutput("", [only]) : only;
}
