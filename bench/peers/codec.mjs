// Codecs alone, in memory. codec.mjs FOLDER STYLE JOB
//
// | job | unit |
// |---|---|
// | get | a GET conversation (begin, 25 params, no STDIN), decoded to strings |
// | small | a record of 64 bytes, decoded |
// | large | a STDIN record of 32 KiB, whole in its chunk, decoded |
// | split | a STDIN record of 32 KiB that lies across two chunks, decoded |
// | pairs | 25 name-value pairs, decoded to strings |
// | encode | a GET request with 25 params, encoded |
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { nginxParams } from "./answers.mjs";
import { DecodedRequests, decodePairs, Records } from "./floor_codec.mjs";
import { encodeRequest } from "./floor_encoder.mjs";
import { repeatedly, rounds } from "./ready.mjs";

const [folder, style, job] = process.argv.slice(2);
const params = nginxParams();
const conversation = encodeRequest(params);
const pairBytes = conversation.subarray(24, conversation.length - 16);
const LARGE_RECORD = 32_768;
/** How often a job is done between two looks at the clock. */
const BATCH = 200;

function record(length) {
  return Buffer.concat([Buffer.from([1, 5, 0, 1, length >> 8, length & 255, 0, 0]), Buffer.alloc(length, 97)]);
}
function chunkOf(size, count) {
  return Buffer.concat(Array.from({ length: count }, () => record(size)));
}
/** Chunks of 64 KiB as a socket gives them, which cut records where they end. They begin and end with a record. */
function cut(bytes, size) {
  const chunks = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}
const inputs = {
  small: { chunks: [chunkOf(64, 900)], units: 900 },
  large: { chunks: [chunkOf(LARGE_RECORD, 2)], units: 2 },
  // 24 KiB: no record lies whole in one of them.
  split: { chunks: cut(chunkOf(LARGE_RECORD, 12), 24 * 1024), units: 12 },
};

/** Decodes records and has `sum` to show for it, so that nothing is left out by a compiler. */
function recordsJob(push, sum, bytesPerUnit) {
  const { chunks, units } = inputs[job];
  return () => {
    const before = sum();
    for (const chunk of chunks) push(chunk);
    if (sum() - before !== units * bytesPerUnit) throw new Error("Wrong result");
    return units;
  };
}
const bytesPerUnit = job === "small" ? 64 : LARGE_RECORD;

function checkParams(size, value) {
  if (size !== 25 || value !== params.HTTP_USER_AGENT) throw new Error("Wrong result");
}
function checkRequest(bytes) {
  if (bytes.length < pairBytes.length + 40) throw new Error("Wrong result");
}
const batch = (work) => () => {
  for (let index = 0; index < BATCH; index++) work();
  return BATCH;
};

