// A FastCGI application: bytes → records → requests, and responses → records → bytes.

import {
  type FastCgiOutgoingResponse,
  type FastCgiRecord,
  type FastCgiRequest,
  RecordDecoderStream,
  RecordEncoderStream,
  RequestDecoderStream,
  ResponseEncoderStream,
} from "fetchcgi/toolkit";
import type { Duplex } from "./duplex.ts";

/** Answers a request with a CGI response: header lines, an empty line, the body. */
export type Answer = (request: FastCgiRequest) => Pick<FastCgiOutgoingResponse, "stdout" | "stderr" | "appStatus">;

/** Serves a connection to its end. Rejects if the connection breaks, or a response that has begun. */
export async function serveConnection({ readable, writable }: Duplex, answer: Answer): Promise<void> {
  /** Requests whose connection is kept after the response. */
  const kept = new Set<number>();
  const requests = new RequestDecoderStream();
  const responses = new ResponseEncoderStream({
    onEnd(requestId) {
      requests.end(requestId);
      // Without FCGI_KEEP_CONN the application closes the connection after the response (FastCGI 5.1).
      if (!kept.delete(requestId)) end();
    },
  });
  const answers = responses.writable.getWriter();
  let isEnding = false;
  const end = (): void => {
    if (isEnding) return;
    isEnding = true;
    // If it fails, so do the records below.
    answers.close().catch(() => {});
  };

  const failure = new AbortController();
  const receiving = readable
    .pipeThrough(new RecordDecoderStream({ splitStreams: true }))
    .pipeThrough(requests)
    .pipeTo(
      new WritableStream<FastCgiRequest>({
        async write(request) {
          const { requestId, signal } = request;
          if (isEnding) return;
          if (request.keepConn) kept.add(requestId);
          // Waits only while very many responses are being sent: the requests of a connection are answered side by side.
          await answers.write({ requestId, signal, ...answer(request) });
        },
        close: end,
        abort: (reason) => answers.abort(reason),
      }),
      { signal: failure.signal },
    );
  const sending = send(responses.readable, requests.replies, writable).catch((error: unknown) => {
    failure.abort(error);
    throw error;
  });
  await Promise.all([receiving, sending]);
}

/** Sends responses and, between their records, the decoder's own replies. */
async function send(
  responses: ReadableStream<FastCgiRecord>,
  replies: ReadableStream<FastCgiRecord>,
  writable: WritableStream<Uint8Array>,
): Promise<void> {
  const encoder = new RecordEncoderStream();
  const writer = encoder.writable.getWriter();
  const pass = (records: ReadableStream<FastCgiRecord>): Promise<void> =>
    records.pipeTo(new WritableStream({ write: (record) => writer.write(record) }));
  const sent = encoder.readable.pipeTo(writable, { preventClose: true });
  // A reply after the last response finds the connection closed, and is not needed.
  pass(replies).catch(() => {});
  const passed = await pass(responses).then(
    () => ({ broken: false, error: undefined }),
    (error: unknown) => ({ broken: true, error }),
  );
  await Promise.all([writer.close(), sent]);
  const last = writable.getWriter();
  // A response that breaks off must not look complete. Web servers take a plain close for its end, but not a record of
  // no version.
  if (passed.broken) await last.write(new Uint8Array(8));
  await last.close();
  if (passed.broken) throw passed.error;
}
