// The application in the style of node:http.
import { alphabet, CHUNK, CHUNKS, HELLO, LARGE, STREAM_CHUNK } from "./answers.mjs";

const large = Buffer.from(alphabet(LARGE));
const small = Buffer.from(alphabet(CHUNK * CHUNKS));
const plain = { "content-type": "text/plain" };

/** Writes `bytes` in pieces of `size`, as fast as they are taken. */
function writePieces(response, bytes, size) {
  let offset = 0;
  const more = () => {
    while (offset < bytes.length) {
      const piece = bytes.subarray(offset, offset + size);
      offset += size;
      if (!response.write(piece)) {
        response.once("drain", more);
        return;
      }
    }
    response.end();
  };
  more();
}

export function answerHttp(request, response) {
  switch (request.url) {
    case "/bytes":
      response.writeHead(200, plain);
      response.end(large);
      break;
    case "/stream":
      response.writeHead(200, plain);
      writePieces(response, large, STREAM_CHUNK);
      break;
    case "/chunks":
      response.writeHead(200, plain);
      writePieces(response, small, CHUNK);
      break;
    case "/echo":
      response.writeHead(200, plain);
      request.pipe(response);
      break;
    case "/drain": {
      let length = 0;
      request.on("data", (chunk) => {
        length += chunk.length;
      });
      request.on("end", () => {
        response.writeHead(200, plain);
        response.end(`${length}\n`);
      });
      break;
    }
    default:
      response.writeHead(200, plain);
      response.end(HELLO);
  }
}
