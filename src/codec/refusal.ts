import { type ErrorStatus, errorDocument } from "../cgi/error_document.ts";
import { ProtocolStatus, RecordType } from "../protocol/constants.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import { endOfStream, endRequest } from "./records.ts";

/**
 * The records that refuse a request with an HTTP status. FastCGI's own way is a bare FCGI_END_REQUEST with
 * FCGI_OVERLOADED, but Apache makes an empty 200 of that, and HAProxy waits for its timeout.
 */
export function refuseWithStatus(requestId: number, status: ErrorStatus): FastCgiRecord[] {
  return [
    { type: RecordType.Stdout, requestId, contentData: errorDocument(status) },
    endOfStream(RecordType.Stdout, requestId),
    refusal(requestId, ProtocolStatus.RequestComplete),
  ];
}

/** The FCGI_END_REQUEST for a request that did not reach the application (FastCGI 5.5). */
export function refusal(requestId: number, protocolStatus: ProtocolStatus): FastCgiRecord {
  return endRequest(requestId, { appStatus: 0, protocolStatus });
}
