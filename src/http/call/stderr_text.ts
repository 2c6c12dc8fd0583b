/**
 * Decodes one request's FCGI_STDERR as it comes. A character that is cut between records is passed on when it is
 * complete.
 */
export class StderrText {
  /** Made for the first piece, because most requests write none. Bytes that are not UTF-8 become U+FFFD. */
  #decoder: TextDecoder | null = null;
  readonly #tell: (text: string) => void;

  /** @param tell Called with whole characters. Must not throw. */
  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  /** Takes the next piece. */
  push(piece: Uint8Array): void {
    this.#decoder ??= new TextDecoder("utf-8", { ignoreBOM: true });
    this.#give(this.#decoder.decode(piece, { stream: true }));
  }

  /** Ends the text. The rest of an incomplete character is passed on as U+FFFD, unless a limit cut it off. */
  end(isTruncated: boolean): void {
    if (!isTruncated && this.#decoder !== null) this.#give(this.#decoder.decode());
  }

  #give(text: string): void {
    if (text !== "") this.#tell(text);
  }
}