const makers = {
  async fetchcgi() {
    const library = await ours();
    const { RecordDecoder, RequestDecoder, composeStages, decodeNameValuePairs } = library;
    if (job === "get") {
      const decoder = new RequestDecoder({ reply() {} });
      const stages = composeStages(new RecordDecoder(), decoder);
      let count = 0;
      const out = {
        enqueue(request) {
          checkParams(request.params.size, request.params.get("HTTP_USER_AGENT"));
          count++;
        },
      };
      return () => {
        const before = count;
        for (let index = 0; index < BATCH; index++) {
          stages.transform(conversation, out);
          decoder.end(1);
        }
        if (count - before !== BATCH) throw new Error("Wrong result");
        return BATCH;
      };
    }
    if (job === "pairs") {
      return batch(() => {
        const pairs = decodeNameValuePairs(pairBytes);
        checkParams(pairs.length, pairs[20][1]);
      });
    }
    if (job === "encode") return batch(() => checkRequest(encodeWith(library)));
    let sum = 0;
    const decoder = new RecordDecoder();
    const out = {
      enqueue({ contentData }) {
        sum += contentData.length;
      },
    };
    return recordsJob(
      (chunk) => decoder.transform(chunk, out),
      () => sum,
      bytesPerUnit,
    );
  },

  /** Both stages composed in one TransformStream. */
  async "one stream"() {
    const { RecordDecoder, RequestDecoder, composeStages } = await ours();
    const decoder = new RequestDecoder({ reply() {} });
    const stream = new TransformStream(composeStages(new RecordDecoder(), decoder), undefined, { highWaterMark: 1 });
    return streamJob(stream.writable, stream.readable, (id) => decoder.end(id));
  },

  /** A pipe of the two public TransformStreams. */
  async "two streams"() {
    const { RecordDecoderStream, RequestDecoderStream } = await ours();
    const records = new RecordDecoderStream();
    const requests = new RequestDecoderStream();
    return streamJob(records.writable, records.readable.pipeThrough(requests), (id) => requests.end(id));
  },

  reference() {
    let sum = 0;
    if (job === "get") {
      const requests = new DecodedRequests((decoded) => checkParams(decoded.size, decoded.get("HTTP_USER_AGENT")));
      return batch(() => requests.push(conversation));
    }
    if (job === "pairs") {
      return batch(() => {
        const pairs = decodePairs(pairBytes);
        checkParams(pairs.size, pairs.get("HTTP_USER_AGENT"));
      });
    }
    if (job === "encode") return batch(() => checkRequest(encodeRequest(params)));
    const records = new Records((_type, _bytes, start, end) => {
      sum += end - start;
    });
    return recordsJob(
      (chunk) => records.push(chunk),
      () => sum,
      bytesPerUnit,
    );
  },

  /** What copying costs: the bytes of each record into memory of their own. */
  copy() {
    let sum = 0;
    const push = (chunk) => {
      for (let at = 0; at < chunk.length; at += LARGE_RECORD) {
        const part = chunk.subarray(at, at + LARGE_RECORD);
        const copied = new Uint8Array(part.length);
        copied.set(part);
        sum += copied.length;
      }
    };
    const { chunks, units } = inputs[job];
    return () => {
      const before = sum;
      for (const chunk of chunks) push(chunk);
      if (sum - before < units * LARGE_RECORD) throw new Error("Wrong result");
      return units;
    };
  },

  "fastcgi-stream"() {
    const { FastCGIStream, records } = createRequire(import.meta.url)("fastcgi-stream");
    const source = { on: (_event, listener) => Object.assign(source, { push: listener }), write: () => true };
    const stream = new FastCGIStream(source);
    let count = 0;
    if (job === "get" || job === "pairs") {
      let decoded = null;
      stream.on("record", (_id, { TYPE, params: pairs }) => {
        if (TYPE === records.Params.TYPE && pairs.length > 0) decoded = pairs;
        else if (TYPE === records.StdIn.TYPE) {
          checkParams(decoded.length, decoded[20][1]);
          count++;
        }
      });
      return batch(() => {
        const before = count;
        source.push(conversation);
        if (count !== before + 1) throw new Error("Wrong result");
      });
    }
    if (job === "encode") {
      let written = 0;
      source.write = (bytes) => {
        written += bytes.length;
      };
      return batch(() => {
        stream.writeRecord(1, new records.BeginRequest(1, 1));
        stream.writeRecord(1, new records.Params(Object.entries(params)));
        stream.writeRecord(1, new records.Params());
        stream.writeRecord(1, new records.StdIn());
        if (written === 0) throw new Error("Wrong result");
      });
    }
    let sum = 0;
    stream.on("record", (_id, { data }) => {
      sum += data.length;
    });
    return recordsJob(
      (chunk) => source.push(chunk),
      () => sum,
      bytesPerUnit,
    );
  },
};

function ours() {
  return import(pathToFileURL(join(folder, "index.js")).href);
}

function encodeWith({ encodeRequestHead, Role }) {
  return encodeRequestHead({
    requestId: 1,
    role: Role.Responder,
    keepConn: true,
    params: Object.entries(params),
    endsStdin: true,
  });
}

/** One chunk in, one request out, again and again. */
function streamJob(writable, readable, end) {
  const writer = writable.getWriter();
  const reader = readable.getReader();
  return async () => {
    for (let index = 0; index < BATCH; index++) {
      writer.write(conversation);
      const { value } = await reader.read();
      checkParams(value.params.size, value.params.get("HTTP_USER_AGENT"));
      end(value.requestId);
    }
    return BATCH;
  };
}

const work = await makers[style]();
await rounds((seconds) => repeatedly(seconds, work));
