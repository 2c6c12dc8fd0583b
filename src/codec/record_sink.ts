// The destination of records that are sent. The same code sends requests and responses to a connection, whose
// RecordWriter is a sink, and to an encoding stage.

import type { FastCgiRecord } from "../protocol/record.ts";

/** Takes the records of the requests or responses of a connection. */
export interface RecordSink {
  /** Whether several streams may write, so that each must write little at a time. */
  readonly isShared: boolean;
  /**
   * Takes records. They are sent after all earlier ones.
   *
   * @param atOnce Whether they are sent now, because nothing else is expected to be sent with them.
   */
  write(records: readonly FastCgiRecord[], atOnce?: boolean): WrittenRecords;
  /** As {@linkcode RecordSink.write}, for whole records that were encoded as one piece. */
  writeEncoded(bytes: Uint8Array, atOnce?: boolean): WrittenRecords;
}

/** Records that were given to a {@linkcode RecordSink}. */
export interface WrittenRecords {
  /**
   * Resolves when there is room for more: waiting for it is back-pressure. Rejects if the records are never sent.
   * Undefined if there is room already.
   */
  readonly taken: Promise<void> | undefined;
  /** Whether sending them has begun: the peer may have read some of them. */
  readonly hasLeft: boolean;
}
