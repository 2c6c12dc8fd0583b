import type { FastCgiError } from "../../src/toolkit.ts";
import { EXIT_INTERRUPTED } from "../frame/command.ts";

/** The exit codes of `fetchcgi request`, besides that for wrong arguments. */
export const REQUEST_EXITS: Readonly<
  Record<"answered" | "refused" | "unreachable" | "broken" | "interrupted", number>
> = { answered: 0, refused: 1, unreachable: 3, broken: 4, interrupted: EXIT_INTERRUPTED };

/** The exit code for an answer: a status that is no number counts as an error. */
export function exitOfStatus(status: number): number {
  return status < 400 ? REQUEST_EXITS.answered : REQUEST_EXITS.refused;
}

/** The exit code for an exchange that failed. */
export function exitOfError({ code, limit }: FastCgiError): number {
  const isUnreachable = code === "connectFailed" || limit === "connectTimeout";
  return isUnreachable ? REQUEST_EXITS.unreachable : REQUEST_EXITS.broken;
}
