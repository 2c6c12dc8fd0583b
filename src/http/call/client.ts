import { orAbort } from "../../base/abort.ts";
import { contained, containedOrNull } from "../../base/contained.ts";
import { type Resolved, resolveOptions } from "../../base/resolve_options.ts";
import { checkConvertibleSignal, checkFunction, optionsOf, unexpected } from "../../base/unexpected.ts";
import { type ClientCloseOptions, Dispatcher } from "../../client/dispatcher.ts";
import type { PoolStatus } from "../../client/pool.ts";
import { clientRequest, type FastCgiRequestInit } from "../../client/request.ts";
import { cancelSource } from "../../codec/byte_source.ts";
import type { IncomingResponse } from "../../codec/incoming_response.ts";
import { Role } from "../../protocol/constants.ts";
import type { FastCgiContext } from "../serve/service.ts";
import { dropResponse } from "../shared/discard_body.ts";
import { asNativeSignal, isRequest, isResponse } from "../shared/fetch_objects.ts";
import { askAuthorizer, type FastCgiAuthorization, type FastCgiAuthorizeInit } from "./authorizer.ts";
import { type CgiResponse, responseFromCgi } from "./cgi_to_response.ts";
import {
  DEFAULT_HTTP_CLIENT_OPTIONS,
  type FastCgiFetchInit,
  type FastCgiHttpClientOptions,
  type FastCgiHttpConnector,
  type FastCgiHttpPreset,
} from "./client_options.ts";
import { type FastCgiFetchEnd, watchFetch } from "./fetch_watch.ts";
import { addFilterData } from "./filter_data.ts";
import { asksInternally, inheritInit, redirectInternally } from "./internal_redirect.ts";
import { asOutgoing, asOutgoingHead, type OutgoingRequest, outgoingRequest, requestOf } from "./outgoing_request.ts";
import { paramsFromPhpOptions } from "./php_values.ts";
import { bodyAtHand, checkRequestBuffering, prepareBody, wholeBodyOf } from "./request_body.ts";
import { checkParams, paramsFromRequest, setContentLength } from "./request_to_params.ts";
import { checkScript, type FastCgiScript, type FastCgiScriptResolver } from "./script.ts";
import { StderrText } from "./stderr_text.ts";
import { holding } from "./under_way.ts";

/**
 * Calls a FastCGI application by `fetch`.
 *
 * ```ts
 * const php = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm("/run/php/php-fpm.sock", "/srv/app/public/index.php"));
 * const response = await php.fetch("http://example.com/");
 * ```
 */
export class FastCgiHttpClient implements AsyncDisposable {
  readonly #dispatcher: Dispatcher;
  readonly #options: FastCgiHttpClientOptions &
    typeof DEFAULT_HTTP_CLIENT_OPTIONS &
    Resolved<Pick<FastCgiHttpClientOptions, "onStderr">>;
  /** Null without a callback. */
  readonly #onRequestEnd: ((end: FastCgiFetchEnd) => void) | null;
  readonly #preset: FastCgiHttpPreset;
  readonly #script: FastCgiScript | FastCgiScriptResolver | undefined;

