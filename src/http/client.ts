import { type ClientCloseOptions, FastCgiClient } from "../client/client.ts";
import type { PoolStatus } from "../client/pool.ts";
import type { FastCgiRequestInit } from "../client/request.ts";
import type { IncomingResponse } from "../codec/incoming_response.ts";
import { resolveOptions } from "../codec/resolve_options.ts";
import { Role } from "../protocol/constants.ts";
import { cancelSource } from "../transport/byte_source.ts";
import { askAuthorizer, type FastCgiAuthorization, type FastCgiAuthorizeInit } from "./authorizer.ts";
import { type CgiResponse, responseFromCgi } from "./cgi_to_response.ts";
import {
  DEFAULT_HTTP_CLIENT_OPTIONS,
  type FastCgiFetchInit,
  type FastCgiHttpClientOptions,
  type FastCgiHttpConnector,
  type FastCgiHttpPreset,
  OWN_INIT,
} from "./client_options.ts";
import { addFilterData } from "./filter_data.ts";
import { inheritInit, redirectInternally } from "./internal_redirect.ts";
import { paramsFromPhpOptions } from "./php_values.ts";
import { lengthOfBodyInit, type MeasuredBody, measureBody } from "./request_body.ts";
import { paramsFromRequest } from "./request_to_params.ts";
import { checkScript, type FastCgiScript } from "./script.ts";
import type { FastCgiContext } from "./service.ts";
import { StderrText } from "./stderr_text.ts";

/**
 * Fetches from a FastCGI application.
 *
 * ```ts
 * const php = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm("/run/php/php-fpm.sock", "/srv/app/public/index.php"));
 * const response = await php.fetch("http://example.com/");
 * ```
 */
export class FastCgiHttpClient implements AsyncDisposable {
  readonly #client: FastCgiClient;
  readonly #options: FastCgiHttpClientOptions & typeof DEFAULT_HTTP_CLIENT_OPTIONS;
  readonly #preset: FastCgiHttpPreset;

