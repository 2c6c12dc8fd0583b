// Codecs alone, in memory. codec.mjs FOLDER STYLE JOB
//
// | job | unit |
// |---|---|
// | get | a GET conversation (begin, 25 params, no STDIN), decoded to strings |
// | large | a STDIN record of 32 KiB, whole in its chunk, decoded |
// | split | a STDIN record of 32 KiB that lies across two chunks, decoded |
// | encode | a GET request with 25 params, encoded |
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { nginxParams } from "./answers.mjs";
import { DecodedRequests } from "./floor_codec.mjs";
import { encodeRequest } from "./floor_encoder.mjs";
import { repeatedly, rounds } from "./ready.mjs";

const [folder, style, job] = process.argv.slice(2);
const params = nginxParams();
const conversation = encodeRequest(params);
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
  large: { chunks: [chunkOf(LARGE_RECORD, 2)], units: 2 },
  // 24 KiB: no record lies whole in one of them.
  split: { chunks: cut(chunkOf(LARGE_RECORD, 12), 24 * 1024), units: 12 },
};

/** Decodes records and has `sum` to show for it, so that nothing is left out by a compiler. */
function recordsJob(push, sum) {
  const { chunks, units } = inputs[job];
  return () => {
    const before = sum();
    for (const chunk of chunks) push(chunk);
    if (sum() - before !== units * LARGE_RECORD) throw new Error("Wrong result");
    return units;
  };
}

function checkParams(size, value) {
  if (size !== 25 || value !== params.HTTP_USER_AGENT) throw new Error("Wrong result");
}
function checkRequest(bytes) {
  if (bytes.length < conversation.length) throw new Error("Wrong result");
}
const batch = (work) => () => {
  for (let index = 0; index < BATCH; index++) work();
  return BATCH;
};

const makers = {
  async fetchcgi() {
    const library = await ours();
    const { RecordDecoder, RequestDecoder, composeStages } = library;
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
    if (job === "encode") return batch(() => checkRequest(encodeRequest(params)));
    const requests = new DecodedRequests((decoded) => checkParams(decoded.size, decoded.get("HTTP_USER_AGENT")));
    return batch(() => requests.push(conversation));
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
};

/** A build from before there was a second door has everything in the first. */
function ours() {
  const doors = ["toolkit.js", "index.js"].map((name) => join(folder, name));
  return import(pathToFileURL(doors.find(existsSync)).href);
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
