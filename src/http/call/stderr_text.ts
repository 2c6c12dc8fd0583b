/** Makes text of one request's FCGI_STDERR as it comes: a character that is cut between records is told of when it is whole. */
export class StderrText {
  /** Made when it is needed: most requests write nothing. Bytes that are not UTF-8 become U+FFFD. */
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

  /** Nothing more comes. What is left of a character is told of as U+FFFD, unless it was cut off by a limit. */
  end(truncated: boolean): void {
    if (!truncated && this.#decoder !== null) this.#give(this.#decoder.decode());
  }

  #give(text: string): void {
    if (text !== "") this.#tell(text);
  }
}
