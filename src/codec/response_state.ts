// What a web server accepts for one request, as a table: state × input → what to do, and the next state. A pair that is
// not in the table is a protocol error. To keep in step with request_state.ts.

import { RecordType } from "../protocol/constants.ts";

/** How far the output of a request has come. */
export type ResponseState = "open" | "stdout ended" | "complete";

/** What can come in from the application for a request. */
export type ResponseInput = "STDOUT" | "STDOUT end" | "STDERR" | "STDERR end" | "END_REQUEST";

/** What to do about an input. */
export type ResponseAction = "push stdout" | "push stderr" | "complete" | "ignore";

type Step = readonly [action: ResponseAction, next: ResponseState];

/**
 * The two streams come in any order (FastCGI 6.1), and END_REQUEST ends both: PHP never sends the empty FCGI_STDOUT
 * record. So the end of stdout only changes the state, and the response is complete at END_REQUEST.
 */
const TABLE: Readonly<Record<ResponseState, Readonly<Partial<Record<ResponseInput, Step>>>>> = {
  open: {
    STDOUT: ["push stdout", "open"],
    "STDOUT end": ["ignore", "stdout ended"],
    STDERR: ["push stderr", "open"],
    "STDERR end": ["ignore", "open"],
    END_REQUEST: ["complete", "complete"],
  },
  "stdout ended": {
    "STDOUT end": ["ignore", "stdout ended"],
    STDERR: ["push stderr", "stdout ended"],
    "STDERR end": ["ignore", "stdout ended"],
    END_REQUEST: ["complete", "complete"],
  },
  complete: {},
};

/** The input that a record of `type` is, or null for a type that a response does not have. */
export function responseInput(type: number, contentLength: number): ResponseInput | null {
  switch (type) {
    case RecordType.Stdout:
      return contentLength > 0 ? "STDOUT" : "STDOUT end";
    case RecordType.Stderr:
      return contentLength > 0 ? "STDERR" : "STDERR end";
    case RecordType.EndRequest:
      return "END_REQUEST";
    default:
      return null;
  }
}

/** What to do about `input`; undefined if it must not come. */
export function responseStep(state: ResponseState, input: ResponseInput): Step | undefined {
  return TABLE[state][input];
}
