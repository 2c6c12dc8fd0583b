import { checkInteger } from "../base/unexpected.ts";
import { MAX_REQUEST_ID } from "../protocol/constants.ts";

/** The senders that an encoding stage runs, by request id. */
export class Sending<Sender extends { stop(reason: unknown): void }> {
  readonly #senders = new Map<number, Sender>();
  #onOver: (() => void)[] = [];

  /** The number of senders. */
  get size(): number {
    return this.#senders.size;
  }

  /** The sender for a request; undefined if there is none. */
  get(requestId: number): Sender | undefined {
    return this.#senders.get(requestId);
  }

  /** Whether something is sent for another request than this one. */
  hasOther(requestId: number): boolean {
    return this.#senders.size > (this.#senders.has(requestId) ? 1 : 0);
  }

  /**
   * Checks that something can be sent for a request.
   *
   * @param what For messages: the thing that is sent.
   * @throws {RangeError} If the id is invalid, or a sender for it runs already.
   */
  checkId(requestId: number, what: string): void {
    checkInteger(requestId, `Cannot send a ${what}`, "requestId", 1, MAX_REQUEST_ID);
    if (this.#senders.has(requestId)) {
      throw new RangeError(`Cannot send a ${what}: one with requestId ${requestId} is being sent`);
    }
  }

  /**
   * Adds a sender that runs until `sent` settles. `sent` rejects only if the output throws, and the code that takes the
   * output knows why.
   */
  add(requestId: number, sender: Sender, sent: Promise<void>): void {
    this.#senders.set(requestId, sender);
    const remove = (): void => {
      this.#senders.delete(requestId);
      for (const resolve of this.#onOver.splice(0)) resolve();
    };
    sent.then(remove, remove);
  }

  /** Resolves once fewer than `limit` senders run; undefined if that is so already. */
  whenBelow(limit: number): Promise<void> | undefined {
    return this.#senders.size < limit ? undefined : this.#waitBelow(limit);
  }

  /** Stops all senders. */
  stop(reason: unknown): void {
    for (const sender of this.#senders.values()) sender.stop(reason);
  }

  async #waitBelow(limit: number): Promise<void> {
    while (this.#senders.size >= limit) await new Promise<void>((resolve) => this.#onOver.push(resolve));
  }
}
