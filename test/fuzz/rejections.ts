/** What a runtime calls with a rejection that nothing handles. */
type Listener = (reason: unknown) => void;

/** Collects the rejections that nothing handles: each is a fault, and none may end the run that found it. */
export class Rejections {
  readonly #reasons: unknown[] = [];
  readonly #onNode: Listener = (reason) => void this.#reasons.push(reason);
  readonly #onDeno = (event: Event): void => {
    event.preventDefault();
    this.#reasons.push((event as Event & { reason: unknown }).reason);
  };
  readonly #isDeno = "Deno" in globalThis;

  start(): void {
    if (this.#isDeno) globalThis.addEventListener("unhandledrejection", this.#onDeno);
    else process.on("unhandledRejection", this.#onNode);
  }

  stop(): void {
    if (this.#isDeno) globalThis.removeEventListener("unhandledrejection", this.#onDeno);
    else process.off("unhandledRejection", this.#onNode);
  }

  /** Those since the last call. */
  take(): unknown[] {
    return this.#reasons.splice(0);
  }
}
