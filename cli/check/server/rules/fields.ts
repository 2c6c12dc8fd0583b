// What becomes of the client's header fields. This is only known for the command's own requests, which a field marks.

import { broken, kept, notTold, type Outcome, type Rule, type RuleGroup, unless } from "../../report/rule.ts";
import type { ObservedRequest } from "../observed.ts";

/** The fields of the probe for these rules. */
export const PROBE_FIELDS: readonly (readonly [name: string, value: string])[] = [
  ["X-Fetchcgi-Probe", "fields"],
  ["X-Twice", "one"],
  ["X-Twice", "two"],
  ["Cookie", "a=1"],
  ["Cookie", "b=2"],
  ["X-Empty", ""],
  ["X_Under", "forged"],
  ["Proxy", "http://proxy.test/"],
  ["TE", "trailers"],
  ["Authorization", "Basic dXNlcjpwYXNzd29yZA=="],
];

/** A rule about a request with those fields. */
function probed(
  rule: Omit<Rule<ObservedRequest>, "run">,
  judge: (request: ObservedRequest) => Outcome,
): Rule<ObservedRequest> {
  return {
    ...rule,
    run: (request) =>
      request.param("HTTP_X_FETCHCGI_PROBE") === "fields"
        ? judge(request)
        : notTold("no request with such fields came"),
  };
}

/** Checks that a variable is absent. */
function absent(request: ObservedRequest, name: string): Outcome {
  return unless(request.pairs?.some(([key]) => key === name) ? `${name}=${request.param(name)}` : null, `no ${name}`);
}

/** Checks that several fields of one name were joined. */
function joined(request: ObservedRequest, name: string, pattern: RegExp): Outcome {
  const values = request.pairs!.filter(([key]) => key === name).map(([, one]) => one);
  if (values.length === 0) return broken(`there is no ${name}`);
  if (values.length > 1) return broken(`${name} comes ${values.length} times`);
  return pattern.test(values[0]!) ? kept(`${name}=${values[0]}`) : broken(`${name}=${values[0]}`);
}

export const fields: RuleGroup<ObservedRequest> = {
  name: "Header fields",
  rules: [
    probed(
      {
        id: "CGI-4.1.18-2",
        section: "RFC 3875 4.1.18",
        title: "Fields become HTTP_ variables, also when they are empty",
      },
      (request) => unless(request.param("HTTP_X_EMPTY") === "" ? null : "an empty field is dropped", "they do"),
    ),
    probed(
      { id: "CGI-4.1.18-3", section: "RFC 3875 4.1.18", title: "Several fields of one name become one variable" },
      (request) => joined(request, "HTTP_X_TWICE", /^one, ?two$/),
    ),
    probed(
      {
        id: "CGI-4.1.18-3",
        section: "RFC 3875 4.1.18",
        title: "Several Cookie fields become one variable, joined by a semicolon",
      },
      (request) => joined(request, "HTTP_COOKIE", /^a=1; ?b=2$/),
    ),
    probed(
      {
        id: "FIELD-22",
        section: "RFC 3875 4.1.18",
        title: "The field Proxy does not become HTTP_PROXY",
        isAdvice: true,
      },
      (request) => absent(request, "HTTP_PROXY"),
    ),
    probed(
      { id: "FIELD-22", section: "RFC 3875 4.1.18", title: "The field X_Under can't pass for X-Under", isAdvice: true },
      (request) => absent(request, "HTTP_X_UNDER"),
    ),
    probed(
      {
        id: "CGI-4.1.18-9",
        section: "RFC 3875 4.1.18",
        title: "Fields about the connection to the client are not passed on",
        isAdvice: true,
      },
      (request) => {
        const found = ["HTTP_CONNECTION", "HTTP_TE", "HTTP_KEEP_ALIVE"].find(
          (name) => request.param(name) !== undefined,
        );
        return unless(found && `${found}=${request.param(found)}`, "none is");
      },
    ),
    probed(
      {
        id: "FIELD-10",
        section: "RFC 3875 4.1.11",
        title: "REMOTE_USER is not set from a password that was not checked",
        isAdvice: true,
      },
      (request) => {
        const user = request.param("REMOTE_USER") ?? "";
        return unless(user === "" ? null : `REMOTE_USER=${user}`, "there is none");
      },
    ),
    {
      id: "CGI-4.1.18-8",
      section: "RFC 3875 4.1.18",
      title: "Content-Length and Content-Type have no second variable with HTTP_",
      isAdvice: true,
      run(request) {
        if (request.bytes.stdin === 0) return notTold("there is no body");
        const found = ["HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"].find((name) => request.param(name) !== undefined);
        return unless(found, "they have none");
      },
    },
  ],
};
