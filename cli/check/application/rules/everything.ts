// Rules about all that the application has sent in this check. They come last.

import { decodeEndRequestBody, type FastCgiRecord, ProtocolStatus, RecordType } from "../../../../src/toolkit.ts";
import { readCgiAnswer } from "../../../cgi_answer.ts";
import { kept, notTold, type Outcome, type Rule, type RuleGroup, unless } from "../../report/rule.ts";
import type { Conversation } from "../conversation.ts";
import type { Session } from "../session.ts";

type Complaint = string | null | undefined;

/** Makes a rule that looks at every connection and stops at the first complaint. */
function onEvery(
  rule: Omit<Rule<Session>, "run">,
  complaint: (conversation: Conversation) => Complaint,
  { isUsual = false } = {},
): Rule<Session> {
  return {
    ...rule,
    run(session) {
      const conversations = isUsual ? session.usualConversations : session.conversations;
      const count = conversations.reduce((sum, { records }) => sum + records.length, 0);
      if (count === 0) return notTold("nothing came");
      return (
        firstComplaint(conversations, complaint) ?? kept(`${count} records on ${conversations.length} connections`)
      );
    },
  };
}

function firstComplaint(
  conversations: readonly Conversation[],
  complaint: (conversation: Conversation) => Complaint,
): Outcome | null {
  for (const conversation of conversations) {
    const found = complaint(conversation);
    if (typeof found === "string") return unless(found, "");
  }
  return null;
}

const managementTypes: readonly number[] = [RecordType.GetValuesResult, RecordType.UnknownType];
const requestTypes: readonly number[] = [RecordType.Stdout, RecordType.Stderr, RecordType.EndRequest];

function wrongId({ records }: Conversation): Complaint {
  const wrong = records.find(({ type, requestId }) =>
    managementTypes.includes(type) ? requestId !== 0 : requestId === 0,
  );
  return wrong && `a record of type ${wrong.type} has id ${wrong.requestId}`;
}

function wrongType({ records }: Conversation): Complaint {
  const wrong = records.find(({ type }) => !managementTypes.includes(type) && !requestTypes.includes(type));
  return wrong && `a record of type ${wrong.type} came: applications do not send it`;
}

function strangeId({ records, ids }: Conversation): Complaint {
  const strange = records.find(({ requestId }) => requestId !== 0 && !ids.has(requestId));
  return strange && `a record came for id ${strange.requestId}, which has no request`;
}

/** The ids of the requests that have ended on a connection. */
function endedIds(conversation: Conversation): number[] {
  return [
    ...new Set(
      conversation.records.filter(({ type }) => type === RecordType.EndRequest).map(({ requestId }) => requestId),
    ),
  ];
}

/** The records with one id, split into requests: each ends with END_REQUEST. */
function requestsWithId({ records }: Conversation, id: number): FastCgiRecord[][] {
  const own = records.filter(({ requestId }) => requestId === id);
  const pieces: FastCgiRecord[][] = [[]];
  for (const one of own) {
    pieces.at(-1)!.push(one);
    if (one.type === RecordType.EndRequest) pieces.push([]);
  }
  return pieces.filter((piece) => piece.length > 0);
}

/** Makes a check of connections out of a check of requests. It returns the first complaint. */
function ofRequests(
  complaint: (request: readonly FastCgiRecord[]) => Complaint,
): (conversation: Conversation) => Complaint {
  return (conversation) => {
    for (const id of endedIds(conversation)) {
      for (const request of requestsWithId(conversation, id)) {
        const found = complaint(request);
        if (typeof found === "string") return found;
      }
    }
    return null;
  };
}

const isEndOf = (type: RecordType) => (one: FastCgiRecord) => one.type === type && one.contentData.length === 0;

function endsStdout(request: readonly FastCgiRecord[]): Complaint {
  if (!request.some(({ type }) => type === RecordType.Stdout)) return null;
  const end = request.findIndex(isEndOf(RecordType.Stdout));
  if (end < 0) return "FCGI_STDOUT has no end: no record without content before END_REQUEST";
  return request.slice(end + 1).some(({ type }) => type === RecordType.Stdout)
    ? "FCGI_STDOUT goes on behind its end"
    : null;
}

function endsStderr(request: readonly FastCgiRecord[]): Complaint {
  const own = request.filter(({ type }) => type === RecordType.Stderr);
  return own.length === 0 || own.at(-1)!.contentData.length === 0 ? null : "FCGI_STDERR has content and no end";
}

