import { CLIENT_DEFAULTS, type FastCgiClientOptions } from "../../client/options.ts";
import type { Connector } from "../../connect/connector.ts";
import type { FastCgiFilterData } from "./filter_data.ts";
import type { InternalRedirectOptions } from "./internal_redirect.ts";
import type { FastCgiPhpOptions } from "./php_values.ts";
import type { FastCgiHttpParams, FastCgiHttpPeers } from "./request_to_params.ts";
import type { FastCgiScript, FastCgiScriptResolver } from "./script.ts";
import type { OpenSpool } from "./spool.ts";

/** What a connector knows about the application it leads to, such as the preset `phpFpm`. */
export interface FastCgiHttpPreset extends FastCgiPhpOptions {
  /** See {@linkcode FastCgiHttpClientOptions.script}. */
  readonly script?: FastCgiScript | FastCgiScriptResolver;
  /** See {@linkcode FastCgiHttpClientOptions.params}. */
  readonly params?: FastCgiHttpParams;
  /** See {@linkcode FastCgiHttpClientOptions.openSpool}. */
  readonly openSpool?: OpenSpool;
}

/** A connector that knows more than how to connect. */
export interface FastCgiHttpConnector extends Connector {
  /** What the client takes from the connector where its own options say nothing. */
  readonly preset?: FastCgiHttpPreset | undefined;
  /** Told of what comes on FCGI_STDERR by clients that have no `onStderr`: so the connectors of the adapters print it. */
  readonly onStderr?: FastCgiHttpClientOptions["onStderr"];
}

/** Options of a {@linkcode FastCgiHttpClient}. */
export interface FastCgiHttpClientOptions extends FastCgiClientOptions, FastCgiPhpOptions, InternalRedirectOptions {
  /**
   * The script that answers every request, or a function that chooses one for each: `scriptsIn` makes one for a folder.
   *
   * @default {the connector's; without one, the whole path of the URL becomes SCRIPT_NAME, as with nginx's `fastcgi_params`}
   */
  script?: FastCgiScript | FastCgiScriptResolver;
  /**
   * Variables for every request. Of several that have a name, the last of these counts:
   *
   * 1. what is made of the request, its headers (`HTTP_*`), `script`, `phpValues` and `phpAdminValues`
   * 2. `params` of the connector's preset
   * 3. `params` of the client
   * 4. `params` of the request
   *
   * CONTENT_LENGTH is always that of the body that is sent. A request can name no variable but `HTTP_*`.
   */
  params?: FastCgiHttpParams;
  /**
   * When a request's body is sent.
   *
   * - `"collect"`: when it is whole. No connection is opened before, so a slow upload keeps no worker of the application, and a
   *   client that leaves in the middle leaves nothing behind. It is kept in memory, and beyond `maxBufferedRequestBytes` in a spool. A
   *   Blob is whole already and is not copied. Where there is no spool, as in Workers, a body that is too large for memory
   *   streams if it has a Content-Length.
   * - `"measure"`: as it comes, where its length is known; else when it is whole. For applications that look whether all of it came:
   *   php-fpm runs a script on whatever has come when the client leaves, and `$_POST` and `php://input` just end early.
   * - `"stream"`: as it comes, without CONTENT_LENGTH where its length is not known. For applications that read to the end of
   *   FCGI_STDIN; php-fpm takes a body of unknown length for an empty one.
   *
   * @default {"collect"} (as nginx's `fastcgi_request_buffering`)
   */
  requestBuffering?: "collect" | "measure" | "stream";
  /**
   * Bytes of a request's body that are kept in memory while it is collected.
   *
   * @default {1048576} (1 MiB)
   */
  maxBufferedRequestBytes?: number;
  /**
   * Bytes of a request's body that are collected in all. A longer one fails with `limit`, which a gateway answers with 413.
   *
   * @default {1073741824} (1 GiB)
   */
  maxSpooledRequestBytes?: number;
  /**
   * Opens a place for a request's body that is too large for memory.
   *
   * @default {a temporary file, with the connectors of Node, Bun and Deno; none elsewhere: larger bodies of unknown length fail with `lengthRequired`}
   */
  openSpool?: OpenSpool;
  /**
   * The most bytes in the header block of a response, with those of 1xx responses before it.
   *
   * @default {65536} (64 KiB, as lighttpd; nginx stops at 4 or 8)
   */
  maxResponseHeaderBytes?: number;
  /**
   * The most bytes read and dropped of a body that nobody gets: of a response to HEAD, with status 204, 205 or 304, one that a
   * hook answers in place of, or what comes behind as many bytes as Content-Length says. Beyond, its exchange is given up. An
   * Authorizer's answer that is longer allows nothing.
   *
   * @default {262144} (256 KiB, as Go's net/http; undici's `dump` reads half of it)
   */
  maxDrainBytes?: number;
  /**
   * Told of what comes on FCGI_STDERR, the application's error messages, up to `maxStderrBytes`: whole characters, in the pieces
   * in which they come. It is text of the application's choice: a log should escape its control characters.
   *
   * @default {the connector's: those of the adapters print a line with the request}
   */
  onStderr?: (message: string, request: Request) => void;
}

/** A `RequestInit` with what only FastCGI has. */
export interface FastCgiFetchInit extends RequestInit, FastCgiHttpPeers, FastCgiPhpOptions {
  /** Variables for this request, over all others: see {@linkcode FastCgiHttpClientOptions.params}. */
  params?: FastCgiHttpParams | undefined;
  /**
   * The script for this request, or a function that chooses it: see {@linkcode FastCgiHttpClientOptions.script}.
   *
   * @default {that of the client}
   */
  script?: FastCgiScript | FastCgiScriptResolver | undefined;
  /** Asks a Filter to work on this file (FastCGI 6.4), instead of a Responder. */
  data?: FastCgiFilterData | undefined;
}

/** What is left out of the options. */
export const DEFAULT_HTTP_CLIENT_OPTIONS: Required<
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
export const OWN_INIT: ReadonlySet<string> = new Set([
  "data",
  "params",
  "phpAdminValues",
  "phpValues",
  "remoteAddress",
  "remotePort",
  "script",
  "serverAddress",
  "serverPort",
]);
