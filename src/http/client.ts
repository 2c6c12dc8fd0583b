import { FastCgiClient } from "../client/client.ts";
import type { FastCgiClientOptions } from "../client/options.ts";
import type { IncomingResponse } from "../codec/incoming_response.ts";
import { resolveOptions } from "../codec/resolve_options.ts";
import { byteStringToUtf8, decodeByteString } from "../protocol/byte_string.ts";
import { cancelSource } from "../transport/byte_source.ts";
import type { Connector } from "../transport/connection.ts";
import { responseFromCgi } from "./cgi_to_response.ts";
import { type MeasuredBody, measureBody } from "./request_body.ts";
import {
  type FastCgiHttpParams,
  type FastCgiHttpPeers,
  type FastCgiScript,
  paramsFromRequest,
} from "./request_to_params.ts";
import type { OpenSpool } from "./spool.ts";

/** What a connector knows about the application it leads to, such as the preset `phpFpm`. */
export interface FastCgiHttpPreset {
  /** See {@linkcode FastCgiHttpClientOptions.script}. */
  readonly script?: FastCgiScript;
  /** See {@linkcode FastCgiHttpClientOptions.params}. */
  readonly params?: FastCgiHttpParams;
  /** See {@linkcode FastCgiHttpClientOptions.openSpool}. */
  readonly openSpool?: OpenSpool;
}

/** A connector that knows more than how to connect. */
export interface FastCgiHttpConnector extends Connector {
  /** What the client takes from the connector where its own options say nothing. */
  readonly preset?: FastCgiHttpPreset | undefined;
}

/** Options of a {@linkcode FastCgiHttpClient}. */
export interface FastCgiHttpClientOptions extends FastCgiClientOptions {
  /** The script that answers every request. Without one, the whole path of the URL becomes PATH_INFO. */
  script?: FastCgiScript;
  /** Variables for every request, over those made from it. */
  params?: FastCgiHttpParams;
  /**
   * Bytes of a body without Content-Length that are collected to find out its length: FastCGI applications need it before the
   * body. Sizes in bytes.
   *
   * @default {1048576} (1 MiB)
   */
  maxBufferedRequestBytes?: number;
  /**
   * Bytes of such a body that are collected in all, where it can be kept outside memory.
   *
   * @default {1073741824} (1 GiB)
   */
  maxSpooledRequestBytes?: number;
  /**
   * Opens a place for such a body when it is too large for memory.
   *
   * @default {a temporary file, with the connectors of Node; none elsewhere, so larger bodies fail with `lengthRequired`}
   */
  openSpool?: OpenSpool;
  /**
   * The most bytes in the header block of a response.
   *
   * @default {65536} (64 KiB, as lighttpd; nginx stops at 4 or 8)
   */
  maxResponseHeaderBytes?: number;
  /** Told of each piece of FCGI_STDERR: the application's error messages. */
  onStderr?: (message: string, request: Request) => void;
}

/** A `RequestInit` with what only FastCGI has. */
export interface FastCgiFetchInit extends RequestInit, FastCgiHttpPeers {
  /** Variables for this request, over all others. */
  params?: FastCgiHttpParams | undefined;
}

const DEFAULTS: Required<
  Pick<FastCgiHttpClientOptions, "maxBufferedRequestBytes" | "maxSpooledRequestBytes" | "maxResponseHeaderBytes">
> = Object.freeze({
  maxBufferedRequestBytes: 1024 * 1024,
  maxSpooledRequestBytes: 1024 * 1024 * 1024,
  maxResponseHeaderBytes: 64 * 1024,
});

/** Names of {@linkcode FastCgiFetchInit} that a native `RequestInit` does not have. */
const OWN_INIT: ReadonlySet<string> = new Set(["params", "remoteAddress", "remotePort", "serverAddress", "serverPort"]);

/**
 * Fetches from a FastCGI application.
 *
 * ```ts
 * const php = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm("/run/php/php-fpm.sock", "/srv/app/public/index.php"));
 * const response = await php.fetch("http://example.com/");
 * ```
 */
export class FastCgiHttpClient {
  readonly #client: FastCgiClient;
  readonly #options: FastCgiHttpClientOptions & typeof DEFAULTS;
  readonly #preset: FastCgiHttpPreset;

  /** @throws {RangeError | TypeError} If an option has a value it can't have. */
  constructor(connector: FastCgiHttpConnector, options: FastCgiHttpClientOptions = {}) {
    this.#client = new FastCgiClient(connector, options);
    this.#options = { ...options, ...resolveOptions(DEFAULTS, options) };
    this.#preset = connector.preset ?? {};
    // So that it can be passed on alone, as fetch can: `app.mount("/", php.fetch)`.
    this.fetch = this.fetch.bind(this);
  }

  /**
   * Sends a request and resolves with its response as soon as the header is there. Bodies stream both ways; the response's body
   * fails where the application does not bring it to its end. `signal` cancels at any point.
   *
   * @throws {FastCgiError} If there is no response to be had.
   * @throws {unknown} The reason of the request's signal.
   */
  async fetch(input: Request | URL | string, init: FastCgiFetchInit = {}): Promise<Response> {
    // `serve({ fetch: php.fetch })` calls it with a context: the `params` there are what another web server sent.
    const own = "waitUntil" in init ? {} : init;
    const request = requestOf(input, own);
    try {
      return await this.#exchange(request, own);
    } catch (error) {
      // What is left of the body, nobody will read.
      if (request.body !== null) void cancelSource(request.body, error);
      throw error;
    }
  }

  /** Sends no more requests, and closes idle connections. Responses under way go on to their end. */
  close(): void {
    this.#client.close();
  }

  async #exchange(request: Request, init: FastCgiFetchInit): Promise<Response> {
    const { signal, method } = request;
    const { maxResponseHeaderBytes, openSpool = this.#preset.openSpool } = this.#options;
    signal.throwIfAborted();
    const body = await measureBody(request, { ...this.#options, openSpool });
    try {
      const response = await this.#start(request, init, body);
      const dispose = (): void => void body.dispose();
      response.end.then(dispose, dispose);
      return await responseFromCgi(response, { method, maxResponseHeaderBytes });
    } catch (error) {
      await body.dispose();
      throw error;
    }
  }

  #start(request: Request, init: FastCgiFetchInit, body: MeasuredBody): Promise<IncomingResponse> {
    const { script, params, onStderr } = this.#options;
    const variables = paramsFromRequest(request, {
      ...init,
      contentLength: body.length,
      script: script ?? this.#preset.script,
      overrides: [this.#preset.params, params, init.params],
    });
    return this.#client.start({
      params: variables,
      stdin: body.source,
      signal: request.signal,
      // There even if nobody listens: on Node 20 the signal of a Request that was collected does not follow the caller's any
      // more, and this keeps the Request as long as the exchange.
      onStderr: (piece) => onStderr?.(byteStringToUtf8(decodeByteString(piece)), request),
    });
  }
}

/** `input` itself where `init` asks nothing of Fetch: a new Request costs, and may not accept one of another maker. */
function requestOf(input: Request | URL | string, init: FastCgiFetchInit): Request {
  const isPlain = Object.keys(init).every((name) => OWN_INIT.has(name));
  return input instanceof Request && isPlain ? input : new Request(input, init);
}
