// Rules about the header that an application writes (RFC 3875 6).

import { isHopByHop, isToken } from "../../../src/toolkit.ts";
import type { CgiAnswer } from "../../cgi_answer.ts";
import { notApplicable, type Outcome, type Rule, unless } from "./rule.ts";

const CGI_FIELDS = ["content-type", "location", "status"] as const;

/** A rule about an answer, which comes at once. */
export interface AnswerRule extends Rule<CgiAnswer> {
  run(answer: CgiAnswer): Outcome;
}

function about(rule: Omit<AnswerRule, "run">, run: AnswerRule["run"]): AnswerRule {
  return { ...rule, run };
}

function badLine(line: string): boolean {
  const colon = line.indexOf(":");
  return colon < 1 || !isToken(line.slice(0, colon));
}

export const answerRules: readonly AnswerRule[] = [
  about({ id: "CGI-6.1-1", section: "RFC 3875 6.1", title: "A response is never empty" }, ({ lines, body }) =>
    unless(lines === null && body === "" ? "there is no byte on STDOUT" : null, "there is one"),
  ),
  about(
    { id: "CGI-6.2-2", section: "RFC 3875 6.2", title: "Header fields, an empty line, the body" },
    ({ lines, body }) =>
      unless(
        lines === null ? `no empty line in ${body.length} bytes` : null,
        `${lines?.length} fields, and an empty line`,
      ),
  ),
  about(
    { id: "CGI-6.3-6", section: "RFC 3875 6.3", title: "Every line of the header is a field: name, colon, value" },
    ({ lines }) => {
      const bad = lines?.find(badLine);
      return unless(bad === undefined ? null : `one line is ${JSON.stringify(bad.slice(0, 60))}`, "all are");
    },
  ),
  about(
    { id: "CGI-6.3-1", section: "RFC 3875 6.3", title: "There is Content-Type, Location or Status" },
    ({ fields }) => {
      const found = CGI_FIELDS.filter((name) => fields.has(name));
      return unless(found.length === 0 ? "none of them" : null, found.join(", "));
    },
  ),
  about({ id: "CGI-6.3-2", section: "RFC 3875 6.3", title: "None of them comes twice" }, ({ fields }) => {
    const timesOf = (name: string): number => fields.get(name)?.length ?? 0;
    const twice = CGI_FIELDS.find((name) => timesOf(name) > 1);
    return unless(twice && `${twice} comes ${timesOf(twice)} times`, "each once at most");
  }),
  about({ id: "CGI-6.3.1-1", section: "RFC 3875 6.3.1", title: "A body has a Content-Type" }, ({ body, fields }) => {
    if (body === "") return notApplicable("there is no body");
    const [type] = fields.get("content-type") ?? [];
    return unless(type === undefined ? "there is none" : null, String(type));
  }),
  about(
    { id: "CGI-6.3.3-1", section: "RFC 3875 6.3.3", title: "Status is three digits, a space and a phrase" },
    ({ fields }) => {
      const [status] = fields.get("status") ?? [];
      if (status === undefined) return notApplicable("there is no Status");
      return unless(/^[1-5]\d\d( .*)?$/.test(status) ? null : `it is ${JSON.stringify(status)}`, status);
    },
  ),
  about(
    { id: "CGI-6.3.4-2", section: "RFC 3875 6.3.4", title: "No field concerns the connection to the client" },
    ({ fields }) => {
      const found = [...fields.keys()].find(isHopByHop);
      return unless(found && `there is ${found}`, "none does");
    },
  ),
  about(
    { id: "FIELD-3", section: "RFC 3875 6.3.3", title: "There is exactly one Status", isAdvice: true },
    ({ fields }) => {
      const { length } = fields.get("status") ?? [];
      return unless(length === 1 ? null : `there are ${length}`, "there is one");
    },
  ),
];
