// What crossed a wire, as it was seen: the input of everything that decodes. A tap makes it live, and `inspect` from a file.

/** The two ends of a FastCGI connection. */
export type Party = "web server" | "application";

/** Something that happened on a connection. */
export type TraceEvent = {
  /** Milliseconds since the trace began. */
  readonly time: number;
  /** The number of the connection, from 1. */
  readonly connection: number;
} & (
  | { readonly what: "opened"; readonly about?: string | undefined }
  | { readonly what: "bytes"; readonly from: Party; readonly bytes: Uint8Array }
  /** Bytes that crossed the wire, and are not in the trace. */
  | { readonly what: "lost"; readonly from: Party; readonly length: number }
  /** A party has closed its side. */
  | { readonly what: "end"; readonly from: Party }
  /** A party has broken the connection, such as by a reset. */
  | { readonly what: "broken"; readonly from: Party; readonly reason: string }
  /** There was no connection to the application. */
  | { readonly what: "refused"; readonly reason: string }
  | { readonly what: "closed" }
);

/** Takes what happens. */
export type Watcher = (event: TraceEvent) => void;

/** Which sides of the traffic a trace has. */
export type Sides = "both" | Party;
