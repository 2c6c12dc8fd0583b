/** How far a connection has come, on either side. It only goes forward. */
export type Phase =
  /** Takes requests. */
  | "open"
  /** Is closed as soon as no request is active. */
  | "finishing"
  /** No request is active any more. What is left to be sent leaves, and what comes is read and dropped. */
  | "lingering"
  | "closed";
