// Runs every rule against an application, one after the other, because an application may have only one worker.

import { FastCgiError } from "../../../adapters/node/index.ts";
import { readCgiAnswer, statusOf } from "../../cgi_answer.ts";
import { broken, type Finding, finding, notTold, type Outcome, type Rule, type RuleGroup } from "../report/rule.ts";
import { cgi } from "./rules/cgi.ts";
import { connections } from "./rules/connections.ts";
import { everything } from "./rules/everything.ts";
import { management } from "./rules/management.ts";
import { pairs } from "./rules/pairs.ts";
import { records } from "./rules/records.ts";
import { requests } from "./rules/requests.ts";
import { robustness } from "./rules/robustness.ts";
import { type ApplicationCheckOptions, CHECK_PARAM, Session, token } from "./session.ts";

/** All rules for applications. */
export const applicationRules: readonly RuleGroup<Session>[] = [
  requests,
  management,
  records,
  pairs,
  connections,
  cgi,
  robustness,
  everything,
];

/** What the check knows before the first rule. */
export interface ApplicationFacts {
  /** The status of the page. */
  readonly status: number;
  readonly showsParams: boolean;
  readonly sendsBodyBack: boolean;
}

export interface ApplicationCheckEvents {
  onFacts?(facts: ApplicationFacts): void;
  /** Called after each check, with the number of checks so far and of all. */
  onFinding?(found: Finding, done: number, all: number): void;
}

/** What a check found. */
export interface ApplicationReport {
  readonly findings: Finding[];
  /** How many checks were not made, because they are risky. */
  readonly leftOut: number;
}

/**
 * Checks an application.
 *
 * @throws {Error} If it does not answer a plain GET: there is no answer to compare others with then.
 */
export async function checkApplication(
  options: ApplicationCheckOptions,
  { onFacts, onFinding }: ApplicationCheckEvents = {},
): Promise<ApplicationReport> {
  const session = new Session(options);
  onFacts?.(await lookAround(session));
  const findings: Finding[] = [];
  const canBeMade = ({ isRisky = false }: Rule<Session>): boolean => !(isRisky && options.isSafe);
  const allRules = applicationRules.flatMap(({ rules }) => rules);
  const all = allRules.filter(canBeMade).length;
  let isGone = false;
  for (const group of applicationRules) {
    for (const rule of group.rules.filter(canBeMade)) {
      // The rules about everything need only what came so far, also if the application is gone.
      const canRun = !isGone || group === everything;
      const outcome = canRun ? await runRule(session, rule) : notTold("the application is gone");
      const conversations = session.take();
      const isDoubtful = group === robustness || outcome.verdict !== "kept";
      const complaint = !isGone && isDoubtful && group !== everything ? await session.complaint() : null;
      const found = finding(group.name, rule, withComplaint(outcome, complaint), conversations);
      findings.push(found);
      onFinding?.(found, findings.length, all);
      if (complaint !== null) isGone = !(await session.returns());
    }
  }
  return { findings, leftOut: allRules.length - all };
}

/** The outcome of a rule after which the application does not answer. */
function withComplaint(outcome: Outcome, complaint: string | null): Outcome {
  if (complaint === null) return outcome;
  return broken(outcome.verdict === "broken" ? `${outcome.reason}; ${complaint}` : complaint);
}

async function runRule(session: Session, rule: Rule<Session>): Promise<Outcome> {
  try {
    return await rule.run(session);
  } catch (error) {
    if (!(error instanceof FastCgiError)) throw error;
    return broken(error.message);
  }
}

/** Learns what the usual answers look like. */
async function lookAround(session: Session): Promise<ApplicationFacts> {
  const shown = token();
  const get = await session.request({ params: [[CHECK_PARAM, shown]] });
  if (get.end(1) === null) throw new Error(`Cannot check the application: a plain GET is not answered, ${get.silence}`);
  const page = readCgiAnswer(get.stdout(1));
  session.usualStatus.GET = statusOf(page);
  session.showsParams = page.body.includes(shown);
  const body = token();
  const post = await session.request({ body: new TextEncoder().encode(body) });
  if (post.end(1) !== null) {
    const answer = readCgiAnswer(post.stdout(1));
    session.usualStatus.POST = statusOf(answer);
    session.sendsBodyBack = answer.body === body;
  }
  session.take();
  const { showsParams, sendsBodyBack } = session;
  return { status: session.usualStatus.GET, showsParams, sendsBodyBack };
}
