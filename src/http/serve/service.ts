import { contained } from "../../base/contained.ts";
import { copyableWith, setOwn } from "../../base/copyable.ts";
import { isPromise } from "../../base/is_promise.ts";
import { kindOf } from "../../base/kind_of.ts";
import { type Resolved, resolveOptions } from "../../base/resolve_options.ts";
import { checkFunction, optionsOf } from "../../base/unexpected.ts";
import { errorDocument } from "../../cgi/error_document.ts";
import type { FastCgiParams } from "../../cgi/params.ts";
import { ByteQueue } from "../../codec/byte_queue.ts";
import { type ByteReader, type ByteSource, END_OF_BYTES, joinBytes } from "../../codec/byte_source.ts";
import { copyable, type FastCgiRequest, IncomingRequest } from "../../codec/incoming_request.ts";
import type { FastCgiResponse } from "../../codec/outgoing_response.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/byte_string.ts";
import type { Role } from "../../protocol/constants.ts";
import { NO_CONTENT } from "../../protocol/record.ts";
import { asOwnHandler, type FastCgiHandler, type FastCgiHandlerContext } from "../../server/response.ts";
import { isResponse } from "../shared/fetch_objects.ts";
import { lazyRequest } from "./lazy_request.ts";
import { hasBody, nativeRequest } from "./native_request.ts";
import { isForbiddenMethod, partsFromParams } from "./params_to_request.ts";
import { type RequestSource, sourceOf } from "./request_source.ts";
import { type CgiResponseOptions, cgiFromResponse } from "./response_to_cgi.ts";

/** What a fetch handler gets besides the Request. */
export interface FastCgiContext {
  /**
   * The CGI variables. They come from the web server, except `HTTP_*`, which its client chooses. `REMOTE_USER` is only
   * as good as the web server's configuration: nginx and HAProxy fill it with the name of a login whose password they
   * did not check.
   *
   * Values are byte strings; `byteStringToUtf8` makes text of them.
   */
  readonly params: FastCgiParams;
  /** The role that the web server asks the application to play (FastCGI 6). */
  readonly role: Role;
  /** The id of the request on its connection. */
  readonly requestId: number;
  /** The request body, also of a GET. These are the bytes of `request.body`: read one of the two. */
  readonly stdin: ReadableStream<Uint8Array>;
  /** The file of a Filter (FastCGI 6.4); empty for the other roles. */
  readonly data: ReadableStream<Uint8Array>;
  /**
   * Takes messages about this request and passes them to `onStderr`, and with `sendStderr` to the web server's error
   * log.
   */
  readonly stderr: FastCgiStderr;
  /** Makes a graceful close wait for work that goes on after the response. */
  waitUntil(promise: PromiseLike<unknown>): void;
}

/** The error log of a request. */
export interface FastCgiStderr {
  /** Writes a message: text, or bytes. */
  write(message: string | Uint8Array): void;
}

/** An ordinary fetch handler. It may ignore the second parameter. */
export type FastCgiFetchHandler = (request: Request, context: FastCgiContext) => Response | Promise<Response>;

/** Options of a {@linkcode FastCgiHttpService}. */
export interface FastCgiHttpServiceOptions {
  /**
   * Called with every message that the handler writes to `context.stderr`.
   *
   * @default {`serve` of a runtime's entry prints it; FastCgiHttpService prints nothing}
   */
  onStderr?: ((message: string, request: FastCgiRequest) => void) | undefined;
  /**
   * Whether those messages also go to the web server, as FCGI_STDERR. Off because some of them crash HAProxy 2.6;
   * nginx, Apache and lighttpd write them to their error log.
   *
   * @default {false}
   */
  sendStderr?: boolean | undefined;
  /**
   * Whether the Request builds its parts when they are first read. That saves a tenth of a small request on Node.js,
   * and more where its body is read as text or bytes. Such a Request can't be passed to `new Request()` or `fetch()`,
   * as much middleware does: on Node.js 22 and later and on Deno they throw, and on Bun `new Request(request, init)`
   * makes a GET of it. Pass its `clone()` instead.
   *
   * @default {false}
   */
  lazyRequest?: boolean | undefined;
}

