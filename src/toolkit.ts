/**
 * For programs that are an adapter, a proxy or a tool: everything in `fetchcgi`, and the parts below `Request` and `Response`.
 *
 * ```ts
 * import { RecordDecoderStream, RequestDecoderStream } from "fetchcgi/toolkit";
 *
 * export function requestsOf(bytes: ReadableStream<Uint8Array>) {
 *   return bytes.pipeThrough(new RecordDecoderStream()).pipeThrough(new RequestDecoderStream());
 * }
 * ```
 *
 * @module
 */

export { contained } from "./base/contained.ts";
export type { UnsharedBytes } from "./base/unshared_bytes.ts";
export type { FastCgiKnownParams, FastCgiParam, FastCgiParamName } from "./cgi/known_params.ts";
export type { ClientCloseOptions } from "./client/dispatcher.ts";
export type { FastCgiClientLimits } from "./client/options.ts";
export type { InputTimeouts } from "./codec/active_request.ts";
export type { PieceTarget } from "./codec/byte_queue.ts";
export type { ByteBlob, ByteReader, ByteReadResult, ByteSource, ByteSourceInit } from "./codec/byte_source.ts";
export { RecordDecoder, type RecordDecoderOptions } from "./codec/record_decoder.ts";
export { encodeRecords, RecordEncoder } from "./codec/record_encoder.ts";
export { RequestDecoder, type RequestDecoderOutlet } from "./codec/request_decoder.ts";
export type { RequestDecoderOptions } from "./codec/request_decoder_options.ts";
export { type FastCgiOutgoingRequest, RequestEncoder, type RequestEncoderOptions } from "./codec/request_encoder.ts";
export type { FastCgiRequestEnd, FastCgiRequestOutcome } from "./codec/request_end.ts";
export { encodeRequestHead, type RequestHead } from "./codec/request_head.ts";
export type { FastCgiRequestParts } from "./codec/request_sender.ts";
export type { FastCgiServerRequestEnd } from "./codec/request_watch.ts";
export { ResponseDecoder, type ResponseDecoderOutlet } from "./codec/response_decoder.ts";
export type { ResponseDecoderOptions } from "./codec/response_decoder_options.ts";
export {
  type FastCgiOutgoingResponse,
  ResponseEncoder,
  type ResponseEncoderOptions,
} from "./codec/response_encoder.ts";
export { composeStages, type Stage, type StageController } from "./codec/stage.ts";
export {
  RecordDecoderStream,
  RecordEncoderStream,
  RequestDecoderStream,
  type RequestDecoderStreamOptions,
  RequestEncoderStream,
  ResponseDecoderStream,
  type ResponseDecoderStreamOptions,
  ResponseEncoderStream,
} from "./codec/streams.ts";
export { connectOrAbort } from "./connect/attempt.ts";
export type { ConnectOptions, ConnectorRequest } from "./connect/connector.ts";
export type { ComposedConnector, ComposedConnectorOptions } from "./connect/connectors.ts";
export type { FastCgiAuthorizeInit, FastCgiRefused } from "./http/call/authorizer.ts";
export type { CgiOrders } from "./http/call/cgi_header.ts";
export type { CgiResponse } from "./http/call/cgi_to_response.ts";
export type { FastCgiHttpPreset } from "./http/call/client_options.ts";
export {
  type CgiToResponseOptions,
  cgiToResponse,
  type RequestToParamsOptions,
  requestToParams,
} from "./http/call/conversions.ts";
export type { FastCgiFetchEnd } from "./http/call/fetch_watch.ts";
export type { FastCgiFilterData } from "./http/call/filter_data.ts";
export type { InternalRedirectOptions } from "./http/call/internal_redirect.ts";
export type { FastCgiPhpOptions, PhpValues } from "./http/call/php_values.ts";
export type { FastCgiHttpParams } from "./http/call/request_to_params.ts";
export type { OpenSpool, Spool } from "./http/call/spool.ts";
export { type FastCgiStreamedBody, streamedResponse } from "./http/call/streamed_response.ts";
export type { PublicFilesOptions } from "./http/php/public_files.ts";
export type { ScriptLocation } from "./http/php/script_path.ts";
export {
  type ParamsToRequestOptions,
  paramsToRequest,
  type ResponseToCgiOptions,
  responseToCgi,
} from "./http/serve/conversions.ts";
export type { FastCgiStderr } from "./http/serve/service.ts";
export { isHopByHop, isToken } from "./http/shared/header_rules.ts";
export type { WholeBody } from "./http/shared/whole_body.ts";
export * from "./index.ts";
export { decodeByteString, encodeByteString } from "./protocol/byte_string.ts";
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
} from "./protocol/constants.ts";
export type { FastCgiErrorOptions } from "./protocol/errors.ts";
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
export type { FastCgiServerLimits } from "./server/options.ts";
export type { FastCgiHandlerContext } from "./server/response.ts";
export type { FastCgiServerStatus } from "./server/server.ts";
export { type ConnectionAddress, type ConnectionAddresses, type TcpAddress, tcpAddress } from "./transport/address.ts";
export type { ByteChannel, ByteChannelEvents } from "./transport/byte_channel.ts";
export type { StreamConnection } from "./transport/connection.ts";
export { fromStreams } from "./transport/from_streams.ts";
export { SocketChannel } from "./transport/socket_channel.ts";
export { toStreams } from "./transport/to_streams.ts";
