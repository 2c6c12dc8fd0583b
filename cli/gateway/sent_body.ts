import type { UnreadTimer } from "./http.ts";

/** How the body of a response is sent. */
export interface SentBodyOptions {
  /** Aborts when the client has left: by HTTP/2, Node does not tell that it has left before the first piece is sent. */
  readonly signal: AbortSignal;
  /** Makes the timer that says that the client reads nothing. */
  timer(onUnread: () => void): UnreadTimer;
  /** Called once, with the bytes that were sent, and whether the body has ended. */
  onEnd(bytes: number, hasEnded: boolean): void;
  /** Called before `onEnd` if the body breaks off by itself, or because its client reads nothing. */
  onBroken(reason: unknown): void;
}

/**
 * A body on its way to the client, which counts its bytes. It is cancelled when the client has left, and breaks off when the client reads
 * nothing: what stands behind it, such as an open file, is not kept for such a client.
 */
export function sentBody(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  { signal, timer, onEnd, onBroken }: SentBodyOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  let bytes = 0;
  let isOver = false;
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const end = (hasEnded: boolean): void => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener("abort", onAbort);
    unread.stop();
    onEnd(bytes, hasEnded);
  };
  const fail = (reason: unknown): void => {
    if (isOver) return;
    onBroken(reason);
    end(false);
    controller.error(reason);
  };
  const onAbort = (): void => {
    end(false);
    void reader.cancel(signal.reason).catch(() => {});
  };
  const unread = timer(() => {
    const reason = new Error("Cannot send the response to its end: the client reads nothing");
    fail(reason);
    void reader.cancel(reason).catch(() => {});
  });
  signal.addEventListener("abort", onAbort);
  return new ReadableStream(
    {
      start(its) {
        controller = its;
      },
      async pull() {
        unread.stop();
        try {
          const { done, value } = await reader.read();
          if (isOver) return;
          if (done) {
            end(true);
            controller.close();
          } else {
            bytes += value.byteLength;
            controller.enqueue(value);
            unread.start();
          }
        } catch (error) {
          fail(error);
        }
      },
      cancel(reason) {
        end(false);
        return reader.cancel(reason);
      },
    },
    // What is not asked for is not read.
    { highWaterMark: 0 },
  );
}
