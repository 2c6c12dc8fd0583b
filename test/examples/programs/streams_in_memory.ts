// The application and the client of examples/streams, connected in memory.

import { answer } from "../../../examples/streams/answer.ts";
import { serveConnection } from "../../../examples/streams/application.ts";
import { StreamsClient } from "../../../examples/streams/client.ts";
import { connectedPair, type Duplex } from "../../../examples/streams/duplex.ts";

const PIECE = 50_000;
const PIECES = 40;

function largeBody(): ReadableStream<Uint8Array> {
  let piece = 0;
  return new ReadableStream({
    pull(controller) {
      if (piece === PIECES) controller.close();
      else controller.enqueue(new Uint8Array(PIECE).fill(piece++));
    },
  });
}

/** Sends some requests at once, and says what came: for each the text of a short response, or what a large one holds. */
export async function askOver(connection: Duplex): Promise<Record<string, unknown>> {
  const client = new StreamsClient(connection);
  const ask = async (method: string, uri: string, stdin?: string | ReadableStream<Uint8Array>): Promise<Response> => {
    const params: [string, string][] = [
      ["REQUEST_METHOD", method],
      ["REQUEST_URI", uri],
    ];
    const { stdout } = await client.ask({ params, stdin: stdin ?? null });
    return new Response(stdout);
  };
  const [hello, echo, large] = await Promise.all([
    ask("GET", "/hello").then((response) => response.text()),
    ask("POST", "/echo", "a body").then((response) => response.text()),
    ask("POST", "/large", largeBody()).then((response) => response.arrayBuffer()),
  ]);
  const header = "Content-Type: text/plain; charset=utf-8\r\n\r\nPOST /large\n".length;
  const bytes = new Uint8Array(large).subarray(header);
  const isRight = bytes.every((byte, at) => byte === Math.floor(at / PIECE));
  await client.close();
  return { hello, echo, large: bytes.length, isRight };
}

export async function askInMemory(): Promise<Record<string, unknown>> {
  const [web, application] = connectedPair();
  const served = serveConnection(application, answer).then(() => "closed");
  const seen = await askOver(web);
  return { ...seen, served: await served };
}