/** The defaults of {@linkcode FastCgiHttpServiceOptions}. */
export const SERVICE_DEFAULTS: Resolved<Pick<FastCgiHttpServiceOptions, "lazyRequest" | "sendStderr">> = Object.freeze({
  lazyRequest: false,
  sendStderr: false,
});

/**
 * Makes a FastCGI application of a fetch handler.
 *
 * ```ts
 * const service = new FastCgiHttpService((request) => new Response(`Hello ${request.url}`));
 * const server = new FastCgiServer(service.handler);
 * ```
 */
export class FastCgiHttpService {
  readonly #fetch: FastCgiFetchHandler;
  readonly #options: FastCgiHttpServiceOptions;

  /**
   * Serves `fetch`.
   *
   * @throws {TypeError} If `fetch` is not a function.
   */
  constructor(fetch: FastCgiFetchHandler, given: FastCgiHttpServiceOptions = {}) {
    const options = optionsOf(given);
    checkFunction(fetch, "fetch", false);
    this.#fetch = fetch;
    this.#options = { ...resolveOptions(SERVICE_DEFAULTS, options), onStderr: contained("onStderr", options.onStderr) };
  }

  /** The handler for a {@linkcode FastCgiServer}. */
  get handler(): FastCgiHandler {
    return asOwnHandler((request, context) => this.#handle(request, context));
  }

  #handle(request: FastCgiRequest, server: FastCgiHandlerContext): FastCgiResponse | Promise<FastCgiResponse> {
    const incoming = IncomingRequest.of(request);
    const source = incoming ?? sourceOf(request);
    const parts = partsFromParams(source);
    const { method } = parts;
    const watch = incoming?.watch;
    if (watch) watch.url = parts.url;
    // Fetch refuses a Request with these methods, and no web server forwards them to an application on purpose.
    if (isForbiddenMethod(method)) return { stdout: errorDocument(501) };
    const fetchRequest =
      incoming !== null && this.#options.lazyRequest
        ? lazyRequest(parts, incoming)
        : nativeRequest(parts, source, hasBody(parts, source));
    const context = new FetchContext(source, request, server, this.#options);
    const options = { method, role: request.role, owner: request };
    try {
      const answer = this.#fetch(fetchRequest, copyableContext(context));
      const output = isPromise(answer)
        ? Promise.resolve(answer).then((response) => stdoutOf(response, options))
        : stdoutOf(answer, options);
      if (!isPromise(output)) return context.stderr.respond(output);
      return output.then(
        (sources) => context.stderr.respond(sources),
        (error) => context.stderr.respondTo(error),
      );
    } catch (error) {
      return context.stderr.respondTo(error);
    }
  }
}

function stdoutOf(
  response: Response,
  options: CgiResponseOptions,
): readonly ByteSource[] | Promise<readonly ByteSource[]> {
  if (isResponse(response)) return cgiFromResponse(response, options);
  throw new TypeError(`Cannot send the response: expected a Response, got ${kindOf(response)}`);
}

// Stryker disable BooleanLiteral: only the names count
const withOwnMembers = /* @__PURE__ */ copyableWith<FastCgiContext>({
  params: true,
  role: true,
  requestId: true,
  stdin: true,
  data: true,
  stderr: true,
  waitUntil: true,
});
// Stryker restore BooleanLiteral

/** The context of one request. */
class FetchContext implements FastCgiContext {
  readonly role: Role;
  readonly requestId: number;
  readonly waitUntil: (promise: PromiseLike<unknown>) => void;
  readonly stderr: StderrLog;
  readonly #source: RequestSource;

  constructor(
    source: RequestSource,
    request: FastCgiRequest,
    server: FastCgiHandlerContext,
    options: FastCgiHttpServiceOptions,
  ) {
    this.role = source.role;
    this.requestId = source.requestId;
    // Not a method, because handlers detach it: `const { waitUntil } = context`.
    this.waitUntil = (promise) => server.waitUntil(promise, request);
    this.stderr = new StderrLog(request, options);
    this.#source = source;
  }

