// The requests that run: PHP is not ended while it works on them.

export class RunningRequests {
  readonly #running = new Set<Promise<void>>();

  /** Takes note of a request. Call the result when it has been answered. */
  begin(): () => void {
    let end!: () => void;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#running.add(ended);
    void ended.then(() => this.#running.delete(ended));
    return end;
  }

  /** Resolves when the requests that run now have been answered. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }
}
