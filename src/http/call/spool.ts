import type { ByteReader } from "../../codec/byte_source.ts";

/**
 * A place outside memory, such as a temporary file, for one request body that is collected before it is sent. It is
 * closed on every path, and must leave nothing behind then.
 */
export interface Spool {
  /** Adds bytes. Rejects if they can't be kept, for example on a full disk. */
  write(bytes: Uint8Array): Promise<void>;
  /** Reads what was written, from the start. */
  read(): ByteReader;
  /** Deletes everything. A second call does nothing. */
  close(): Promise<void>;
}

/** Opens a {@linkcode Spool}. */
export type OpenSpool = () => Promise<Spool>;
