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
  request(params, output, end) {
    this.#output = output;
    this.#end = end;
    this.#socket.write(encodeRequest(params));
  }
}
