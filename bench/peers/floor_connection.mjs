// A connection of the floors to an application: a bare socket, a request as the encoder by hand makes it, records decoded by the reference.
import { connect } from "node:net";
import { Records } from "./floor_codec.mjs";
import { encodeRequest } from "./floor_encoder.mjs";

export class FloorConnection {
  #socket;
  #output = null;
  #end = null;

  constructor(backend) {
    const records = new Records((type, bytes, start, end) => {
      if (type === 6) this.#output(bytes.subarray(start, end));
      else if (type === 3) this.#end();
    });
    this.#socket = connect(backend).setNoDelay(true);
    this.#socket.on("data", (chunk) => records.push(chunk));
  }

  /** Sends a request; calls `output` with each piece of FCGI_STDOUT and `end` when it has ended. */
  request(params, output, end, body = null) {
    this.#output = output;
    this.#end = end;
    const request = encodeRequest(params);
    if (body === null) this.#socket.write(request);
    else this.#sendWith(request, body);
  }

  /** All in one call, which copies nothing: each record is its header and a part of the body. */
  #sendWith(request, body) {
    const socket = this.#socket;
    const endOfStdin = request.length - 8;
    socket.cork();
    socket.write(request.subarray(0, endOfStdin));
    for (let offset = 0; offset < body.length; offset += MAX_CONTENT) {
      const content = body.subarray(offset, offset + MAX_CONTENT);
      socket.write(Buffer.from([1, 5, 0, 1, content.length >> 8, content.length & 255, 0, 0]));
      socket.write(content);
    }
    socket.write(request.subarray(endOfStdin));
    socket.uncork();
  }
}

/** The most bytes of a record that is a multiple of eight. */
const MAX_CONTENT = 65_528;
