// What an application accepts for one request, as a table: role × state × input → what to do, and the next state. A
// pair that is not in the table is a protocol error. Nothing here does I/O or holds data.
//
// FastCGI 6.1 wants "nearly sequential marshalling": the streams of a role come one after the other, in the order that
// 6.2, 6.3 and 6.4 give. To keep in step with response_state.ts.

import { RecordType, Role } from "../protocol/constants.ts";

/** How far the input of a request has come. */
export type RequestState = "params" | "stdin" | "data" | "complete";

/** What can come in for a request: a stream's record with content, its end, or an abort. */
export type RequestInput = "PARAMS" | "PARAMS end" | "STDIN" | "STDIN end" | "DATA" | "DATA end" | "ABORT";

/** What to do about an input. `report`: it is dropped and reported. `ignore`: it says nothing new. */
export type RequestAction =
  | "collect params"
  | "start request"
  | "push stdin"
  | "end stdin"
  | "push data"
  | "end data"
  | "abort"
  | "report"
  | "ignore";

type Step = readonly [action: RequestAction, next: RequestState];
type Steps = Readonly<Partial<Record<RequestInput, Step>>>;
type Table = Readonly<Record<RequestState, Steps>>;

/** A second empty record of a stream that has ended says nothing new. */
const ended = (state: RequestState, ...inputs: RequestInput[]): Steps =>
  Object.fromEntries(inputs.map((input) => [input, ["ignore", state]]));

/** Inputs of streams that the role does not have. Real applications ignore them as well. */
const foreign = (state: RequestState, ...inputs: RequestInput[]): Steps =>
  Object.fromEntries(inputs.map((input) => [input, [input.endsWith("end") ? "ignore" : "report", state]]));

const aborted = (state: RequestState): Steps => ({ ABORT: ["abort", state] });

const params = (next: RequestState): Steps => ({
  PARAMS: ["collect params", "params"],
  "PARAMS end": ["start request", next],
  ...aborted("params"),
});

/** FastCGI 6.2: params, then stdin. */
const RESPONDER: Table = {
  params: { ...params("stdin"), ...foreign("params", "DATA", "DATA end") },
  stdin: {
    STDIN: ["push stdin", "stdin"],
    "STDIN end": ["end stdin", "complete"],
    ...aborted("stdin"),
    ...ended("stdin", "PARAMS end"),
    ...foreign("stdin", "DATA", "DATA end"),
  },
  data: {},
  complete: {
    ...aborted("complete"),
    ...ended("complete", "PARAMS end", "STDIN end"),
    ...foreign("complete", "DATA", "DATA end"),
  },
};

/** FastCGI 6.3: params only. lighttpd sends an empty stdin as well. */
const AUTHORIZER: Table = {
  params: { ...params("complete"), ...foreign("params", "STDIN", "STDIN end", "DATA", "DATA end") },
  stdin: {},
  data: {},
  complete: {
    ...aborted("complete"),
    ...ended("complete", "PARAMS end"),
    ...foreign("complete", "STDIN", "STDIN end", "DATA", "DATA end"),
  },
};

/** FastCGI 6.4: params, then stdin, then data. */
const FILTER: Table = {
  params: params("stdin"),
  stdin: {
    STDIN: ["push stdin", "stdin"],
    "STDIN end": ["end stdin", "data"],
    ...aborted("stdin"),
    ...ended("stdin", "PARAMS end"),
  },
  data: {
    DATA: ["push data", "data"],
    "DATA end": ["end data", "complete"],
    ...aborted("data"),
    ...ended("data", "PARAMS end", "STDIN end"),
  },
  complete: { ...aborted("complete"), ...ended("complete", "PARAMS end", "STDIN end", "DATA end") },
};

const TABLES: Readonly<Record<Role, Table>> = {
  [Role.Responder]: RESPONDER,
  [Role.Authorizer]: AUTHORIZER,
  [Role.Filter]: FILTER,
};

/** The input that a record of `type` is, or null for a type that a request does not have. */
export function requestInput(type: number, contentLength: number): RequestInput | null {
  switch (type) {
    case RecordType.Params:
      return contentLength > 0 ? "PARAMS" : "PARAMS end";
    case RecordType.Stdin:
      return contentLength > 0 ? "STDIN" : "STDIN end";
    case RecordType.Data:
      return contentLength > 0 ? "DATA" : "DATA end";
    case RecordType.AbortRequest:
      return "ABORT";
    default:
      return null;
  }
}

/** What to do about `input`; undefined if it must not come. */
export function requestStep(role: Role, state: RequestState, input: RequestInput): Step | undefined {
  return TABLES[role][state][input];
}

/** Whether `role` is one of the three that FastCGI 6 defines. */
export function isKnownRole(role: number): role is Role {
  return role in TABLES;
}
