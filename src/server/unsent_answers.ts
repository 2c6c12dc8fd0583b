import type { WrittenRecords } from "../codec/record_sink.ts";
import type { Reading } from "../transport/reading.ts";

/**
 * Beyond this many bytes of complete answers that wait to be sent, the connection is not read. HTTP/2 servers had to
 * learn the same (CVE-2019-9512 to CVE-2019-9517).
 */
const MAX_UNSENT = 1024 * 1024;

/** The least that an answer counts for, because of the objects that it consists of. */
const MIN_ANSWER_COST = 1024;

/**
 * The complete answers of a connection that wait to be sent: responses, and the decoder's own replies. A request that
 * is answered does not count for `maxConcurrentRequests` any more, and nothing waits until its answer is sent. So a web
 * server that sends requests or management records and reads no answers must wait with the next ones.
 */
export class UnsentAnswers {
  readonly #reading: Reading;
  #cost = 0;

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  /** Adds an answer, of which up to `bytes` may still have to be sent. */
  add({ taken }: WrittenRecords, bytes: number): void {
    if (taken === undefined) return;
    const cost = Math.max(bytes, MIN_ANSWER_COST);
    this.#cost += cost;
    const sent = (): void => {
      this.#cost -= cost;
    };
    taken.then(sent, sent);
    if (this.#cost > MAX_UNSENT) void this.#reading.pauseUntil(taken);
  }
}
