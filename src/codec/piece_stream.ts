/** A source of pieces that arrive over time. Only one reader at a time. */
export interface PieceSource {
  /** Returns the next piece, null at the end, or undefined if there is nothing yet. Throws the error of the source. */
  take(): Uint8Array | null | undefined;
  /** Resolves when {@linkcode PieceSource.take} returns a piece or the end, or throws. */
  whenReadable(): Promise<void>;
  /** Whether all pieces were taken and the source has ended. */
  readonly isRead: boolean;
  /** Gives up the rest, which will not be read. */
  abandon(reason: unknown): void;
}

/** Makes a ReadableStream of the source. It takes nothing before the stream is read; `cancel()` drops the rest. */
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
