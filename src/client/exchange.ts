// One request and its response on a connection: when it is sent, what it waits for, and how long. The mirror of server/exchange.ts.

import { contained } from "../base/contained.ts";
import { Deadline } from "../base/deadline.ts";
import type { FastCgiClientResponse, IncomingResponse, IncomingResponseHooks } from "../codec/incoming_response.ts";
import { RequestSender, type RequestSenderOptions } from "../codec/request_sender.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { EndRequestBody } from "../protocol/record.ts";
import type { RecordWriter } from "../transport/record_writer.ts";
import type { ResolvedClientOptions } from "./options.ts";
import type { ClientRequest } from "./request.ts";

/** What an {@linkcode Exchange} needs of its connection. */
export interface ExchangeHost {
  readonly writer: RecordWriter;
  readonly options: ResolvedClientOptions;
  /** How requests are sent. */
  readonly sending: RequestSenderOptions;
  /** Whether the connection is not read because a response has no room. Silence is then not the application's fault. */
  readonly isPaused: boolean;
  /** Feeds the response from now on. */
  expect(requestId: number, hooks: IncomingResponseHooks, response: IncomingResponse): void;
  /** Ends the exchange early, because the response is not needed or something failed. */
  abort(exchange: Exchange, reason: unknown): void;
  /** Makes the connection accept no further request. */
  finish(): void;
  /** Called when the application has ended the request. */
  complete(exchange: Exchange, body: EndRequestBody): void;
}

/** The timeouts of the wait for a response. */
export type ResponseTimeLimit = "headerTimeout" | "readTimeout";

/** The part of a deadline that an exchange uses; the deadline may be its own or its connection's. */
export type SilenceDeadline = Pick<Deadline<ResponseTimeLimit>, "restart" | "stop" | "dispose">;

/** How far an exchange has come. */
type ExchangeState =
  | "sending"
  /** The application has begun to answer before it has the whole request. */
  | "sending and receiving"
  /** All was sent, or the application reads no more of it. */
  | "waiting for the header"
  | "receiving"
  /** The response has failed. The rest of the request's complete body is still sent to the application. */
  | "sending the rest"
  /** FCGI_ABORT_REQUEST was sent, and FCGI_END_REQUEST is expected (FastCGI 5.4). */
  | "aborted"
  | "over";

/** What holds in a state, and which one comes next. */
interface StateRules {
  /** Whether the response goes on. */
  readonly isLive: boolean;
  /** How long the application may be silent; null where it may be so for ever. */
  readonly limit: ResponseTimeLimit | null;
  /** The state after the first FCGI_STDOUT. */
  readonly onOutput?: ExchangeState;
  /** The state after the whole request was sent. */
  readonly onSent?: ExchangeState;
}

const RULES: Readonly<Record<ExchangeState, StateRules>> = {
  sending: { isLive: true, limit: null, onOutput: "sending and receiving", onSent: "waiting for the header" },
  "sending and receiving": { isLive: true, limit: null, onSent: "receiving" },
  "waiting for the header": { isLive: true, limit: "headerTimeout", onOutput: "receiving" },
  receiving: { isLive: true, limit: "readTimeout" },
  "sending the rest": { isLive: false, limit: null },
  aborted: { isLive: false, limit: "readTimeout" },
  over: { isLive: false, limit: null },
};

/** One request and its response. */
export class Exchange implements IncomingResponseHooks {
  readonly requestId: number;
  readonly response: IncomingResponse;
  readonly #request: ClientRequest;
  readonly #host: ExchangeHost;
  readonly #sender: RequestSender;
  readonly #silence: SilenceDeadline;
  readonly #isShared: boolean;
  readonly #onSignal: (() => void) | undefined;
  /** Made for the first piece, because most applications write none. */
  #onStderr: ((piece: Uint8Array, response: FastCgiClientResponse) => void) | null = null;
  #state: ExchangeState = "sending";
  /** Resolves when sending has ended. */
  #sending: Promise<void> = Promise.resolve();
  #sentWhole = false;

  /**
   * @param silence The deadline of the connection in exclusive use. The connection then tells of every byte, and when
   * the deadline expires. Null in shared use.
   * @throws {unknown} The error of the request. Nothing was done then.
   */
  constructor(
    host: ExchangeHost,
    request: ClientRequest,
    response: IncomingResponse,
    requestId: number,
    silence: SilenceDeadline | null,
  ) {
    this.response = response;
    this.requestId = requestId;
    this.#request = request;
    this.#host = host;
    this.#sender = new RequestSender(host.writer, requestId, request, host.sending);
    this.#isShared = silence === null;
    this.#silence = silence ?? new Deadline<ResponseTimeLimit>((limit) => this.onTimeout(limit));
    const { signal } = request;
    this.#onSignal = signal && (() => host.abort(this, signal.reason));
    host.expect(requestId, this, response);
  }

