// The floor of a client: bare sockets, bytes of a request made once, records decoded by the reference, the header block taken
// apart, the body checked. floor_client.mjs BACKEND JOB
import { connect } from "node:net";
import { nginxParams } from "./answers.mjs";
import { bodyOf, OutputCheck, WIDTHS } from "./client_jobs.mjs";
import { Records } from "./floor_codec.mjs";
import { encodeRequest } from "./floor_encoder.mjs";
import { concurrently, rounds } from "./ready.mjs";

const [backend, job] = process.argv.slice(2);
const body = bodyOf(job);

class Connection {
  #check = null;
  #done = null;
  #socket;

  constructor() {
    const records = new Records((type, bytes, start, end) => this.#record(type, bytes.subarray(start, end)));
    this.#socket = connect(backend);
    this.#socket.on("data", (chunk) => records.push(chunk));
  }

  exchange() {
    return new Promise((resolve, reject) => {
      this.#check = new OutputCheck(job);
      this.#done = { resolve, reject };
      this.#socket.write(encodeRequest(nginxParams(body?.length), body));
    });
  }

  #record(type, content) {
    if (type === 6) this.#check.push(content);
    else if (type === 3) {
      try {
        this.#check.end();
        this.#done.resolve();
      } catch (error) {
        this.#done.reject(error);
      }
    }
  }
}

const idle = Array.from({ length: WIDTHS[job] }, () => new Connection());

await rounds((seconds) =>
  concurrently(idle.length, seconds, async () => {
    const connection = idle.pop();
    await connection.exchange();
    idle.push(connection);
  }),
);
