import { EXIT_INTERRUPTED } from "../frame/command.ts";

/** The exit codes of `fetchcgi request`, besides that for wrong arguments. */
export const REQUEST_EXITS: Readonly<
  Record<"answered" | "refused" | "unreachable" | "broken" | "interrupted", number>
> = { answered: 0, refused: 1, unreachable: 3, broken: 4, interrupted: EXIT_INTERRUPTED };