  /** @throws {RangeError | TypeError} If an option has a value it can't have. */
  constructor(connector: FastCgiHttpConnector, options: FastCgiHttpClientOptions = {}) {
    this.#client = new FastCgiClient(connector, options);
    this.#options = { ...options, ...resolveOptions(DEFAULT_HTTP_CLIENT_OPTIONS, options) };
    this.#preset = connector.preset ?? {};
    const { requestBuffering = "measure" } = options;
    if (requestBuffering !== "measure" && requestBuffering !== "stream") {
      throw new TypeError(
        `Cannot use requestBuffering: expected "measure" or "stream", got ${String(requestBuffering)}`,
      );
    }
    checkScript(options.script ?? this.#preset.script);
    paramsFromPhpOptions([this.#preset, options]);
    // So that it can be passed on alone, as fetch can: `app.mount("/", php.fetch)`.
    this.fetch = this.fetch.bind(this);
  }

  /**
   * Sends a request and resolves with its response as soon as the header is there. Bodies stream both ways; the response's body
   * fails where the application does not bring it to its end. `signal` cancels at any point.
   *
   * Where `script` has none for the URL, its response is the answer, such as a 404, and the application is not asked.
   *
   * @throws {FastCgiError} If there is no response to be had.
   * @throws {TypeError} If the request can't be sent, such as one whose body was read, or `init` has a value it can't have.
   * @throws {unknown} The reason of the request's signal, and whatever the body or a hook fails with.
   */
  async fetch(input: Request | URL | string, init: FastCgiFetchInit | FastCgiContext = {}): Promise<Response> {
    // `serve({ fetch: php.fetch })` calls it with a context: the `params` there are what another web server sent.
    const given: FastCgiFetchInit = "waitUntil" in init ? {} : init;
    const request = requestOf(input, given);
    const own = inheritInit(input, request, given);
    try {
      const script = await this.#script(request);
      if (script instanceof Response) {
        cancelUnsent(request, own, "No script answers the request");
        return script;
      }
      const response = await this.#exchange(request, own, script, lengthOfBodyInit(given.body));
      // The file of a Filter was for this request.
      const { data: _, ...init } = own;
      return await redirectInternally(response, { ...this.#options, request, init });
    } catch (error) {
      cancelUnsent(request, own, error);
      throw error;
    }
  }

  /**
   * Asks an Authorizer about a request (FastCGI 6.3). Its body is neither sent nor touched. Status 200 allows the request; with any
   * other one the answer is for the HTTP client.
   *
   * @throws {FastCgiError} If there is no whole answer to be had: then nothing is allowed.
   * @throws {unknown} The reason of the signal.
   */
  async authorize(request: Request, init: FastCgiAuthorizeInit = {}): Promise<FastCgiAuthorization> {
    const script = await this.#script(request);
    if (script instanceof Response) return { allowed: false, response: script };
    return askAuthorizer(request, {
      ...this.#options,
      params: this.#params(request, init, script, null),
      send: (exchange) => this.#send(request, { ...exchange, signal: init.signal ?? request.signal }),
    });
  }

  /** Open connections, those without a request, and requests that run or wait. */
  get status(): PoolStatus {
    return this.#client.status;
  }

  /** Sends no more requests. Resolves when those that wait or run are over, and every connection is closed. */
  close(options?: ClientCloseOptions): Promise<void> {
    return this.#client.close(options);
  }

  /** As {@linkcode FastCgiHttpClient.close}: `await using php = new FastCgiHttpClient(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The script that answers, or the response where the application is not asked. */
  async #script(request: Request): Promise<FastCgiScript | Response | undefined> {
    request.signal.throwIfAborted();
    const script = this.#options.script ?? this.#preset.script;
    if (typeof script !== "function") return script;
    const chosen = await script(request);
    if (!(chosen instanceof Response)) checkScript(chosen);
    return chosen;
  }

  async #exchange(
    request: Request,
    init: FastCgiFetchInit,
    script: FastCgiScript | undefined,
    knownLength: number | null,
  ): Promise<CgiResponse> {
    const { signal, method } = request;
    const { openSpool = this.#preset.openSpool } = this.#options;
    signal.throwIfAborted();
    const body = await measureBody(request, { ...this.#options, openSpool, knownLength });
    try {
      const response = await this.#start(request, init, script, body);
      const dispose = (): void => void body.dispose();
      response.end.then(dispose, dispose);
      return await responseFromCgi(response, { ...this.#options, method });
    } catch (error) {
      await body.dispose();
      throw error;
    }
  }

  #start(
    request: Request,
    init: FastCgiFetchInit,
    script: FastCgiScript | undefined,
    body: MeasuredBody,
  ): Promise<IncomingResponse> {
    const params = this.#params(request, init, script, body.length);
    const exchange: FastCgiRequestInit = { params, stdin: body.source, signal: request.signal };
    if (!init.data) return this.#send(request, exchange);
    addFilterData(params, init.data);
    return this.#send(request, { ...exchange, role: Role.Filter, data: init.data.source });
  }

  #params(
    request: Request,
    init: OwnInit,
    script: FastCgiScript | undefined,
    contentLength: MeasuredBody["length"],
  ): Map<string, string> {
    const sources = [this.#preset, this.#options, init];
    const overrides = [paramsFromPhpOptions(sources), ...sources.map(({ params }) => params)];
    return paramsFromRequest(request, { ...init, contentLength, script, overrides });
  }

  async #send(request: Request, exchange: FastCgiRequestInit): Promise<IncomingResponse> {
    const { onStderr } = this.#options;
    // There even if nobody listens: on Node 20 the signal of a Request that was collected does not follow the caller's any more,
    // and this keeps the Request as long as the exchange.
    const stderr = new StderrText((text) => onStderr?.(text, request));
    const response = await this.#client.start({ ...exchange, onStderr: (piece) => stderr.push(piece) });
    const end = (): void => stderr.end(response.stderrTruncated);
    response.end.then(end, end);
    return response;
  }
}

/** What only FastCGI has of an init. */
type OwnInit = Omit<FastCgiFetchInit, keyof RequestInit>;

/** `input` itself where `init` asks nothing of Fetch: a new Request costs, and may not accept one of another maker. */
function requestOf(input: Request | URL | string, init: FastCgiFetchInit): Request {
  const isPlain = Object.keys(init).every((name) => OWN_INIT.has(name));
  return input instanceof Request && isPlain ? input : new Request(input, init);
}

/** What is left of a request's streams, nobody will read. */
function cancelUnsent({ body }: Request, { data }: FastCgiFetchInit, reason: unknown): void {
  if (body !== null) void cancelSource(body, reason);
  if (data) void cancelSource(data.source, reason);
}
