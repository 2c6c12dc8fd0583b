/** A byte stream that a test feeds, and that notes whether its reader gave it up. */
export class OpenStream {
  readonly stream: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #onPull: () => void = () => {};
  /** Pieces that were asked for. */
  pulls = 0;
  /** What the stream was cancelled with. */
  cancelled: unknown;
  readonly #cancellation = deferred<unknown>();

  constructor() {
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          this.pulls++;
          this.#onPull();
        },
        cancel: (reason) => {
          this.cancelled = reason;
          this.#cancellation.resolve(reason);
        },
      },
      { highWaterMark: 0 },
    );
  }

  write(piece: Uint8Array | string): void {
    this.#controller.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
  }

  close(): void {
    this.#controller.close();
  }

  fail(error: unknown): void {
    this.#controller.error(error);
  }

  /** Resolves with what the stream is cancelled with. */
  get cancellation(): Promise<unknown> {
    return this.#cancellation.promise;
  }

  /** Resolves when a reader waits for a piece. */
  async pulled(): Promise<void> {
    if (this.pulls > 0) return;
    await new Promise<void>((resolve) => {
      this.#onPull = resolve;
    });
  }
}

/** A promise with its ends. */
export function deferred<Value = void>(): {
  promise: Promise<Value>;
  resolve(value: Value): void;
  reject(reason: unknown): void;
} {
  let resolve!: (value: Value) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<Value>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
