/** The exit codes of both checks. */
export const CHECK_EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [0, "no rule is broken, apart from advice"],
  [1, "a rule is broken"],
  [2, "nothing could be checked, or the arguments are wrong"],
];
