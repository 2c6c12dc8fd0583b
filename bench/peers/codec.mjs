// Codecs and streams alone, in memory. codec.mjs FOLDER STYLE JOB
//
// | job | unit |
// |---|---|
// | get | a GET conversation (begin, 25 params, no STDIN), decoded to strings |
// | encode | a GET request with 25 params, encoded |
// | chunks | a stream of 10,000 chunks, read: by a loop of read() alone |
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { alphabet, CHUNK, CHUNKS, nginxParams, pieces } from "./answers.mjs";
import { DecodedRequests } from "./floor_codec.mjs";
import { encodeRequest } from "./floor_encoder.mjs";
import { repeatedly, rounds } from "./ready.mjs";

const [folder, style, job] = process.argv.slice(2);
const params = nginxParams();
const conversation = encodeRequest(params);
/** How often a job is done between two looks at the clock. */
const BATCH = 200;

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
    return batch(() => checkRequest(encodeWith(library)));
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

  "reader loop": () => {
    const bytes = alphabet(CHUNK * CHUNKS);
    return async () => {
      const reader = pieces(bytes, CHUNK).getReader();
      let length = 0;
      for (let result = await reader.read(); !result.done; result = await reader.read()) length += result.value.length;
      if (length !== bytes.length) throw new Error("Wrong result");
      return 1;
    };
  },
};

function ours() {
  return import(pathToFileURL(join(folder, "toolkit.js")).href);
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
