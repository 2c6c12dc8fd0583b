/** What a check found. `not told`: nothing that came shows whether the rule is kept. */
export type Verdict = "kept" | "broken" | "not told" | "not applicable";

/** A verdict, and the reason for it. */
export interface Outcome {
  readonly verdict: Verdict;
  /** One line. */
  readonly reason: string;
}

/** One check of one rule of `specifications/conformance.md`. */
export interface Rule<Subject> {
  /** The rule's id in that table. Several checks can be about one rule. */
  readonly id: string;
  /** Such as "FastCGI 4.1" or "RFC 3875 6.2". */
  readonly section: string;
  /** What the program under check is expected to do. */
  readonly title: string;
  /**
   * Whether the rule is a recommendation of the specification, or learned from real servers: breaking it does not fail
   * the check.
   */
  readonly isAdvice?: boolean;
  /** Whether it sends what no web server sends, of which applications are known to hang or to crash. */
  readonly isRisky?: boolean;
  run(subject: Subject): Outcome | Promise<Outcome>;
}

/** Checks that belong together. */
export interface RuleGroup<Subject> {
  readonly name: string;
  readonly rules: readonly Rule<Subject>[];
}

/** The result of a check. */
export interface Finding extends Outcome {
  readonly group: string;
  readonly id: string;
  readonly section: string;
  readonly title: string;
  readonly isAdvice: boolean;
  /** The traffic of each connection that the check itself opened. */
  readonly exchanges: readonly ConversationLog[];
}

/** The traffic of one connection, in words. */
export interface ConversationLog {
  readonly sent: readonly string[];
  readonly came: readonly string[];
}

export function kept(reason: string): Outcome {
  return { verdict: "kept", reason };
}

export function broken(reason: string): Outcome {
  return { verdict: "broken", reason };
}

export function notTold(reason: string): Outcome {
  return { verdict: "not told", reason };
}

export function notApplicable(reason: string): Outcome {
  return { verdict: "not applicable", reason };
}

/** `broken` if there is a complaint, otherwise `kept`. */
export function unless(complaint: string | null | undefined, reason: string): Outcome {
  return typeof complaint === "string" ? broken(complaint) : kept(reason);
}

/** Makes the finding of a check. */
export function finding<Subject>(
  group: string,
  { id, section, title, isAdvice = false }: Rule<Subject>,
  { verdict, reason }: Outcome,
  exchanges: readonly ConversationLog[] = [],
): Finding {
  return { group, id, section, title, isAdvice, verdict, reason, exchanges };
}

/** Whether no rule is broken, apart from advice. */
export function passes(findings: readonly Finding[]): boolean {
  return !findings.some(({ verdict, isAdvice }) => verdict === "broken" && !isAdvice);
}
