/** How a connection treats its input. */
export type Input =
  | "wanted"
  /** As before, but a request has ended before its input, so the rest of that input is dropped. */
  | "partly wanted"
  /** The input can't be understood, and is dropped. */
  | "unreadable"
  /** The input has ended. */
  | "ended";
