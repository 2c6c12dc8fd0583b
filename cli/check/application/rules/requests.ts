import { Role } from "../../../../adapters/node/index.ts";
import { encodeNameValuePairs, ProtocolStatus, RecordType } from "../../../../src/toolkit.ts";
import { readCgiAnswer, statusOf } from "../../../cgi_answer.ts";
import { constantName } from "../../report/records.ts";
import { broken, kept, notTold, type Outcome, type RuleGroup } from "../../report/rule.ts";
import { ask } from "../ask.ts";
import { begin, pairsOf, paramsRecords, record, stream } from "../request.ts";
import { CHECK_PARAM, type Session, token } from "../session.ts";

const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const long = new Uint8Array(200_000).map((_, index) => 97 + (index % 26));

async function refusalOf(session: Session, role: number): Promise<{ status: number | null; silence: string }> {
  const conversation = await session.open(true);
  const shape = { role };
  const streams = role === Role.Authorizer ? [] : stream(RecordType.Stdin, 1, new Uint8Array(0));
  await conversation.send(begin(shape), ...paramsRecords(session.options, shape), ...streams);
  const end = await conversation.untilEnd(1);
  return { status: end?.protocolStatus ?? null, silence: conversation.silence };
}

/** Checks that an application that does not play a role refuses it. */
async function playsOrRefuses(session: Session, role: number): Promise<Outcome> {
  const { status, silence } = await refusalOf(session, role);
  if (status === null) return broken(`neither answered nor refused: ${silence}`);
  if (status === ProtocolStatus.RequestComplete) return kept("answered");
  if (status === ProtocolStatus.UnknownRole) return kept("refused with UNKNOWN_ROLE");
  return broken(`refused with ${constantName(ProtocolStatus, status)}, which is about something else`);
}

async function aborted(session: Session, isInParams: boolean): Promise<Outcome> {
  const conversation = await session.open(true);
  const shape = { body: everyByte, keepConn: true };
  const params = paramsRecords(session.options, shape);
  await conversation.send(begin(shape), ...(isInParams ? params.slice(0, -1) : params));
  await conversation.send(record(RecordType.AbortRequest, 1));
  const end = await conversation.untilEnd(1);
  if (end === null) return broken(`no END_REQUEST: ${conversation.silence}`);
  return end.protocolStatus === ProtocolStatus.RequestComplete
    ? kept(`ended with REQUEST_COMPLETE, appStatus ${end.appStatus}`)
    : broken(`ended with ${constantName(ProtocolStatus, end.protocolStatus)}`);
}

async function tooLong(session: Session): Promise<Outcome> {
  const conversation = await session.open(true);
  const shape = { body: everyByte, contentLength: "16" };
  await conversation.send(
    begin(shape),
    ...paramsRecords(session.options, shape),
    ...stream(RecordType.Stdin, 1, everyByte),
  );
  if ((await conversation.untilEnd(1)) === null) return broken(`no END_REQUEST: ${conversation.silence}`);
  const { body } = readCgiAnswer(conversation.stdout(1));
  if (!session.sendsBodyBack) return notTold("answered; the page does not send the body back");
  const status = statusOf(readCgiAnswer(conversation.stdout(1)));
  if (status >= 400) return kept(`answered with status ${status}`);
  return body.length > 16
    ? broken(`${body.length} bytes were read of 16`)
    : kept(`${body.length} bytes were read of 16`);
}

async function tooShort(session: Session): Promise<Outcome> {
  const conversation = await session.open(true);
  const shape = { body: everyByte, contentLength: "300" };
  await conversation.send(
    begin(shape),
    ...paramsRecords(session.options, shape),
    ...stream(RecordType.Stdin, 1, everyByte),
  );
  if ((await conversation.untilEnd(1)) === null) {
    return conversation.isClosed
      ? kept("the connection was closed")
      : broken("it waits for more, though STDIN has ended");
  }
  const answer = readCgiAnswer(conversation.stdout(1));
  const status = statusOf(answer);
  if (status >= 400) return kept(`answered with status ${status}`);
  return session.sendsBodyBack && answer.body.length < everyByte.length
    ? kept("the body was not sent back as if it were whole")
    : broken(`half a body was answered with status ${status}`);
}

export const requests: RuleGroup<Session> = {
  name: "Requests and their ends",
  rules: [
    {
      id: "FCGI-5.2-1",
      section: "FastCGI 5.2",
      title: "PARAMS carries the variables of a request",
      run: (session) => ask(session),
    },
    {
      id: "FCGI-5.2-2",
      section: "FastCGI 5.2",
      title: "The order of the variables means nothing",
      run(session) {
        const pair = [CHECK_PARAM, token()] as const;
        const reversed = encodeNameValuePairs(pairsOf(session.options, { params: [pair] }).reverse());
        return ask(session, {
          params: [pair],
          records: ([first, , ...rest]) => [first!, record(RecordType.Params, 1, reversed), ...rest],
        });
      },
    },
    {
      id: "FCGI-5.3-1",
      section: "FastCGI 5.3",
      title: "STDIN carries any bytes",
      run: (session) => ask(session, { body: everyByte }),
    },
    {
      id: "CGI-9.6-1",
      section: "RFC 3875 9.6",
      title: "No body is too long for a buffer: 200,000 bytes",
      run: (session) => ask(session, { body: long }),
    },
    {
      id: "FCGI-6.2-3",
      section: "FastCGI 6.2",
      title: "Of STDIN no more than CONTENT_LENGTH bytes are read",
      isAdvice: true,
      run: tooLong,
    },
    {
      id: "FCGI-6.2-8",
      section: "FastCGI 6.2",
      title: "STDIN that ends before CONTENT_LENGTH bytes is no whole body",
      isRisky: true,
      isAdvice: true,
      run: tooShort,
    },
    {
      id: "FCGI-5.1-2",
      section: "FastCGI 5.1",
      title: "Flags that are not known and reserved bytes of BEGIN_REQUEST are ignored",
      isRisky: true,
      run: (session) =>
        ask(session, {
          records: ([, ...rest]) => [
            record(RecordType.BeginRequest, 1, Uint8Array.of(0, Role.Responder, 0xfe, 9, 9, 9, 9, 9)),
            ...rest,
          ],
        }),
    },
    {
      id: "FCGI-5.1-3",
      section: "FastCGI 5.1",
      title: "An Authorizer is answered, or refused with UNKNOWN_ROLE",
      run: (session) => playsOrRefuses(session, Role.Authorizer),
    },
    {
      id: "FCGI-5.5-7",
      section: "FastCGI 5.5",
      title: "A role that does not exist is refused with UNKNOWN_ROLE",
      isRisky: true,
      async run(session) {
        const { status, silence } = await refusalOf(session, 42);
        if (status === null) return broken(`no END_REQUEST: ${silence}`);
        if (status === ProtocolStatus.UnknownRole) return kept("refused with UNKNOWN_ROLE");
        return broken(`role 42 was ended with ${constantName(ProtocolStatus, status)}`);
      },
    },
    {
      id: "FCGI-5.4-2",
      section: "FastCGI 5.4",
      title: "ABORT_REQUEST is answered with END_REQUEST while STDIN is awaited",
      run: (session) => aborted(session, false),
    },
    {
      id: "FCGI-5.4-2",
      section: "FastCGI 5.4",
      title: "ABORT_REQUEST is answered with END_REQUEST within PARAMS",
      isRisky: true,
      run: (session) => aborted(session, true),
    },
  ],
};
