// Records in words, for the report.

import { Role } from "../../../adapters/node/index.ts";
import {
  decodeBeginRequestBody,
  decodeEndRequestBody,
  decodeNameValuePairs,
  type FastCgiRecord,
  ProtocolStatus,
  RecordType,
} from "../../../src/toolkit.ts";

/** If there are more records of one kind in a row, the report shows their number instead. */
const MAX_IN_A_ROW = 3;

/** The specification's name for a value of one of the library's constants: 1 of RecordType is `BEGIN_REQUEST`. */
export function constantName(constants: Readonly<Record<string, number>>, value: number): string {
  const name = Object.keys(constants).find((key) => constants[key] === value);
  return name === undefined ? String(value) : name.replace(/(?<=[a-z])[A-Z]/g, "_$&").toUpperCase();
}

/** A record in words, such as `BEGIN_REQUEST 1 (RESPONDER, keep)` or `STDOUT 1 (120 bytes)`. */
export function describeRecord({ type, requestId, contentData, paddingLength = 0 }: FastCgiRecord): string {
  const details = detailsOf(type, contentData);
  if (paddingLength > 7) details.push(`padding ${paddingLength}`);
  return `${constantName(RecordType, type)} ${requestId} (${details.join(", ")})`;
}

/** What a record of this type says, such as `RESPONDER, keep`, or how long its content is. */
export function describeDetails(type: number, contentData: Uint8Array): string {
  return detailsOf(type, contentData).join(", ");
}

/** A list of records in words. Long rows of one kind are shortened. */
export function describeRecords(records: readonly FastCgiRecord[]): string[] {
  const lines: string[] = [];
  for (let start = 0; start < records.length; ) {
    const { type, requestId } = records[start]!;
    let end = start;
    let bytes = 0;
    while (end < records.length && sameStream(records[end]!, type, requestId))
      bytes += records[end++]!.contentData.length;
    if (end - start > MAX_IN_A_ROW) {
      lines.push(`${end - start} × ${constantName(RecordType, type)} ${requestId} (${bytes} bytes)`);
      start = end;
    } else {
      lines.push(describeRecord(records[start++]!));
    }
  }
  return lines;
}

function sameStream({ type, requestId, contentData }: FastCgiRecord, wanted: number, id: number): boolean {
  return type === wanted && requestId === id && contentData.length > 0;
}

function detailsOf(type: number, contentData: Uint8Array): string[] {
  const { length } = contentData;
  switch (type) {
    case RecordType.BeginRequest: {
      if (length < 8) break;
      const { role, keepConn } = decodeBeginRequestBody(contentData);
      return [constantName(Role, role), ...(keepConn ? ["keep"] : [])];
    }
    case RecordType.EndRequest: {
      if (length < 8) break;
      const { appStatus, protocolStatus } = decodeEndRequestBody(contentData);
      return [constantName(ProtocolStatus, protocolStatus), `appStatus ${appStatus}`];
    }
    case RecordType.GetValues:
    case RecordType.GetValuesResult:
      return [pairsIn(contentData)];
    case RecordType.UnknownType:
      return [`type ${contentData[0]}`];
  }
  if (length > 0) return [`${length} bytes`];
  return [RecordType.AbortRequest === type ? "empty" : "end"];
}

function pairsIn(contentData: Uint8Array): string {
  try {
    return decodeNameValuePairs(contentData)
      .map(([name, value]) => (value === "" ? name : `${name}=${value}`))
      .join(" ");
  } catch {
    return `${contentData.length} bytes, no pairs`;
  }
}
