// What the clients are asked to do, and how their answers are checked.
import { alphabet, HELLO, isAlphabet, LARGE } from "./answers.mjs";

/** Exchanges at once. */
export const WIDTHS = { hello: 64, post: 8, large: 8, text: 8 };

/** The body of a job's request; empty for a GET. */
export const bodyOf = (job) => (job === "post" ? alphabet(LARGE) : null);

/** Takes the body of an answer piece by piece, and throws at the end if it is not the right one. */
export class BodyCheck {
  #expected;
  #text = "";
  #length = 0;
  #right = true;

  constructor(job) {
    this.#expected = job === "large" ? LARGE : HELLO.length;
  }

  push(bytes) {
    if (this.#expected === LARGE) this.#right &&= isAlphabet(bytes, this.#length);
    else this.#text += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).latin1Slice();
    this.#length += bytes.length;
  }

  end() {
    const right = this.#expected === LARGE ? this.#right : this.#text === HELLO;
    if (!right || this.#length !== this.#expected) throw new Error(`Wrong answer: ${this.#length} bytes`);
  }
}

/** Takes raw FCGI_STDOUT: the header block, which every client but ours leaves to its caller, and the body. */
export class OutputCheck {
  #check;
  #header = "";
  #inBody = false;

  constructor(job) {
    this.#check = new BodyCheck(job);
  }

  push(bytes) {
    if (this.#inBody) {
      this.#check.push(bytes);
      return;
    }
    this.#header += bytes.latin1Slice();
    const end = this.#header.indexOf("\r\n\r\n");
    if (end < 0) return;
    this.#inBody = true;
    // What a user of such a client does with a header block, at the least.
    const headers = new Map(
      this.#header
        .slice(0, end)
        .split("\r\n")
        .map((line) => line.split(": ", 2)),
    );
    if (headers.get("Content-Type") !== "text/plain") throw new Error(`Wrong header: ${this.#header.slice(0, end)}`);
    const bodyLength = this.#header.length - end - 4;
    if (bodyLength > 0) this.#check.push(bytes.subarray(bytes.length - bodyLength));
  }

  end() {
    this.#check.end();
  }
}
