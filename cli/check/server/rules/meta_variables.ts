// The meta-variables of RFC 3875 4.1.

import { isIP } from "node:net";
import { Role } from "../../../../adapters/node/index.ts";
import { RecordType } from "../../../../src/toolkit.ts";
import {
  broken,
  kept,
  notApplicable,
  notTold,
  type Outcome,
  type Rule,
  type RuleGroup,
  unless,
} from "../../report/rule.ts";
import type { ObservedRequest } from "../observed.ts";

type Judge = (value: string, request: ObservedRequest) => Outcome;

/** Makes a rule about a variable that must be set. */
function required(id: string, name: string, title: string, judge: Judge): Rule<ObservedRequest> {
  return about(id, title, (request) => {
    // FastCGI 6.3: an Authorizer does not get it.
    if (request.role === Role.Authorizer && NOT_FOR_AUTHORIZERS.includes(name))
      return notApplicable("for an Authorizer");
    const value = request.param(name);
    return value === undefined ? broken(`there is no ${name}`) : judge(value, request);
  });
}

const NOT_FOR_AUTHORIZERS: readonly string[] = ["SCRIPT_NAME", "CONTENT_LENGTH", "PATH_INFO", "PATH_TRANSLATED"];

function about(id: string, title: string, run: (request: ObservedRequest) => Outcome): Rule<ObservedRequest> {
  const section = `RFC 3875 ${id.split("-")[1]}`;
  return {
    id,
    section,
    title,
    run: (request) => (request.pairs === null ? notTold("PARAMS is not complete") : run(request)),
  };
}

/** Judges a value by a pattern. */
function matches(pattern: RegExp): Judge {
  return (value) => (pattern.test(value) ? kept(value) : broken(`it is ${JSON.stringify(value)}`));
}

/** CONTENT_LENGTH as a number; null if it is none. */
function lengthOf(request: ObservedRequest): number | null {
  const value = request.param("CONTENT_LENGTH");
  return value !== undefined && /^[0-9]{1,15}$/.test(value) ? Number(value) : null;
}

function contentLength(request: ObservedRequest): Outcome {
  if (!request.hasEnded(RecordType.Stdin)) return notTold("STDIN has not ended");
  const { stdin } = request.bytes;
  const value = request.param("CONTENT_LENGTH");
  if (value !== undefined && value !== "" && lengthOf(request) === null)
    return broken(`it is ${JSON.stringify(value)}`);
  if (stdin > 0 && lengthOf(request) === null) return broken(`STDIN has ${stdin} bytes, and there is none`);
  return stdin > 0 ? kept(String(value)) : kept("there is no body");
}

function contentLengthIsRight(request: ObservedRequest): Outcome {
  const length = lengthOf(request);
  if (length === null) return notApplicable("there is none");
  if (!request.hasEnded(RecordType.Stdin)) return notTold("STDIN has not ended");
  const { stdin } = request.bytes;
  return unless(stdin === length ? null : `CONTENT_LENGTH is ${length}, STDIN has ${stdin} bytes`, `${length} bytes`);
}

/** Whether SCRIPT_NAME and PATH_INFO together are the path of REQUEST_URI. */
function sameScriptUri(request: ObservedRequest): Outcome {
  if (request.role === Role.Authorizer) return notApplicable("for an Authorizer");
  const uri = request.param("REQUEST_URI");
  if (uri === undefined) return notTold("there is no REQUEST_URI to compare with");
  const path = `${request.param("SCRIPT_NAME") ?? ""}${request.param("PATH_INFO") ?? ""}`;
  const asked = uri.replace(/^https?:\/\/[^/]*/i, "").split("?")[0]!;
  return unless(decoded(asked) === decoded(path) ? null : `they say ${path}, REQUEST_URI says ${asked}`, path);
}

