// fastcgi-stream from npm, which codes records, with a pool of kept connections written by hand around it.
// fastcgi_stream_client.mjs BACKEND JOB
import { createRequire } from "node:module";
import { connect } from "node:net";
import { nginxParams } from "./answers.mjs";
import { bodyOf, OutputCheck, WIDTHS } from "./client_jobs.mjs";
import { concurrently, rounds } from "./ready.mjs";

const [backend, job] = process.argv.slice(2);
const { FastCGIStream, records } = createRequire(import.meta.url)("fastcgi-stream");
const bytes = bodyOf(job);
const body = bytes === null ? null : Buffer.from(bytes.buffer);
/** Its records of STDIN have no limit of their own. */
const PIECE = 65_528;

class Connection {
  #check = null;
  #done = null;
  #stream;
  #socket;

  constructor() {
    this.#socket = connect(backend);
    this.#stream = new FastCGIStream(this.#socket);
    this.#stream.on("record", (_id, record) => this.#record(record));
  }

  exchange() {
    return new Promise((resolve, reject) => {
      this.#check = new OutputCheck(job);
      this.#done = { resolve, reject };
      const stream = this.#stream;
      this.#socket.cork();
      stream.writeRecord(1, new records.BeginRequest(records.BeginRequest.roles.RESPONDER, 1));
      stream.writeRecord(1, new records.Params(Object.entries(nginxParams(body?.length))));
      stream.writeRecord(1, new records.Params());
      for (let at = 0; body !== null && at < body.length; at += PIECE) {
        stream.writeRecord(1, new records.StdIn(body.subarray(at, at + PIECE)));
      }
      stream.writeRecord(1, new records.StdIn());
      this.#socket.uncork();
    });
  }

  #record(record) {
    if (record.TYPE === records.StdOut.TYPE) {
      if (record.data?.length > 0) this.#check.push(record.data);
    } else if (record.TYPE === records.EndRequest.TYPE) {
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
