// What is odd against the rules of specifications/conformance.md, as far as the bytes show it. The rules are those of `fetchcgi check`.

import { type CgiAnswer, statusOf } from "../cgi_answer.ts";
import { answerRules } from "../check/report/answer_rules.ts";
import type { Outcome, Rule } from "../check/report/rule.ts";
import type { ObservedRequest } from "../check/server/observed.ts";
import { requestRules } from "../check/server/report.ts";
import type { Oddity } from "./report.ts";

/**
 * What is odd about the records and the variables of a request.
 *
 * @param isAnswered Whether the trace has the answer. Then a stream without its end is not odd: the answer came early, or there was none.
 */
export function requestOddities(request: ObservedRequest, { isAnswered }: { readonly isAnswered: boolean }): Oddity[] {
  const rules = requestRules
    .flatMap((group) => group.rules)
    .filter(({ id }) => !isAnswered || id !== "FCGI-3.3-17")
    // Most sites give their pages paths that are not those of the scripts: nothing is odd about that.
    .filter(({ id }) => id !== "CGI-3.3-1");
  return broken(rules, request);
}

/** What is known of a response that came to its end. */
export interface AnswerFacts {
  readonly answer: CgiAnswer;
  /** Bytes behind the header; `answer` has only the beginning. */
  readonly bodyBytes: number;
  /** Bytes of the first record of STDOUT. */
  readonly firstOutput: number;
  readonly method: string | undefined;
  /** Whether END_REQUEST says that the request was refused. */
  readonly isRefused: boolean;
  readonly isAuthorizer: boolean;
}

/** What is odd about a response. */
export function answerOddities(facts: AnswerFacts): Oddity[] {
  const { answer, bodyBytes, isRefused } = facts;
  if (isRefused && answer.lines === null && bodyBytes === 0) return broken(REFUSAL_RULES, facts);
  // PHP sends no Status for a 200: nothing is odd about that.
  const header = answerRules
    .filter(({ id }) => answer.lines !== null || HEADERLESS.includes(id))
    .filter(({ id }) => id !== "FIELD-3");
  return [...broken(header, answer), ...(answer.lines === null ? [] : broken(MESSAGE_RULES, facts))];
}

/** The rules that say something about a response without a header. */
const HEADERLESS: readonly string[] = ["CGI-6.1-1", "CGI-6.2-2"];

const REFUSAL_RULES: readonly Rule<AnswerFacts>[] = [
  {
    id: "FIELD-4",
    section: "FastCGI 5.5",
    title: "A refusal is a complete CGI response",
    isAdvice: true,
    run: () => ({ verdict: "broken", reason: "END_REQUEST came without one: web servers misread that" }),
  },
];

const MESSAGE_RULES: readonly Rule<AnswerFacts>[] = [
  rule("FIELD-1", "FastCGI 6.2", "The whole header is in one record", ({ answer, firstOutput }) =>
    answer.headerLength > firstOutput ? `the first has ${firstOutput} of its ${answer.headerLength} bytes` : null,
  ),
  {
    ...rule("CGI-4.3.3-1", "RFC 3875 4.3.3", "The answer to HEAD has no body", ({ method, bodyBytes }) =>
      method === "HEAD" && bodyBytes > 0 ? `it has ${bodyBytes} bytes` : null,
    ),
    isAdvice: false,
  },
  rule("FIELD-24", "RFC 3875 6.3.3", "A response with 204 or 304 has no body", ({ answer, bodyBytes }) => {
    const status = statusOf(answer);
    return (status === 204 || status === 304) && bodyBytes > 0 ? `${status} has one of ${bodyBytes} bytes` : null;
  }),
  rule(
    "FIELD-43",
    "RFC 3875 6.3",
    "A body is as long as Content-Length says",
    ({ answer, method, bodyBytes, isAuthorizer }) => {
      const length = answer.fields.get("content-length")?.at(-1) ?? "";
      if (method === "HEAD" || isAuthorizer || statusOf(answer) === 304 || !/^\d{1,15}$/.test(length)) return null;
      return Number(length) === bodyBytes ? null : `Content-Length is ${length}, the body has ${bodyBytes} bytes`;
    },
  ),
  {
    ...rule("CGI-7.2-3", "RFC 3875 7.2", "No NUL is in the header", ({ answer }) =>
      answer.lines?.some((line) => line.includes("\0")) ? "there is one" : null,
    ),
    isAdvice: false,
  },
];

/** A rule that is broken where `complain` says something. */
function rule(
  id: string,
  section: string,
  title: string,
  complain: (facts: AnswerFacts) => string | null,
): Rule<AnswerFacts> {
  return {
    id,
    section,
    title,
    isAdvice: true,
    run(facts) {
      const reason = complain(facts);
      return reason === null ? { verdict: "kept", reason: "" } : { verdict: "broken", reason };
    },
  };
}

function broken<Subject>(rules: readonly Rule<Subject>[], subject: Subject): Oddity[] {
  return rules.flatMap(({ id, title, isAdvice = false, run }) => {
    // These rules are synchronous: they look only at what is there.
    const { verdict, reason } = run(subject) as Outcome;
    return verdict === "broken" ? [{ rule: id, title, reason, isAdvice }] : [];
  });
}

/** The rules by which traffic is judged, for the test that compares them with the table. */
export const ODDITY_RULES: readonly string[] = [
  ...requestRules.flatMap(({ rules }) => rules),
  ...answerRules,
  ...REFUSAL_RULES,
  ...MESSAGE_RULES,
].map(({ id }) => id);