function decoded(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function namesDifferInCase(request: ObservedRequest): Outcome {
  const seen = new Map<string, string>();
  for (const [name] of request.pairs!) {
    const earlier = seen.get(name.toUpperCase());
    if (earlier !== undefined && earlier !== name) return broken(`${earlier} and ${name}`);
    seen.set(name.toUpperCase(), name);
  }
  return kept(`${seen.size} names`);
}

/** Rules about the variables that every request needs, and about those that some have. */
export const metaVariables: RuleGroup<ObservedRequest> = {
  name: "Meta-variables",
  rules: [
    required(
      "CGI-4.1.4-1",
      "GATEWAY_INTERFACE",
      "GATEWAY_INTERFACE names CGI and its version",
      matches(/^CGI\/\d+\.\d+$/),
    ),
    required("CGI-4.1.12-1", "REQUEST_METHOD", "REQUEST_METHOD is set", matches(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/)),
    required("CGI-4.1.13-1", "SCRIPT_NAME", "SCRIPT_NAME is set: empty, or a path", matches(/^(\/.*)?$/s)),
    required("CGI-4.1.7-1", "QUERY_STRING", "QUERY_STRING is set, also when there is none", matches(/^[^\s]*$/)),
    required("CGI-4.1.8-1", "REMOTE_ADDR", "REMOTE_ADDR is an address", (value) =>
      isIP(value) > 0 ? kept(value) : broken(`it is ${JSON.stringify(value)}`),
    ),
    required(
      "CGI-4.1.14-1",
      "SERVER_NAME",
      "SERVER_NAME is a name or an address, without a port",
      matches(/^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/),
    ),
    required("CGI-4.1.15-1", "SERVER_PORT", "SERVER_PORT is a number", matches(/^[0-9]{1,5}$/)),
    required(
      "CGI-4.1.16-1",
      "SERVER_PROTOCOL",
      "SERVER_PROTOCOL is a protocol and its version",
      // Without a version it may be INCLUDED, for a part of a page.
      matches(/^(INCLUDED|[A-Z]+\/\d+(\.\d+)?)$/),
    ),
    required("CGI-4.1.17-1", "SERVER_SOFTWARE", "SERVER_SOFTWARE is set", matches(/^[^\s/]+.*$/)),
    about("CGI-4.1.2-1", "CONTENT_LENGTH is set if there is a body", contentLength),
    about("CGI-4.1.2-2", "CONTENT_LENGTH is the number of bytes on STDIN", contentLengthIsRight),
    about("CGI-4.1.3-1", "CONTENT_TYPE is that of the request", (request) => {
      const field = request.param("HTTP_CONTENT_TYPE") ?? PROBE_TYPES[request.param("HTTP_X_FETCHCGI_PROBE") ?? ""];
      const value = request.param("CONTENT_TYPE");
      if (field === undefined) return notTold("nothing says what the client has sent");
      return unless(
        value === field ? null : `it is ${JSON.stringify(value)}, the client said ${JSON.stringify(field)}`,
        field,
      );
    }),
    about("CGI-4.1.5-1", "PATH_INFO is empty, or a path", (request) => {
      const value = request.param("PATH_INFO");
      return value === undefined ? notApplicable("there is none") : matches(/^(\/.*)?$/s)(value, request);
    }),
    about("CGI-4.1.6-2", "Without PATH_INFO there is no PATH_TRANSLATED", (request) =>
      unless(
        (request.param("PATH_INFO") ?? "") === "" && (request.param("PATH_TRANSLATED") ?? "") !== ""
          ? `PATH_TRANSLATED is ${request.param("PATH_TRANSLATED")}`
          : null,
        "there is none, or both",
      ),
    ),
    { ...about("CGI-3.3-1", "SCRIPT_NAME and PATH_INFO together are the path", sameScriptUri), isAdvice: true },
    about("CGI-4.1-1", "No names differ in case alone", namesDifferInCase),
    about("CGI-7.2-3", "No name or value holds a NUL", (request) => {
      const bad = request.pairs!.find(([name, value]) => `${name}${value}`.includes("\0"));
      return unless(bad && `${JSON.stringify(bad[0])} does`, "none does");
    }),
  ],
};

/** The content types of the command's own requests. */
export const PROBE_TYPES: Readonly<Record<string, string>> = { post: "text/x-fetchcgi", chunked: "text/x-fetchcgi" };
