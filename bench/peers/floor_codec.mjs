// The cheapest decoder that one can write by hand in JavaScript: the reference that others are measured against. Correct for
// the traffic of this bench, and no more than that.

/** Name-value pairs (FastCGI 3.4) in a Buffer as a Map. One call makes a string of them all, and cutting that is cheap. */
export function decodePairs(bytes, at = 0, end = bytes.length) {
  const pairs = new Map();
  const text = bytes.latin1Slice(at, end);
  const start = at;
  while (at < end) {
    let nameLength = bytes[at++];
    if (nameLength > 127) {
      nameLength = ((nameLength & 127) << 24) | (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
      at += 3;
    }
    let valueLength = bytes[at++];
    if (valueLength > 127) {
      valueLength = ((valueLength & 127) << 24) | (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
      at += 3;
    }
    const valueAt = at + nameLength;
    const next = valueAt + valueLength;
    pairs.set(text.slice(at - start, valueAt - start), text.slice(valueAt - start, next - start));
    at = next;
  }
  return pairs;
}

/** Calls `record(type, bytes, start, end)` for each record; content may come in pieces, `isEnd` says which is the last. */
export class Records {
  #record;
  #header = new Uint8Array(8);
  #filled = 0;
  #left = 0;
  #padding = 0;

  constructor(record) {
    this.#record = record;
  }

  push(chunk) {
    const { length } = chunk;
    let at = 0;
    while (at < length) {
      if (this.#filled === 0 && length - at >= 8) {
        const contentLength = (chunk[at + 4] << 8) | chunk[at + 5];
        const end = at + 8 + contentLength;
        if (end + chunk[at + 6] <= length) {
          this.#record(chunk[at + 1], chunk, at + 8, end, true);
          at = end + chunk[at + 6];
          continue;
        }
      }
      at = this.#slowly(chunk, at);
    }
  }

  #slowly(chunk, at) {
    const header = this.#header;
    if (this.#filled < 8) {
      header[this.#filled++] = chunk[at];
      if (this.#filled < 8) return at + 1;
      this.#left = (header[4] << 8) | header[5];
      this.#padding = header[6];
      at++;
      if (this.#left === 0) this.#record(header[1], chunk, at, at, true);
    } else if (this.#left > 0) {
      const end = Math.min(chunk.length, at + this.#left);
      this.#left -= end - at;
      this.#record(header[1], chunk, at, end, this.#left === 0);
      at = end;
    } else {
      const skipped = Math.min(this.#padding, chunk.length - at);
      this.#padding -= skipped;
      at += skipped;
    }
    if (this.#left === 0 && this.#padding === 0) this.#filled = 0;
    return at;
  }
}

/** Calls `answer(params, stdinLength)` for each request, one after the other. */
export class DecodedRequests {
  #answer;
  #params = null;
  #pieces = [];
  #stdinLength = 0;
  #records = new Records((type, bytes, start, end, isEnd) => this.#record(type, bytes, start, end, isEnd));

  constructor(answer) {
    this.#answer = answer;
  }

  push(chunk) {
    this.#records.push(chunk);
  }

  #record(type, bytes, start, end, isEnd) {
    if (type === 4) {
      if (start < end) {
        if (isEnd && this.#pieces.length === 0) this.#params = decodePairs(bytes, start, end);
        else this.#pieces.push(bytes.slice(start, end));
      } else if (this.#pieces.length > 0) {
        this.#params = decodePairs(Buffer.concat(this.#pieces));
        this.#pieces = [];
      }
    } else if (type === 5) {
      if (start < end) {
        this.#stdinLength += end - start;
      } else {
        const params = this.#params;
        const stdinLength = this.#stdinLength;
        this.#params = null;
        this.#stdinLength = 0;
        this.#answer(params, stdinLength);
      }
    }
  }
}
