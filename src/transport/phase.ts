/** The phase of a connection, on either side. It only goes forward. */
export type Phase =
  /** Accepts requests. */
  | "open"
  /** Is closed once no request is active. */
  | "finishing"
  /** No request is active any more. The rest of the output is sent, and input is read and dropped. */
  | "lingering"
  | "closed";

/** Whether requests and responses go on in a phase. */
export const GOES_ON: Readonly<Record<Phase, boolean>> = {
  open: true,
  finishing: true,
  lingering: false,
  closed: false,
};
