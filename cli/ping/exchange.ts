// One request on a connection of its own. A FastCgiClient has a pool and streams besides, and to load them takes a tenth of the time of a
// ping.

import {
  type ByteChannel,
  type Connector,
  composeStages,
  connectOrAbort,
  encodeRequestHead,
  FastCgiError,
  fromStreams,
  type NameValuePair,
  RecordDecoder,
  ResponseDecoder,
  Role,
} from "../../src/toolkit.ts";
import { untilAborted } from "../frame/signal.ts";

/** How to ask. */
export interface ExchangeOptions {
  /** The most bytes of the answer. */
  readonly maxBytes: number;
  /** Ends it, with its reason as the error. */
  readonly signal: AbortSignal;
  /** Called when there is a connection. */
  readonly onConnect: () => void;
}

/** Responses are announced to their decoder, so that it emits none. */
const NOTHING_COMES_OUT = { enqueue(): void {} };

/**
 * Sends a request without a body, and resolves with all of FCGI_STDOUT when the application has ended the request.
 *
 * @throws {FastCgiError} As a FastCgiClient does: `connectFailed`, `connectionClosed`, `overloaded` and so on.
 */
export async function exchange(
  connector: Connector,
  params: readonly NameValuePair[],
  { maxBytes, signal, onConnect }: ExchangeOptions,
): Promise<Uint8Array> {
  const head = encodeRequestHead({ requestId: 1, role: Role.Responder, keepConn: false, params, endsStdin: true });
  const channel = fromStreams(await connectOrAbort((given) => connector.connect({ signal: given }), signal));
  onConnect();
  const pieces: Uint8Array[] = [];
  try {
    await untilAborted(answer(channel, head, maxBytes, pieces), signal);
  } finally {
    channel.close();
  }
  return Buffer.concat(pieces);
}

function answer(channel: ByteChannel, head: Uint8Array, maxBytes: number, pieces: Uint8Array[]): Promise<void> {
  const responses = new ResponseDecoder({}, { maxStdoutBytes: maxBytes });
  const stages = composeStages(new RecordDecoder({ splitStreams: true }), responses);
  const { stdoutQueue } = responses.expect(1);
  // A copy of each piece: a socket may use its buffer again.
  const whole = stdoutQueue.takeInto({ add: (piece) => void pieces.push(new Uint8Array(piece)) });
  channel.start({
    onData(piece) {
      try {
        void stages.transform(piece, NOTHING_COMES_OUT);
      } catch (error) {
        responses.failAll(error);
      }
    },
    onEnd: () => responses.flush(),
    onError: (cause) =>
      responses.failAll(
        new FastCgiError("connectionClosed", `Cannot read the response: the connection failed: ${String(cause)}`, {
          cause,
        }),
      ),
  });
  // An application that does not read the request may have answered nevertheless.
  const writing = async (): Promise<void> => channel.write([head]);
  writing().catch(() => {});
  return whole;
}