  /**
   * Sends to the application that `connector` leads to. Connects when a request is sent.
   *
   * @throws {RangeError | TypeError} If an option has an invalid value.
   */
  constructor(connector: FastCgiHttpConnector, given: FastCgiHttpClientOptions = {}) {
    const options = optionsOf(given);
    this.#dispatcher = new Dispatcher(connector, options);
    checkFunction(connector.onStderr ?? undefined, "onStderr of the connector");
    const onStderr = options.onStderr ?? connector.onStderr?.bind(connector);
    this.#preset = optionsOf(connector.preset ?? {}, "preset");
    const { openSpool } = this.#preset;
    this.#options = {
      ...(openSpool && { openSpool }),
      ...options,
      ...resolveOptions(DEFAULT_HTTP_CLIENT_OPTIONS, options),
      onStderr: contained("onStderr", onStderr),
    };
    this.#onRequestEnd = containedOrNull("onRequestEnd", options.onRequestEnd);
    this.#script = options.script ?? this.#preset.script;
    checkRequestBuffering(this.#options.requestBuffering);
    checkResponseClass(this.#options.responseClass);
    for (const source of [this.#preset, options]) {
      checkScript(source.script);
      checkParams(source.params);
      checkFunction(source.openSpool, "openSpool");
    }
    checkFunction(this.#preset.streamedResponse, "streamedResponse");
    for (const hook of HOOKS) checkFunction(options[hook], hook);
    paramsFromPhpOptions([this.#preset, options]);
    // Bound, so that it can be passed on alone, as the global `fetch` can: `app.mount("/", php.fetch)`.
    this.fetch = this.fetch.bind(this);
  }

  /**
   * Sends a request and resolves with its response as soon as the response's header has come. By default the request's
   * body is collected before the application is asked (`requestBuffering`). The response's body streams, and fails if
   * the application does not complete it. `signal` cancels at any time, also while `fetch` waits for a body or a hook.
   *
   * A body that is a `Uint8Array` is not copied, and is sent to its end even if `fetch` has rejected meanwhile: pass a
   * copy of a buffer that is used again.
   *
   * If `script` returns a Response, such as a 404, that is the result, and the application is not asked.
   *
   * @throws {FastCgiError} If there is no valid response.
   * @throws {TypeError} If the request can't be sent, for example because its body was read, or `init` has an invalid
   * value.
   * @throws {unknown} The reason of the request's signal, or the error of the body or of a hook.
   */
  async fetch(input: Request | URL | string, init: FastCgiFetchInit | FastCgiContext = {}): Promise<Response> {
    // `serve({ fetch: php.fetch })` calls it with a handler's context, whose `params` are those that another web server
    // sent.
    const options = optionsOf(init, "init");
    const given: FastCgiFetchInit = "waitUntil" in options ? {} : options;
    checkConvertibleSignal(given.signal, "Cannot send the request");
    const chosen = given.script ?? this.#script;
    // A function that chooses the script gets a real Request, which it may also read.
    const request = typeof chosen === "function" ? asOutgoing(requestOf(input, given)) : outgoingRequest(input, given);
    const own = inheritInit(input, request, given);
    this.#watch(request);
    const send = async (): Promise<Response> => {
      try {
        request.signal?.throwIfAborted();
        const script = await this.#chooseScript(request, chosen);
        if (isResponse(script)) {
          cancelUnsent(request, own, "No script answers the request");
          return script;
        }
        const answer = await this.#exchange(request, own, script, wholeBodyOf(given.body));
        // Stryker disable next-line ConditionalExpression: a shortcut, for such a response is returned below as well
        if (!asksInternally(answer)) return answer.response;
        // The script, and the file for a Filter, were for this request only.
        const { data: _, script: __, ...init } = own;
        const redirected = redirectInternally(answer, { ...this.#options, native: request.native, init });
        return await orAbort(redirected, request.signal, dropLate);
      } catch (error) {
        cancelUnsent(request, own, error);
        request.watch?.fail(error);
        throw error;
      }
    };
    // Stryker disable next-line ConditionalExpression: a shortcut, for without a signal there is nothing to hold
    return request.signal === undefined ? send() : holding([request, given.signal], send);
  }

  /**
   * Asks an Authorizer about a request (FastCGI 6.3). The request's body is neither sent nor read. An answer with
   * status 200 allows the request; any other answer is for the HTTP client.
   *
   * @throws {FastCgiError} If there is no complete answer. The request must not go on then.
   * @throws {TypeError} If an argument is not what it must be.
   * @throws {unknown} The reason of the signal, or the error of `script`.
   */
  async authorize(request: Request, given: FastCgiAuthorizeInit = {}): Promise<FastCgiAuthorization> {
    const task = "Cannot ask the authorizer";
    const init = optionsOf(given, "init");
    if (!isRequest(request)) throw unexpected(`${task}: expected request to be a Request`, request);
    checkConvertibleSignal(init.signal, task);
    const head = asOutgoingHead(request);
    const signal = init.signal ? asNativeSignal(init.signal) : head.signal;
    const asked = this.#watch({ ...head, signal });
    const { watch } = asked;
    return holding([request, signal], async () => {
      try {
        signal?.throwIfAborted();
        const script = await this.#chooseScript(asked, init.script ?? this.#script);
        if (isResponse(script)) return { allowed: false, response: script };
        return await askAuthorizer(request, {
          ...this.#options,
          signal,
          params: this.#params(asked, init, script),
          startExchange: (exchange) => this.#startExchange(asked, { ...exchange, signal: signal ?? null }),
          watch,
        });
      } catch (error) {
        watch?.fail(error);
        throw error;
      }
    });
  }

  /** Open connections, those without a request, and requests that run or wait. */
  get status(): PoolStatus {
    return this.#dispatcher.status;
  }

  /**
   * Sends no more requests. Resolves when the requests that run or wait are over, and every connection is closed.
   *
   * @throws {RangeError | TypeError} If `timeout` is not a number of milliseconds.
   */
  close(options?: ClientCloseOptions): Promise<void> {
    return this.#dispatcher.close(options);
  }

  /** As {@linkcode FastCgiHttpClient.close}: `await using php = new FastCgiHttpClient(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Watches a request, if the program wants to know of its end. */
  #watch(request: OutgoingRequest): OutgoingRequest {
    if (this.#onRequestEnd !== null) request.watch = watchFetch(request, this.#onRequestEnd);
    return request;
  }

  /** The script that answers, or a Response if the application is not to be asked. */
  async #chooseScript(
    { native, signal, watch }: OutgoingRequest,
    script: FastCgiScript | FastCgiScriptResolver | undefined,
  ): Promise<FastCgiScript | Response | undefined> {
    if (typeof script !== "function") {
      checkScript(script);
      return script;
    }
    const choosing = (async () => script(native()))();
    const chosen = await orAbort(choosing, signal, (late) => {
      // Stryker disable next-line ConditionalExpression: what is no Response has no body to drop
      if (isResponse(late)) dropLate(late);
    });
    if (isResponse(chosen)) watch?.refuse(chosen);
    else checkScript(chosen);
    return chosen;
  }

  async #exchange(
    request: OutgoingRequest,
    init: FastCgiFetchInit,
    script: FastCgiScript | undefined,
    whole: Uint8Array | Blob | null,
  ): Promise<CgiResponse> {
    // Before the body is read: a request with invalid variables is refused at once.
    const params = this.#params(request, init, script);
    if (init.data !== undefined && init.data !== null) addFilterData(params, init.data);
    const body = bodyAtHand(request) ?? (await prepareBody(request, { ...this.#options, whole }));
    setContentLength(params, body.length);
    const { dispose } = body;
    try {
      const exchange: FastCgiRequestInit = { params, stdin: body.source, signal: request.signal ?? null };
      const response = await this.#startExchange(
        request,
        init.data ? { ...exchange, role: Role.Filter, data: init.data.source } : exchange,
      );
      if (dispose !== undefined) response.end.then(dispose, dispose);
      const { maxResponseHeaderBytes, maxDrainBytes, responseClass } = this.#options;
      const { method, watch } = request;
      const { streamedResponse } = this.#preset;
      const limits = { maxResponseHeaderBytes, maxDrainBytes };
      const answer = await responseFromCgi(response, { method, ...limits, responseClass, streamedResponse, watch });
      watch?.awaitEnd();
      return answer;
    } catch (error) {
      void dispose?.();
      throw error;
    }
  }

  #params(request: OutgoingRequest, init: OwnInit, script: FastCgiScript | undefined): Map<string, string> {
    const sources = [this.#preset, this.#options, init];
    const overrides = [paramsFromPhpOptions(sources), ...sources.map(({ params }) => params)];
    return paramsFromRequest(request, { ...init, script, overrides });
  }

  #startExchange({ native }: OutgoingRequest, exchange: FastCgiRequestInit): Promise<IncomingResponse> {
    const { onStderr } = this.#options;
    let stderr: StderrText | null = null;
    const sent: FastCgiRequestInit = {
      ...exchange,
      // Set even without an `onStderr` option, because it keeps the Request in memory during the exchange: on Node the
      // signal of a Request that was garbage-collected no longer follows the caller's.
      onStderr: (piece, response) => {
        if (stderr === null) {
          const text = new StderrText((text) => onStderr(text, native()));
          const end = (): void => text.end(response.stderrTruncated);
          response.end.then(end, end);
          stderr = text;
        }
        stderr.push(piece);
      },
    };
    return this.#dispatcher.send(sent, () => clientRequest(sent, sent.params));
  }
}

/** Options that are hooks. */
const HOOKS = ["onLocalRedirect", "onAccelRedirect", "onSendFile"] as const;

/**
 * Looks for members only: to make an instance would load the HTTP client on Node.
 *
 * @throws {TypeError} If `given` is neither a class of Responses nor undefined.
 */
function checkResponseClass(given: unknown): void {
  if (given === undefined) return;
  const prototype: unknown = typeof given === "function" ? given.prototype : null;
  const isMade = typeof prototype === "object" && prototype !== null;
  if (isMade && ["status", "headers", "text"].every((name) => name in prototype)) return;
  throw unexpected("Cannot use responseClass: expected a class of Responses such as FastResponse", given);
}

/** The options of a fetch call that are FastCGI's own. */
type OwnInit = Omit<FastCgiFetchInit, keyof RequestInit>;

/** Cancels what is left of a request's streams, which will not be read. */
function cancelUnsent({ body }: OutgoingRequest, { data }: FastCgiFetchInit, reason: unknown): void {
  // Stryker disable next-line ConditionalExpression: a shortcut, for null needs no cancelling
  if (body !== null) void cancelSource(body, reason);
  if (data) void cancelSource(data.source, reason);
}

/** Cancels a response that came after its request was cancelled. */
function dropLate(response: Response): void {
  dropResponse(response, "The request was cancelled");
}
