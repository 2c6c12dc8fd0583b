// The entry for programs that are an adapter, a proxy or a tool: everything in `fetchcgi`, and the parts below Request
// and Response.

export { contained } from "./base/contained.ts";
export type { InputTimeouts } from "./codec/active_request.ts";
export { RecordDecoder, type RecordDecoderOptions } from "./codec/record_decoder.ts";
export { encodeRecords, RecordEncoder } from "./codec/record_encoder.ts";
export { RequestDecoder, type RequestDecoderOutlet } from "./codec/request_decoder.ts";
export { type FastCgiOutgoingRequest, RequestEncoder, type RequestEncoderOptions } from "./codec/request_encoder.ts";
export { encodeRequestHead, type RequestHead } from "./codec/request_head.ts";
export { ResponseDecoder, type ResponseDecoderOutlet } from "./codec/response_decoder.ts";
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
export type { CgiOrders } from "./http/call/cgi_header.ts";
export type { CgiResponse } from "./http/call/cgi_to_response.ts";
export {
  type CgiToResponseOptions,
  cgiToResponse,
  type RequestToParamsOptions,
  requestToParams,
} from "./http/call/conversions.ts";
export {
  type ParamsToRequestOptions,
  paramsToRequest,
  type ResponseToCgiOptions,
  responseToCgi,
} from "./http/serve/conversions.ts";
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
  RecordType,
} from "./protocol/constants.ts";
export {
  type DecodeNameValuePairsOptions,
  decodeNameValuePairs,
  encodeNameValuePairs,
} from "./protocol/name_value_pairs.ts";
export {
  type BeginRequestBody,
  decodeBeginRequestBody,
  decodeEndRequestBody,
  decodeRecordHeader,
  decodeUnknownTypeBody,
  encodeBeginRequestBody,
  encodeEndRequestBody,
  encodeRecordHeader,
  encodeUnknownTypeBody,
  type FastCgiRecord,
  type RecordHeader,
} from "./protocol/record.ts";
export { tcpAddress } from "./transport/address.ts";
export { fromStreams } from "./transport/from_streams.ts";
export { SocketChannel } from "./transport/socket_channel.ts";
export { toStreams } from "./transport/to_streams.ts";
