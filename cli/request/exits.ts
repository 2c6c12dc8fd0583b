/** The exit codes of `fetchcgi request`, besides that for wrong arguments. */
export const REQUEST_EXITS = { answered: 0, refused: 1, unreachable: 3, broken: 4, interrupted: 130 } as const;
