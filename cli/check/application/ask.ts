// What most rules ask: is a request that is sent in an unusual but valid way answered as usual, and do its contents
// arrive?

import { decodeByteString, encodeRecords, type FastCgiRecord, ProtocolStatus } from "../../../src/toolkit.ts";
import { readCgiAnswer, statusOf } from "../../cgi_answer.ts";
import { constantName } from "../report/records.ts";
import { broken, kept, notTold, type Outcome } from "../report/rule.ts";
import type { Conversation } from "./conversation.ts";
import { type RequestShape, requestRecords } from "./request.ts";
import { CHECK_PARAM, type Session, token } from "./session.ts";

/** What is unusual about a request. */
export interface Question extends Carried {
  /** Changes the usual records. */
  readonly records?: (usual: FastCgiRecord[]) => FastCgiRecord[];
  /** Encodes the records to pieces that are sent one by one, with a description of them in words. */
  readonly pieces?: (records: FastCgiRecord[]) => { bytes: Iterable<Uint8Array>; description: string };
}

/** The contents of a request that its answer should show. */
export interface Carried extends RequestShape {
  /** What the page should show, if that is not the values of `params`. */
  readonly shows?: readonly string[];
}

/** Sends a request and judges its answer. Opens a connection for it unless one is given. */
export async function ask(session: Session, question: Question = {}, on?: Conversation): Promise<Outcome> {
  const { records: change = (usual) => usual, pieces } = question;
  const { params = [] } = question;
  const isMarked = params.some(([name]) => name === CHECK_PARAM);
  const shape: Carried = { ...question, params: isMarked ? params : [[CHECK_PARAM, token()], ...params] };
  const conversation = on ?? (await session.open());
  const records = change(requestRecords(session.options, shape));
  conversation.ids.add(question.id ?? 1);
  const sent = pieces?.(records);
  if (sent === undefined) await conversation.send(...records);
  else await conversation.sendPieces(sent.bytes, sent.description);
  return judge(session, conversation, shape);
}

/** Judges whether a request was answered as usual, and whether its contents arrived. */
export async function judge(session: Session, conversation: Conversation, shape: Carried): Promise<Outcome> {
  const { id = 1, body, params = [] } = shape;
  const shown = shape.shows ?? params.map(([, value]) => value);
  const end = await conversation.untilEnd(id);
  if (end === null) return broken(`no END_REQUEST: ${conversation.silence}`);
  if (end.protocolStatus !== ProtocolStatus.RequestComplete) {
    return broken(`refused with ${constantName(ProtocolStatus, end.protocolStatus)}`);
  }
  const answer = readCgiAnswer(conversation.stdout(id));
  const usual = session.usualStatus[body === undefined ? "GET" : "POST"];
  if (answer.lines === null) return broken("the answer has no header, which it usually has");
  if (statusOf(answer) !== usual) return broken(`status ${statusOf(answer)}, usually ${usual}`);
  return body === undefined ? judgePage(session, answer.body, shown) : judgeBody(session, answer.body, body);
}

function judgePage(session: Session, page: string, shown: readonly string[]): Outcome {
  if (!session.showsParams) return notTold("answered as usual; the page does not show what arrived");
  const lost = shown.find((value) => !page.includes(value));
  return lost === undefined
    ? kept("answered, and the page shows what was sent")
    : broken(`answered, but a value of ${lost.length} bytes did not arrive`);
}

function judgeBody(session: Session, page: string, body: Uint8Array): Outcome {
  if (!session.sendsBodyBack) return notTold("answered as usual; the page does not send the body back");
  return page === decodeByteString(body)
    ? kept(`answered, and ${body.length} bytes came back`)
    : broken(`answered, but the body came back with ${page.length} bytes instead of ${body.length}, or changed`);
}

/** How records are encoded. Every value is 0 by default. */
export interface OddEncoding {
  /** Bytes of padding after every record. */
  readonly padding?: number;
  /** The value of each padding byte. */
  readonly fill?: number;
  /** The reserved byte of every header. */
  readonly reserved?: number;
}

/** Encodes records with the given padding and reserved bytes. */
export function encodeOddly(
  records: readonly FastCgiRecord[],
  { padding = 0, fill = 0, reserved = 0 }: OddEncoding,
): Uint8Array {
  return Buffer.concat(
    records.map((record) => {
      const bytes = encodeRecords([{ ...record, paddingLength: padding }]);
      bytes[7] = reserved;
      return bytes.fill(fill, bytes.length - padding);
    }),
  );
}

/** Yields the bytes one by one. */
export function* singly(bytes: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset++) yield bytes.subarray(offset, offset + 1);
}