  /** Whether the response goes on. */
  get isLive(): boolean {
    return RULES[this.#state].isLive;
  }

  /** Whether the application may have read a part of the request. */
  get hasLeft(): boolean {
    return this.#sender.hasLeft;
  }

  /** Whether the request has a body that is sent to its end, even if the response fails. */
  get hasWholeBody(): boolean {
    return this.#sender.hasWholeBody;
  }

  /** Whether the whole request was sent. */
  get sentWhole(): boolean {
    return this.#sentWhole;
  }

  /** Sends the request. */
  begin(): void {
    const { writer } = this.#host;
    this.#request.signal?.addEventListener("abort", this.#onSignal!, { once: true });
    const sent = this.#sender.send();
    if (typeof sent === "boolean") {
      this.#onSenderDone(sent);
      return;
    }
    this.#sending = sent.then(
      (later) => this.#onSenderDone(later),
      (error) => {
        // A request whose body can't be read must not look complete. A request that can't be written may have its
        // answer already.
        if (this.isLive && !writer.hasFailed) this.#host.abort(this, error);
      },
    );
  }

  /** Stops sending, because the application reads no more of the request; it may have answered. */
  stopSending(reason: unknown): void {
    this.#sender.stop(reason);
    this.#onSent();
  }

  /** Fails the response with `reason`. A complete body is still sent to its end: {@linkcode Exchange.rest}. */
  giveUp(reason: unknown): void {
    this.pause();
    this.#state = this.hasWholeBody && !this.#sentWhole ? "sending the rest" : "aborted";
    this.#unlisten();
    if (this.#state === "aborted") this.#sender.stop(reason);
    this.response.onEarlyFailure = null;
    this.response.fail(reason);
  }

  /** Resolves when the rest of a request that was given up was sent; null if none is. Never rejects. */
  get rest(): Promise<void> | null {
    return this.#state === "sending the rest" ? this.#sending : null;
  }

  /** Called when FCGI_ABORT_REQUEST was sent: waits for the application's FCGI_END_REQUEST. */
  awaitEnd(): void {
    this.#state = "aborted";
    this.resume();
  }

  /** Ends the exchange. The rest of the request is not sent. */
  end(reason: unknown): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#unlisten();
    this.#sender.stop(reason);
    if (this.#isShared) this.#silence.dispose();
    else this.#silence.stop();
  }

  /** Stops counting silence. */
  pause(): void {
    this.#silence.stop();
  }

  /** Counts silence from now on, if it is the application's turn. */
  resume(): void {
    const { limit } = RULES[this.#state];
    if (limit !== null && !this.#host.isPaused) this.#silence.restart(this.#host.options[limit], limit);
  }

  /**
   * Called with output: silence is counted from now on again. Output before the first FCGI_STDOUT does not extend the
   * timeout.
   */
  noteBytes(): void {
    if (this.#state !== "waiting for the header") this.resume();
  }

  onOutput(type: "stdout" | "stderr"): void {
    if (type === "stdout") this.#state = RULES[this.#state].onOutput ?? this.#state;
    if (this.#isShared) this.noteBytes();
  }

  onStderr(piece: Uint8Array, response: FastCgiClientResponse): void {
    this.#onStderr ??= contained("onStderr", this.#request.onStderr);
    this.#onStderr(piece, response);
  }

  onComplete(body: EndRequestBody): void {
    this.#host.complete(this, body);
  }

  onDetached(): void {
    this.#unlisten();
  }

  onDistrusted(): void {
    this.#host.finish();
  }

  onAbandoned(reason: unknown): void {
    if (this.isLive) this.#host.abort(this, reason ?? this.#cancelled());
  }

  /** Called when the application was silent for too long. */
  onTimeout(limit: ResponseTimeLimit): void {
    const { requestId } = this;
    const what = limit === "headerTimeout" ? "sent no output" : "was silent";
    const message = `Cannot read the response: the application ${what} for ${this.#host.options[limit]} ms`;
    const stderr = this.response.stderrText;
    this.#host.abort(this, new FastCgiError("timeout", message, { requestId, limit, stderr }));
  }

  #onSenderDone(sent: boolean): void {
    if (!sent) return;
    this.#sentWhole = true;
    this.#onSent();
  }

  /** Nothing of the request is sent any more: it is the application's turn. */
  #onSent(): void {
    const { onSent } = RULES[this.#state];
    if (onSent === undefined) return;
    this.#state = onSent;
    this.resume();
  }

  /** Called when the program can no longer end the request. */
  #unlisten(): void {
    this.response.stdinBytes = this.#sender.stdin?.sent ?? 0;
    this.#request.signal?.removeEventListener("abort", this.#onSignal!);
  }

  #cancelled(): FastCgiError {
    const { requestId } = this;
    return new FastCgiError("aborted", "Cannot read the response: it was cancelled", { requestId });
  }
}
