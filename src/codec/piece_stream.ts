/** Pieces that come by and by. One reader at a time. */
export interface PieceSource {
  /** The next piece, null at the end, or undefined where there is nothing yet. Throws what the source failed with. */
  take(): Uint8Array | null | undefined;
  /** Resolves when {@linkcode PieceSource.take} has something to give or to say. */
  whenReadable(): Promise<void>;
  /** Whether all that came was taken, and the source came to its end. */
  readonly isRead: boolean;
  /** The reader wants no more. */
  abandon(reason: unknown): void;
}

/** As long as fewer bytes were handed out by one pull, what else is there comes with them: a pull costs more than a small piece. */
const MAX_PULLED_BYTES = 64 * 1024;

/** The source as a ReadableStream. It takes nothing before somebody reads; `cancel()` drops the rest. */
export function pieceStream(source: PieceSource): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream(new PulledPieces(source), { highWaterMark: 0 }) as ReadableStream<Uint8Array<ArrayBuffer>>;
}

class PulledPieces implements UnderlyingDefaultSource<Uint8Array> {
  readonly #source: PieceSource;
  #failure: { readonly error: unknown } | null = null;

  constructor(source: PieceSource) {
    this.#source = source;
  }

  pull(controller: ReadableStreamDefaultController<Uint8Array>): void | Promise<void> {
    if (this.#failure !== null) throw this.#failure.error;
    let piece = this.#source.take();
    if (piece === undefined) return this.#source.whenReadable().then(() => this.pull(controller));
    for (let bytes = 0; piece !== undefined && piece !== null; piece = this.#takeMore(bytes)) {
      controller.enqueue(piece);
      bytes += piece.length;
    }
    if (piece === null || this.#source.isRead) controller.close();
  }

  cancel(reason: unknown): void {
    this.#source.abandon(reason);
  }

  /** A failure is for the next pull: now it would take back what was handed out. */
  #takeMore(bytes: number): Uint8Array | null | undefined {
    if (bytes >= MAX_PULLED_BYTES) return undefined;
    try {
      return this.#source.take();
    } catch (error) {
      this.#failure = { error };
      return undefined;
    }
  }
}
