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

/** The source as a ReadableStream. It takes nothing before somebody reads; `cancel()` drops the rest. */
export function pieceStream(source: PieceSource): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream(new PulledPieces(source), { highWaterMark: 0 }) as ReadableStream<Uint8Array<ArrayBuffer>>;
}

class PulledPieces implements UnderlyingDefaultSource<Uint8Array> {
  readonly #source: PieceSource;

  constructor(source: PieceSource) {
    this.#source = source;
  }

  pull(controller: ReadableStreamDefaultController<Uint8Array>): void | Promise<void> {
    const piece = this.#source.take();
    if (piece === undefined) return this.#source.whenReadable().then(() => this.pull(controller));
    if (piece !== null) controller.enqueue(piece);
    if (piece === null || this.#source.isRead) controller.close();
  }

  cancel(reason: unknown): void {
    this.#source.abandon(reason);
  }
}
