import { countText, findingText } from "../report/print.ts";
import { type Finding, finding, type Outcome, type RuleGroup, type Verdict } from "../report/rule.ts";
import type { ObservedConnection, ObservedRequest } from "./observed.ts";
import { fields } from "./rules/fields.ts";
import { metaVariables } from "./rules/meta_variables.ts";
import { connectionRules, describeRequest, requestRecordRules } from "./rules/records.ts";

/** Rules about each request. */
export const requestRules: readonly RuleGroup<ObservedRequest>[] = [requestRecordRules, metaVariables, fields];
/** Rules about each connection. */
export { connectionRules };

/** The order of verdicts for many requests: the first one that occurs is that of the web server. */
const WEIGHT: readonly Verdict[] = ["broken", "kept", "not told", "not applicable"];

/** The findings on one request. */
export function judgeRequest(request: ObservedRequest): Finding[] {
  const exchanges = [{ sent: [], came: describeRequest(request) }];
  return requestRules.flatMap(({ name, rules }, index) =>
    // The rules about a request are synchronous.
    rules.map((rule) => finding(name, rule, rule.run(request) as Outcome, index === 0 ? exchanges : [])),
  );
}

function judgeConnection(connection: ObservedConnection): Finding[] {
  const { name, rules } = connectionRules;
  return rules.map((rule) => finding(name, rule, rule.run(connection) as Outcome));
}

/** The findings on the web server: for each rule, one finding from all connections and requests. */
export function judgeServer(connections: readonly ObservedConnection[]): Finding[] {
  const used = connections.filter(
    ({ requests, odd, unreadable }) => requests.length + odd.length > 0 || unreadable !== null,
  );
  const requests = used.flatMap((connection) => connection.requests);
  return [...merge(requests.map(judgeRequest), "requests"), ...merge(used.map(judgeConnection), "connections")];
}

function merge(lists: readonly Finding[][], what: string): Finding[] {
  return (lists[0] ?? []).map((_, index) => {
    const all = lists.map((list) => list[index]!);
    const worst = all.reduce((one, other) =>
      WEIGHT.indexOf(other.verdict) < WEIGHT.indexOf(one.verdict) ? other : one,
    );
    const count = all.filter(({ verdict }) => verdict === worst.verdict).length;
    return { ...worst, reason: `${worst.reason} (${count} of ${all.length} ${what})` };
  });
}

/** The page that answers a request. */
export function pageFor(request: ObservedRequest): string {
  const findings = judgeRequest(request);
  const variables = (request.pairs ?? []).map(([name, value]) => `  ${name}=${value}`);
  return [
    "fetchcgi check server: what the web server has sent for this request",
    "",
    countText(findings),
    ...findings.map((found) => findingText(found, { isVerbose: true })),
    "",
    "Variables:",
    ...variables,
    "",
  ].join("\n");
}
