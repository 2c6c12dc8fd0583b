import { kindOf } from "../../base/kind_of.ts";
import { checkInteger, objectOf, unexpected } from "../../base/unexpected.ts";
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
 * @throws {RangeError | TypeError} If `length` is not a number of bytes or `lastModified` is not a date.
 */
export function addFilterData(params: Map<string, string>, data: FastCgiFilterData): void {
  const task = "Cannot send the data";
  const { length, lastModified } = objectOf(data, task, "data to be an object with source, length and lastModified");
  checkInteger(length, task, "length", 0, MAX_LENGTH);
  if (kindOf(lastModified) !== "Date") throw unexpected(`${task}: expected lastModified to be a Date`, lastModified);
  const seconds = Math.floor(lastModified.getTime() / 1000);
  if (Number.isNaN(seconds)) throw new RangeError(`${task}: expected lastModified to be a date, got an invalid one`);
  params.set("FCGI_DATA_LAST_MOD", String(seconds)).set("FCGI_DATA_LENGTH", String(length));
}