  get params(): FastCgiParams {
    return this.#source.params;
  }

  set params(params: FastCgiParams) {
    setOwn(this, "params", params);
  }

  get stdin(): ReadableStream<Uint8Array> {
    return this.#source.stdin;
  }

  get data(): ReadableStream<Uint8Array> {
    return this.#source.data;
  }
}

/**
 * Bun makes a GET of each Request whose init is a Proxy, and a framework may pass the context on as the init. Found out
 * at the first request.
 */
let canProxyBeInit: boolean | undefined;

/** The context as the handler gets it, which can be copied. */
function copyableContext(context: FetchContext): FastCgiContext {
  // Stryker disable AssignmentOperator,ConditionalExpression,EqualityOperator,ObjectLiteral,StringLiteral: both ways give the same
  canProxyBeInit ??=
    new Request(new Request("http://localhost/", { method: "POST" }), new Proxy({}, {})).method === "POST";
  /* v8 ignore else -- only on Bun */
  if (canProxyBeInit) return withOwnMembers(context);
  // Stryker restore AssignmentOperator,ConditionalExpression,EqualityOperator,ObjectLiteral,StringLiteral
  // Stryker disable all: only on Bun
  const own = (name: "params" | "stdin" | "data"): PropertyDescriptor => ({
    get: () => Reflect.get(FetchContext.prototype, name, context),
    set(this: object, value: unknown) {
      setOwn(this, name, value);
    },
    enumerable: true,
    configurable: true,
  });
  return Object.defineProperties(context, { params: own("params"), stdin: own("stdin"), data: own("data") });
}

// Stryker restore all

/** Passes messages to the callback, and with `sendStderr` to the web server. */
class StderrLog implements FastCgiStderr {
  readonly #request: FastCgiRequest;
  readonly #options: FastCgiHttpServiceOptions;
  /** Messages that wait to be sent to the web server; null without `sendStderr`. */
  readonly #queue: ByteQueue | null;

  constructor(request: FastCgiRequest, options: FastCgiHttpServiceOptions) {
    this.#request = request;
    this.#options = options;
    // Stryker disable next-line ObjectLiteral,StringLiteral: the name is for errors of lengths and limits, and it has neither
    this.#queue = options.sendStderr ? new ByteQueue({ name: "stderr", requestId: request.requestId }) : null;
  }

  write(message: string | Uint8Array): void {
    const text = typeof message === "string" ? message : decodeUtf8(message);
    // Stryker disable next-line OptionalChaining: the service sets one
    this.#options.onStderr?.(text, copyable(this.#request));
    this.#queue?.push(typeof message === "string" ? encodeUtf8(message) : message.slice());
  }

  /**
   * The response with `stdout`. Messages written so far are sent before it, later ones beside it; the end of `stdout`
   * ends both.
   */
  respond(stdout: readonly ByteSource[]): FastCgiResponse {
    const queue = this.#queue;
    if (queue === null) return { stdout };
    const end: ByteReader = {
      read: () => {
        queue.end();
        return END_OF_BYTES;
      },
      // Stryker disable next-line ArrowFunction: a response that is stopped stops FCGI_STDERR by itself
      cancel: () => queue.end(),
    };
    return { stdout: [...stdout, end], stderr: [joinBytes(queue.takeQueued()), queue.stream] };
  }

  /**
   * The response if the handler failed: its messages, and after them the error document that the server writes for
   * `error`.
   *
   * @throws {unknown} `error`, if there are no messages.
   */
  respondTo(error: unknown): FastCgiResponse {
    const messages = this.#queue === null ? NO_CONTENT : joinBytes(this.#queue.takeQueued());
    // Stryker disable next-line ConditionalExpression: a shortcut, for stdout fails with it below
    if (messages.length === 0) throw error;
    return { stdout: { read: () => Promise.reject(error), cancel() {} }, stderr: messages };
  }
}
