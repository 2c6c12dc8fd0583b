/** The exit codes besides that of wrong arguments. */
export const GATEWAY_EXITS = {
  /** It was asked to end, and has. */
  ended: 0,
  /** PHP is not there or does not start, or the address can't be listened on. */
  failed: 1,
} as const;
