import { Deadline } from "../base/deadline.ts";
import type { ByteReader, ByteReadResult } from "../codec/byte_source.ts";
import { FastCgiError } from "../protocol/errors.ts";

/** The number of bytes that make up for a second of waiting, as in Apache's mod_reqtimeout (`MinRate=500`). */
const BYTES_PER_SECOND = 500;

/**
 * Reads the source of a request's stream, and fails if the application has to wait for it too long. A timeout that
 * starts anew with each piece would let a client that sends a byte a second occupy a connection for days. So this one
 * is an account: waiting takes time from it, bytes put back time by their number, and it never holds more than at the
 * start. Only time in which the source is asked counts.
 */
export class TimedReader implements ByteReader {
  readonly #source: ByteReader;
  readonly #timeout: number;
  readonly #deadline: Deadline;
  /** The milliseconds that the source has left. */
  #left: number;
  #fail: (error: FastCgiError) => void = () => {};

  /**
   * @param timeout The `requestBodyTimeout`.
   * @param name For messages: whose bytes they are.
   */
  constructor(source: ByteReader, timeout: number, name: string) {
    this.#source = source;
    this.#timeout = timeout;
    this.#left = timeout;
    this.#deadline = new Deadline(() => {
      const message = `Cannot send ${name}: its source gave too little for ${timeout} ms`;
      this.#fail(new FastCgiError("timeout", message, { limit: "requestBodyTimeout" }));
    });
  }

  read(): Promise<ByteReadResult> {
    const asked = performance.now();
    this.#deadline.restart(this.#left);
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      Promise.resolve(this.#source.read()).then(
        (result) => {
          if (result.done) this.#deadline.dispose();
          else this.#deadline.stop();
          const earned = ((result.value?.length ?? 0) / BYTES_PER_SECOND) * 1000;
          this.#left = Math.min(this.#timeout, Math.max(0, this.#left - (performance.now() - asked)) + earned);
          resolve(result);
        },
        (error) => {
          this.#deadline.dispose();
          reject(error);
        },
      );
    });
  }

  cancel(reason: unknown): void | Promise<void> {
    this.#deadline.dispose();
    return this.#source.cancel(reason);
  }
}
