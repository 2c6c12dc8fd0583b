/**
 * FastCGI by `Request` and `Response`, or by params and streams, without any runtime's sockets. Programs import the entry of their runtime,
 * which has all of this, and its sockets: `fetchcgi/node`, `fetchcgi/bun`, `fetchcgi/deno` or `fetchcgi/cloudflare`. What is below, such as
 * records and stages, is in `fetchcgi/toolkit`.
 *
 * ```ts
 * import { type Connector, FastCgiHttpClient } from "fetchcgi";
 *
 * export async function ask(connector: Connector): Promise<string> {
 *   const response = await new FastCgiHttpClient(connector).fetch("http://localhost/");
 *   return response.text();
 * }
 * ```
 *
 * @module
 */

export type { FastCgiParams } from "./cgi/params.ts";
export { FastCgiClient } from "./client/client.ts";
export type { FastCgiClientOptions, FastCgiRetry } from "./client/options.ts";
export type { PoolStatus } from "./client/pool.ts";
export type { FastCgiRequestInit } from "./client/request.ts";
export type { FastCgiRequest } from "./codec/incoming_request.ts";
export type { FastCgiClientResponse } from "./codec/incoming_response.ts";
export type { FastCgiResponse } from "./codec/outgoing_response.ts";
export type { Connector } from "./connect/connector.ts";
export { failover, roundRobin } from "./connect/connectors.ts";
export {
  FastCgiTcpConnector,
  FastCgiUnixConnector,
  fileOnDisk,
  scriptOnDisk,
  serve,
  toMiddleware,
} from "./elsewhere.ts";
export {
  type FastCgiAllowed,
  type FastCgiAuthorization,
  type FastCgiAuthorizer,
  withAuthorizer,
} from "./http/call/authorizer.ts";
export { FastCgiHttpClient } from "./http/call/client.ts";
export type { FastCgiFetchInit, FastCgiHttpClientOptions, FastCgiHttpConnector } from "./http/call/client_options.ts";
export type { FastCgiSendFile } from "./http/call/internal_redirect.ts";
export type { FastCgiHttpPeers } from "./http/call/request_to_params.ts";
export type { FastCgiScript, FastCgiScriptResolver } from "./http/call/script.ts";
export { type PhpSiteInit, type PhpSiteOptions, phpSite } from "./http/php/php_site.ts";
export { type FileServer, publicFiles } from "./http/php/public_files.ts";
export { isPublicPath } from "./http/php/public_path.ts";
export { type FastCgiDocumentRoot, scriptsIn } from "./http/php/script_path.ts";
export { FastResponse } from "./http/serve/fast_response.ts";
export type { FastCgiContext, FastCgiFetchHandler } from "./http/serve/service.ts";
export { FastCgiHttpService, type FastCgiHttpServiceOptions } from "./http/serve/service.ts";
export { byteStringToUtf8, utf8ToByteString } from "./protocol/byte_string.ts";
export { Role } from "./protocol/constants.ts";
export { FastCgiError, type FastCgiErrorCode } from "./protocol/errors.ts";
export type { FastCgiServerOptions } from "./server/options.ts";
export type { FastCgiHandler } from "./server/response.ts";
export { type CloseOptions, FastCgiServer } from "./server/server.ts";
export type { FastCgiConnection } from "./transport/connection.ts";