function hasOneEnd(request: readonly FastCgiRecord[]): Complaint {
  return request.at(-1)!.type === RecordType.EndRequest ? null : "records came behind END_REQUEST";
}

function endBody(one: FastCgiRecord): Complaint {
  if (one.contentData.length !== 8) return `END_REQUEST has ${one.contentData.length} bytes`;
  const { protocolStatus } = decodeEndRequestBody(one.contentData);
  return protocolStatus > ProtocolStatus.UnknownRole ? `protocolStatus is ${protocolStatus}` : null;
}

function endsOf({ records }: Conversation): FastCgiRecord[] {
  return records.filter(({ type }) => type === RecordType.EndRequest);
}

function headerInPieces(request: readonly FastCgiRecord[]): Complaint {
  const stdout = request.filter(({ type, contentData }) => type === RecordType.Stdout && contentData.length > 0);
  if (stdout.length === 0) return null;
  const { headerLength } = readCgiAnswer(Buffer.concat(stdout.map(({ contentData }) => contentData)));
  return stdout[0]!.contentData.length < headerLength ? "the header came in several records" : null;
}

export const everything: RuleGroup<Session> = {
  name: "All that came",
  rules: [
    onEvery(
      { id: "FCGI-3.3-2", section: "FastCGI 3.3", title: "Everything is a record of version 1" },
      ({ unreadable }) => unreadable,
      { isUsual: true },
    ),
    onEvery(
      { id: "FCGI-3.3-15", section: "FastCGI 3.3", title: "Id 0 is that of management records, and of no others" },
      wrongId,
    ),
    onEvery({ id: "FIELD-5", section: "FastCGI 5.5", title: "Nothing comes for ids that have no request" }, strangeId, {
      isUsual: true,
    }),
    onEvery({ id: "FCGI-A-1", section: "FastCGI A", title: "All types are those of applications" }, wrongType),
    onEvery(
      { id: "FCGI-3.3-8", section: "FastCGI 3.3", title: "The reserved byte of headers is zero" },
      (conversation) => (conversation.reservedBytes.some((byte) => byte !== 0) ? "it is not" : null),
    ),
    onEvery(
      { id: "FCGI-3.3-7", section: "FastCGI 3.3", title: "Records end on multiples of eight bytes", isAdvice: true },
      ({ records }) => {
        const odd = records.find(
          ({ contentData, paddingLength = 0 }) => (contentData.length + paddingLength) % 8 !== 0,
        );
        return odd && `a record of ${odd.contentData.length} bytes has ${odd.paddingLength} of padding`;
      },
    ),
    onEvery(
      { id: "FCGI-6.1-6", section: "FastCGI 6.1", title: "FCGI_STDOUT is ended by an empty record" },
      ofRequests(endsStdout),
      { isUsual: true },
    ),
    onEvery(
      { id: "FCGI-6.1-5", section: "FastCGI 6.1", title: "FCGI_STDERR is ended by an empty record, if there is any" },
      ofRequests(endsStderr),
      { isUsual: true },
    ),
    onEvery(
      { id: "FIELD-5", section: "FastCGI 5.5", title: "Nothing follows END_REQUEST", isAdvice: true },
      ofRequests(hasOneEnd),
    ),
    onEvery(
      {
        id: "FCGI-5.5-2",
        section: "FastCGI 5.5",
        title: "The body of END_REQUEST has eight bytes and a status that exists",
      },
      (conversation) =>
        endsOf(conversation)
          .map(endBody)
          .find((found) => typeof found === "string"),
    ),
    onEvery(
      { id: "FIELD-23", section: "FastCGI 5.5", title: "The reserved bytes of END_REQUEST are zero", isAdvice: true },
      (conversation) =>
        endsOf(conversation).some(({ contentData }) => contentData.subarray(5).some((byte) => byte !== 0))
          ? "they are not"
          : null,
    ),
    onEvery(
      { id: "FIELD-1", section: "FastCGI 6.2", title: "The header is in one record", isAdvice: true },
      ofRequests(headerInPieces),
      { isUsual: true },
    ),
    onEvery(
      { id: "FIELD-29", section: "FastCGI 6.1", title: "FCGI_STDERR with content is padded", isAdvice: true },
      ({ records }) => {
        const bare = records.find(
          ({ type, contentData, paddingLength }) =>
            type === RecordType.Stderr && contentData.length > 0 && paddingLength === 0,
        );
        return bare && "a record of FCGI_STDERR is not: HAProxy 2.6 can die of it";
      },
    ),
  ],
};
