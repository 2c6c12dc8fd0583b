// Rules about the header that the application writes (RFC 3875 6), for the one page that it is checked with.

import { type CgiAnswer, readCgiAnswer } from "../../../cgi_answer.ts";
import { answerRules } from "../../report/answer_rules.ts";
import { kept, notTold, type Outcome, type Rule, type RuleGroup, unless } from "../../report/rule.ts";
import type { Session } from "../session.ts";

type Judge = (answer: CgiAnswer) => Outcome;

/** A rule about the answer to a usual GET. */
function about(rule: Omit<Rule<Session>, "run">, judge: Judge): Rule<Session> {
  return {
    ...rule,
    async run(session) {
      const conversation = await session.request();
      if (conversation.end(1) === null) return notTold(`no answer: ${conversation.silence}`);
      const answer = readCgiAnswer(conversation.stdout(1));
      if (answer.lines === null && rule.id !== "CGI-6.1-1" && rule.id !== "CGI-6.2-2")
        return notTold("there is no header");
      return judge(answer);
    },
  };
}

export const cgi: RuleGroup<Session> = {
  name: "The CGI response",
  rules: [
    ...answerRules.map(({ run, ...rule }) => about(rule, run)),
    {
      id: "CGI-4.3.3-1",
      section: "RFC 3875 4.3.3",
      title: "The answer to HEAD has no body",
      async run(session) {
        const conversation = await session.request({ method: "HEAD" });
        if (conversation.end(1) === null) return notTold(`no answer: ${conversation.silence}`);
        const { body } = readCgiAnswer(conversation.stdout(1));
        return body === "" ? kept("it has none") : unless(`it has ${body.length} bytes`, "");
      },
    },
  ],
};
