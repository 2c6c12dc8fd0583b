import { encodeBeginRequestBody, encodeNameValuePairs, encodeRecords, RecordType, Role } from "fetchcgi/toolkit";
import { nginxParams } from "./peers/answers.mjs";

/** A GET with the params of nginx. The record after them is an empty one of this type. */
export function encodedGet(last: number): Uint8Array {
  const contentData = new Uint8Array(0);
  const begin = encodeBeginRequestBody({ role: Role.Responder, keepConn: true });
  const params = encodeNameValuePairs(Object.entries(nginxParams()));
  return encodeRecords([
    { type: RecordType.BeginRequest, requestId: 1, contentData: begin },
    { type: RecordType.Params, requestId: 1, contentData: params },
    { type: RecordType.Params, requestId: 1, contentData },
    { type: last, requestId: 1, contentData },
  ]);
}
