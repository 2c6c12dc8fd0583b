/** Puts a banner on top of a text, and its headlines ("# …") in capitals. */
export class Capitals extends TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  constructor(banner: string) {
    const decoder = new TextDecoder();
    const encoder = new TextEncoder();
    let rest = "";
    super({
      start: (controller) => controller.enqueue(encoder.encode(banner)),
      transform(piece, controller) {
        const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
        // The last line may go on in the next piece.
        rest = lines.pop()!;
        for (const line of lines) controller.enqueue(encoder.encode(`${capitals(line)}\n`));
      },
      flush: (controller) => controller.enqueue(encoder.encode(capitals(rest + decoder.decode()))),
    });
  }
}

function capitals(line: string): string {
  return line.startsWith("#") ? line.toUpperCase() : line;
}
