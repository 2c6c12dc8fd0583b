import type { ByteReader } from "../../transport/byte_source.ts";

/**
 * A place outside memory for one request body that is collected before it is sent: a temporary file. It must be closed on
 * every path, and leave nothing behind.
 */
export interface Spool {
  /** Adds bytes. Rejects where they can't be kept, such as on a full disk. */
  write(bytes: Uint8Array): Promise<void>;
  /** Reads what was written, from the start. */
  read(): ByteReader;
  /** Throws everything away. Calling it again does nothing. */
  close(): Promise<void>;
}

/** Opens a {@linkcode Spool}. */
export type OpenSpool = () => Promise<Spool>;
