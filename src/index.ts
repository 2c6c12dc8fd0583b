// The door for programs that serve and call, by Request and Response or by params and streams. What is below, such as records, stages and
// channels, has a door of its own: toolkit.ts.

export type { FastCgiParams } from "./cgi/params.ts";
export type { ClientCloseOptions } from "./client/client.ts";
export { FastCgiClient } from "./client/client.ts";
export type { FastCgiClientLimits, FastCgiClientOptions, FastCgiRetry } from "./client/options.ts";
export type { PoolStatus } from "./client/pool.ts";
export type { FastCgiRequestInit } from "./client/request.ts";
export type { ByteBlob, ByteReader, ByteReadResult, ByteSource, ByteSourceInit } from "./codec/byte_source.ts";
export type { FastCgiRequest } from "./codec/incoming_request.ts";
export type { FastCgiClientResponse } from "./codec/incoming_response.ts";
export type { FastCgiResponse } from "./codec/outgoing_response.ts";
export type { RequestDecoderOptions } from "./codec/request_decoder_options.ts";
export type { ResponseDecoderOptions } from "./codec/response_decoder.ts";
export type { ConnectOptions, Connector, ConnectorRequest } from "./connect/connector.ts";
export { type ComposedConnector, type ComposedConnectorOptions, failover, roundRobin } from "./connect/connectors.ts";
export {
  type FastCgiAllowed,
  type FastCgiAuthorization,
  type FastCgiAuthorizeInit,
  type FastCgiAuthorizer,
  type FastCgiRefused,
  withAuthorizer,
} from "./http/call/authorizer.ts";
export { FastCgiHttpClient } from "./http/call/client.ts";
export type {
  FastCgiFetchInit,
  FastCgiHttpClientOptions,
  FastCgiHttpConnector,
  FastCgiHttpPreset,
} from "./http/call/client_options.ts";
export type { FastCgiFilterData } from "./http/call/filter_data.ts";
export type { FastCgiSendFile, InternalRedirectOptions } from "./http/call/internal_redirect.ts";
export type { FastCgiPhpOptions, PhpValues } from "./http/call/php_values.ts";
export type { FastCgiHttpParams, FastCgiHttpPeers } from "./http/call/request_to_params.ts";
export type { FastCgiScript, FastCgiScriptResolver } from "./http/call/script.ts";
export type { OpenSpool, Spool } from "./http/call/spool.ts";
export { type PhpSiteInit, type PhpSiteOptions, phpSite } from "./http/php/php_site.ts";
export { type FileServer, type PublicFilesOptions, publicFiles } from "./http/php/public_files.ts";
export { isPublicPath } from "./http/php/public_path.ts";
export { type FastCgiDocumentRoot, type ScriptLocation, scriptsIn } from "./http/php/script_path.ts";
export { FastResponse } from "./http/serve/fast_response.ts";
export type { FastCgiContext, FastCgiFetchHandler, FastCgiStderr } from "./http/serve/service.ts";
export { FastCgiHttpService, type FastCgiHttpServiceOptions } from "./http/serve/service.ts";
export { byteStringToUtf8, utf8ToByteString } from "./protocol/byte_string.ts";
export { ProtocolStatus, Role } from "./protocol/constants.ts";
export { FastCgiError, type FastCgiErrorCode, type FastCgiErrorOptions } from "./protocol/errors.ts";
export type { NameValuePair } from "./protocol/name_value_pairs.ts";
export type { EndRequestBody } from "./protocol/record.ts";
export type { FastCgiServerLimits, FastCgiServerOptions } from "./server/options.ts";
export type { FastCgiHandler, FastCgiHandlerContext } from "./server/response.ts";
export { type CloseOptions, FastCgiServer } from "./server/server.ts";
export type { ConnectionAddress, ConnectionAddresses, TcpAddress } from "./transport/address.ts";
export type { ByteChannel, ByteChannelEvents } from "./transport/byte_channel.ts";
export type { FastCgiConnection, StreamConnection } from "./transport/connection.ts";
