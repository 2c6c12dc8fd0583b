import type { Resolved } from "../../base/resolve_options.ts";
import { CLIENT_DEFAULTS, type FastCgiClientOptions } from "../../client/options.ts";
import type { Connector } from "../../connect/connector.ts";
import type { FastCgiFetchEnd } from "./fetch_watch.ts";
import type { FastCgiFilterData } from "./filter_data.ts";
import type { InternalRedirectOptions } from "./internal_redirect.ts";
import type { FastCgiPhpOptions } from "./php_values.ts";
import { type FastCgiHttpParams, type FastCgiHttpPeers, PEERS } from "./request_to_params.ts";
import type { FastCgiScript, FastCgiScriptResolver } from "./script.ts";
import type { OpenSpool } from "./spool.ts";
import type { FastCgiStreamedBody } from "./streamed_response.ts";

/** What a connector knows about its application, such as the preset of `phpFpm`. */
export interface FastCgiHttpPreset extends FastCgiPhpOptions {
  /** See {@linkcode FastCgiHttpClientOptions.script}. */
  readonly script?: FastCgiScript | FastCgiScriptResolver | undefined;
  /** See {@linkcode FastCgiHttpClientOptions.params}. */
  readonly params?: FastCgiHttpParams | undefined;
  /** See {@linkcode FastCgiHttpClientOptions.openSpool}. */
  readonly openSpool?: OpenSpool | undefined;
  /**
   * Makes the Response of a body that is still to come. It has all of `init`, and headers that can be set. The
   * connectors of the adapters give {@linkcode streamedResponse}, which costs 0.7 kB that a client of few bytes can do
   * without.
   *
   * @default {`new Response(body.stream, init)`}
   */
  readonly streamedResponse?: ((body: FastCgiStreamedBody, init: ResponseInit) => Response) | undefined;
}

/** A connector that also has options for the client. */
export interface FastCgiHttpConnector extends Connector {
  /** Options for the client, used where its own are not set. */
  readonly preset?: FastCgiHttpPreset | undefined;
  /** Called with the text of FCGI_STDERR if the client has no `onStderr`. The connectors of the adapters print it. */
  readonly onStderr?: FastCgiHttpClientOptions["onStderr"] | undefined;
}

