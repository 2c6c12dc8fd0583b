import type { ByteSourceInit } from "../../codec/byte_source.ts";

/** The file that a Filter works on (FastCGI 6.4). */
export interface FastCgiFilterData {
  /** The bytes of the file. The source is cancelled if the exchange ends before all are sent. */
  source: ByteSourceInit;
  /** The number of bytes: FCGI_DATA_LENGTH. If the source has another length, the request fails. */
  length: number;
  /** When the file was last changed: FCGI_DATA_LAST_MOD, in whole seconds. A Filter may answer from a cache by it. */
  lastModified: Date;
}

/** The largest length that a receiver reads (`parseLength`). */
const MAX_LENGTH = 999_999_999_999_999;

/**
 * Adds the two variables of a Filter.
 *
 * @throws {RangeError} If `length` is not a number of bytes or `lastModified` is not a date.
 */
export function addFilterData(params: Map<string, string>, { length, lastModified }: FastCgiFilterData): void {
  if (!Number.isInteger(length) || length < 0 || length > MAX_LENGTH) {
    throw new RangeError(`Cannot send the data: expected its length to be a number of bytes, got ${length}`);
  }
  const seconds = Math.floor(lastModified.getTime() / 1000);
  if (Number.isNaN(seconds))
    throw new RangeError("Cannot send the data: expected lastModified to be a date, got an invalid one");
  params.set("FCGI_DATA_LAST_MOD", String(seconds)).set("FCGI_DATA_LENGTH", String(length));
}
