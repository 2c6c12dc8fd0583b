// Runs in a browser, which gets the built files as they are.
import { RecordDecoderStream, RecordEncoderStream, RequestDecoderStream } from "fetchcgi/toolkit";
import { askOverStreams } from "./over_streams.mjs";

/** Decodes what nginx sent, encodes it back, and reads the requests in it. */
async function decodeCapture() {
  const capture = await (await fetch("/capture")).bytes();
  const records = () => new Blob([capture]).stream().pipeThrough(new RecordDecoderStream());
  const encoded = await new Response(records().pipeThrough(new RecordEncoderStream())).bytes();
  const requests = [];
  for await (const { params, stdin } of records().pipeThrough(new RequestDecoderStream())) {
    requests.push([params.get("REQUEST_URI"), (await new Response(stdin).bytes()).length]);
  }
  return { isSame: encoded.length === capture.length && encoded.every((byte, at) => byte === capture[at]), requests };
}

async function run() {
  try {
    return { capture: await decodeCapture(), answer: await askOverStreams() };
  } catch (error) {
    return { error: String(error?.stack ?? error) };
  }
}

await fetch("/result", { method: "POST", body: JSON.stringify(await run()) });