/** Options of a {@linkcode FastCgiHttpClient}. */
export interface FastCgiHttpClientOptions extends FastCgiClientOptions, FastCgiPhpOptions, InternalRedirectOptions {
  /**
   * The script that answers every request, or a function that chooses one for each request: `scriptsIn` makes one for a
   * folder.
   *
   * @default {the connector's; without one, the whole path of the URL becomes SCRIPT_NAME, as with nginx's `fastcgi_params`}
   */
  script?: FastCgiScript | FastCgiScriptResolver | undefined;
  /**
   * Variables for every request. If several of these sources set a name, the last one counts:
   *
   * 1. the request, with its headers (`HTTP_*`), `script`, `phpValues` and `phpAdminValues`
   * 2. `params` of the connector's preset
   * 3. `params` of the client
   * 4. `params` of the request
   *
   * CONTENT_LENGTH is always the length of the body that is sent. A request can't set a variable by itself, except
   * `HTTP_*`.
   */
  params?: FastCgiHttpParams | undefined;
  /**
   * When the body of a request is sent.
   *
   * - `"collect"`: when it is complete. The client connects only then, so a slow upload occupies no worker of the
   *   application, and an upload that breaks off has no effect there. The body is kept in memory, and beyond
   *   `maxBufferedRequestBytes` in a spool. Text, bytes and a Blob are complete already and are not copied. Where there
   *   is no spool, as in Workers, a body too large for memory is streamed if it has a Content-Length.
   * - `"measure"`: as it comes if its length is known, otherwise when it is complete. For applications that check
   *   whether all of it came: php-fpm runs a script on whatever came before the client left, and `$_POST` and
   *   `php://input` just end early.
   * - `"stream"`: as it comes, without CONTENT_LENGTH if its length is unknown. For applications that read to the end
   *   of FCGI_STDIN; php-fpm takes a body of unknown length for an empty one.
   *
   * @default {"collect"} (as nginx's `fastcgi_request_buffering`)
   */
  requestBuffering?: "collect" | "measure" | "stream" | undefined;
  /**
   * The most bytes of a request's body that are kept in memory while it is collected.
   *
   * @default {1048576} (1 MiB)
   */
  maxBufferedRequestBytes?: number | undefined;
  /**
   * The most bytes of a request's body that are collected. A longer body fails with `limit`, which a gateway answers
   * with 413.
   *
   * @default {1073741824} (1 GiB)
   */
  maxSpooledRequestBytes?: number | undefined;
  /**
   * Opens a spool for a request's body that is too large for memory.
   *
   * @default {a temporary file, with the connectors of Node, Bun and Deno; none elsewhere: larger bodies of unknown length fail with `lengthRequired`}
   */
  openSpool?: OpenSpool | undefined;
  /**
   * The most bytes in the header block of a response, including those of 1xx responses before it.
   *
   * @default {65536} (64 KiB, as lighttpd; nginx stops at 4 or 8)
   */
  maxResponseHeaderBytes?: number | undefined;
  /**
   * The most bytes that are read and dropped of a response's body that the caller does not get: after HEAD, with status
   * 204, 205 or 304, if a hook answers in its place, and after as many bytes as Content-Length says. The exchange of a
   * longer body is aborted. An Authorizer's answer that is longer allows nothing.
   *
   * @default {262144} (256 KiB, as Go's net/http; undici's `dump` reads half of it)
   */
  maxDrainBytes?: number | undefined;
  /**
   * The class of a response whose body is here as a whole when its header is read, or that has none: the answer to HEAD,
   * or one with status 204, 205 or 304. A response whose body streams is native in any case.
   *
   * {@linkcode FastResponse} keeps the header and the body as they came, without Headers and a stream, which is cheaper
   * for a program that reads the text or the bytes, or answers with the response in a handler of this library.
   * `Bun.serve`, `Deno.serve` and other code that looks for the native object inside a Response do not accept one; its
   * `clone()` is native.
   *
   * @default {the runtime's Response}
   */
  responseClass?: typeof Response | undefined;
  /**
   * Called with the application's error messages (FCGI_STDERR), up to `maxStderrBytes`: whole characters, in pieces as
   * they come. The application chooses this text: a log should escape its control characters.
   *
   * @default {the connector's: those of the adapters print a line with the request}
   */
  onStderr?: ((message: string, request: Request) => void) | undefined;
  /**
   * Called once at the end of every `fetch` and `authorize` whose arguments are valid: for a log, metrics and traces. The
   * end of one that has a response is that of the exchange with the application, whether or not the program has read all
   * of the body by then.
   *
   * @default {none: then nothing is measured}
   */
  onRequestEnd?: ((end: FastCgiFetchEnd) => void) | undefined;
}

/** A `RequestInit` with options of FastCGI's own. */
export interface FastCgiFetchInit extends RequestInit, FastCgiHttpPeers, FastCgiPhpOptions {
  /** Variables for this request. They override all others: see {@linkcode FastCgiHttpClientOptions.params}. */
  params?: FastCgiHttpParams | undefined;
  /**
   * The script for this request, or a function that chooses it: see {@linkcode FastCgiHttpClientOptions.script}.
   *
   * @default {that of the client}
   */
  script?: FastCgiScript | FastCgiScriptResolver | undefined;
  /** The file that a Filter works on (FastCGI 6.4). With it, the request goes to a Filter instead of a Responder. */
  data?: FastCgiFilterData | undefined;
}

/** The values of options that are left out. */
export const DEFAULT_HTTP_CLIENT_OPTIONS: Resolved<
  Pick<
    FastCgiHttpClientOptions,
    | "requestBuffering"
    | "maxBufferedRequestBytes"
    | "maxSpooledRequestBytes"
    | "requestBodyTimeout"
    | "maxResponseHeaderBytes"
    | "maxDrainBytes"
    | "maxLocalRedirects"
  >
> = Object.freeze({
  requestBuffering: "collect",
  requestBodyTimeout: CLIENT_DEFAULTS.requestBodyTimeout,
  maxBufferedRequestBytes: 1024 * 1024,
  maxSpooledRequestBytes: 1024 * 1024 * 1024,
  maxResponseHeaderBytes: 64 * 1024,
  maxDrainBytes: 256 * 1024,
  maxLocalRedirects: 10,
});

/** Names of {@linkcode FastCgiFetchInit} that a native `RequestInit` does not have. */
// Stryker disable BooleanLiteral: only the names count
export const OWN_INIT: ReadonlySet<string> = /* @__PURE__ */ new Set(
  Object.keys({
    ...PEERS,
    data: true,
    params: true,
    phpAdminValues: true,
    phpValues: true,
    script: true,
    // A name that is forgotten here, or is none of them, does not compile.
  } satisfies Record<Exclude<keyof FastCgiFetchInit, keyof RequestInit>, unknown>),
);
