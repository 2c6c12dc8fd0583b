// The public door of the core: everything here, and nothing else, is the API.

export { contained } from "./base/contained.ts";
export type { FastCgiParams } from "./cgi/params.ts";
export { type ClientCloseOptions, FastCgiClient } from "./client/client.ts";
export type { FastCgiClientLimits, FastCgiClientOptions, FastCgiRetry } from "./client/options.ts";
export type { PoolStatus } from "./client/pool.ts";
export type { FastCgiRequestInit } from "./client/request.ts";
export type { FastCgiRequest } from "./codec/incoming_request.ts";
export type { FastCgiClientResponse } from "./codec/incoming_response.ts";
export { RecordDecoder } from "./codec/record_decoder.ts";
export { encodeRecords, RecordEncoder } from "./codec/record_encoder.ts";
export {
  RequestDecoder,
  type RequestDecoderOutlet,
} from "./codec/request_decoder.ts";
export type { RequestDecoderOptions } from "./codec/request_decoder_options.ts";
export { encodeRequestHead, type RequestHead } from "./codec/request_encoder.ts";
export {
  ResponseDecoder,
  type ResponseDecoderOptions,
  type ResponseDecoderOutlet,
} from "./codec/response_decoder.ts";
export { composeStages, type Stage, type StageController } from "./codec/stage.ts";
export {
  RecordDecoderStream,
  RecordEncoderStream,
  RequestDecoderStream,
  ResponseDecoderStream,
} from "./codec/streams.ts";
export { connectOrAbort } from "./connect/attempt.ts";
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
export {
  type FastCgiContext,
  type FastCgiFetchHandler,
  FastCgiHttpService,
  type FastCgiHttpServiceOptions,
  type FastCgiStderr,
} from "./http/serve/service.ts";
export { byteStringToUtf8, decodeByteString, encodeByteString, utf8ToByteString } from "./protocol/byte_string.ts";
export {
  FCGI_HEADER_LEN,
  FCGI_KEEP_CONN,
  FCGI_LISTENSOCK_FILENO,
  FCGI_MAX_CONNS,
  FCGI_MAX_REQS,
  FCGI_MPXS_CONNS,
  FCGI_NULL_REQUEST_ID,
  FCGI_VERSION_1,
  ProtocolStatus,
  RecordType,
  Role,
} from "./protocol/constants.ts";
export { FastCgiError, type FastCgiErrorCode, type FastCgiErrorOptions } from "./protocol/errors.ts";
export {
  type DecodeNameValuePairsOptions,
  decodeNameValuePairs,
  encodeNameValuePairs,
  type NameValuePair,
} from "./protocol/name_value_pairs.ts";
export {
  type BeginRequestBody,
  decodeBeginRequestBody,
  decodeEndRequestBody,
  decodeRecordHeader,
  decodeUnknownTypeBody,
  type EndRequestBody,
  encodeBeginRequestBody,
  encodeEndRequestBody,
  encodeRecordHeader,
  encodeUnknownTypeBody,
  type FastCgiRecord,
  type RecordHeader,
} from "./protocol/record.ts";
export type { FastCgiServerLimits, FastCgiServerOptions } from "./server/options.ts";
export type { FastCgiHandler, FastCgiHandlerContext, FastCgiResponse } from "./server/response.ts";
export { type CloseOptions, FastCgiServer } from "./server/server.ts";
export type { ByteChannel, ByteChannelEvents } from "./transport/byte_channel.ts";
export type { ByteBlob, ByteReader, ByteSource, ByteSourceInit } from "./transport/byte_source.ts";
export { ChannelConnection, type ConnectionAddresses } from "./transport/channel_connection.ts";
export type { ConnectionAddress, FastCgiConnection } from "./transport/connection.ts";
