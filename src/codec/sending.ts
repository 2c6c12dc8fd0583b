import { MAX_REQUEST_ID } from "../protocol/constants.ts";

/** What an encoding stage sends at the moment, by request. */
export class Sending<Sender extends { stop(reason: unknown): void }> {
  readonly #senders = new Map<number, Sender>();
  #onOver: (() => void)[] = [];

  /** How many there are. */
  get size(): number {
    return this.#senders.size;
  }

  /** What is sent for a request, if anything is. */
  get(requestId: number): Sender | undefined {
    return this.#senders.get(requestId);
  }

  /**
   * Checks that something can be sent for a request.
   *
   * @param what For messages: what is sent.
   * @throws {RangeError} If its id is none, or something is being sent for it already.
   */
  checkId(requestId: number, what: string): void {
    if (!(Number.isInteger(requestId) && requestId > 0 && requestId <= MAX_REQUEST_ID)) {
      const expected = `expected requestId to be an integer from 1 to ${MAX_REQUEST_ID}`;
      throw new RangeError(`Cannot send a ${what}: ${expected}, got ${String(requestId)}`);
    }
    if (this.#senders.has(requestId)) {
      throw new RangeError(`Cannot send a ${what}: one with requestId ${requestId} is being sent`);
    }
  }

  /** Something is sent until `sent` settles. It rejects only if the output throws, and who takes that knows why. */
  add(requestId: number, sender: Sender, sent: Promise<void>): void {
    this.#senders.set(requestId, sender);
    const remove = (): void => {
      this.#senders.delete(requestId);
      for (const resolve of this.#onOver.splice(0)) resolve();
    };
    sent.then(remove, remove);
  }

  /** Resolves once less than `limit` is sent; undefined if that is so already. */
  whenBelow(limit: number): Promise<void> | undefined {
    return this.#senders.size < limit ? undefined : this.#waitBelow(limit);
  }

  /** Stops all. */
  stop(reason: unknown): void {
    for (const sender of this.#senders.values()) sender.stop(reason);
  }

  async #waitBelow(limit: number): Promise<void> {
    while (this.#senders.size >= limit) await new Promise<void>((resolve) => this.#onOver.push(resolve));
  }
}
