// Where records go that are sent. Requests and responses are sent by one code, whether the records go to a connection, whose RecordWriter is
// a sink, or come out of an encoding stage.

import type { FastCgiRecord } from "../protocol/record.ts";

/** Takes the records of the requests or responses of a connection. */
export interface RecordSink {
  /** Whether several streams may want to write, so that each gives little at a time. */
  readonly isShared: boolean;
  /**
   * Takes records. They leave behind all that came before.
   *
   * @param atOnce Whether nothing else is expected to leave with them.
   */
  write(records: readonly FastCgiRecord[], atOnce?: boolean): WrittenRecords;
}

/** Records that a {@linkcode RecordSink} was given. */
export interface WrittenRecords {
  /** Resolves when there is room for more: waiting for it is back-pressure. Rejects if they never leave. */
  readonly taken: Promise<void>;
  /** Whether they are on their way: the peer may have read a part of them. */
  readonly hasLeft: boolean;
}
