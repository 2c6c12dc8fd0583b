import { FCGI_MPXS_CONNS, ProtocolStatus, RecordType } from "../../../../src/toolkit.ts";
import { constantName } from "../../report/records.ts";
import { broken, kept, notApplicable, type Outcome, type RuleGroup } from "../../report/rule.ts";
import { ask, judge } from "../ask.ts";
import type { Conversation } from "../conversation.ts";
import { begin, paramsRecords, type record, requestRecords, stream } from "../request.ts";
import { CHECK_PARAM, type Session, token } from "../session.ts";

/** Two requests, one after the other, on one connection. */
async function twice(session: Session, secondId: number): Promise<Outcome> {
  const conversation = await session.open();
  const first = await ask(session, { keepConn: true }, conversation);
  if (first.verdict === "broken") return first;
  if (secondId === 1) return again(session, conversation);
  const second = await ask(session, { keepConn: true, id: secondId }, conversation);
  return second.verdict === "broken" ? broken(`the second request: ${second.reason}`) : second;
}

/** Sends a second request with the same id. A second END_REQUEST must come. */
async function again(session: Session, conversation: Conversation): Promise<Outcome> {
  await conversation.send(...requestRecords(session.options, { keepConn: true }));
  const ends = (): number => conversation.of(RecordType.EndRequest, 1).length;
  return (await conversation.until(() => ends() > 1))
    ? kept("both were answered")
    : broken(`the second was not: ${conversation.silence}`);
}

async function closes(session: Session): Promise<Outcome> {
  const conversation = await session.open();
  const answer = await ask(session, {}, conversation);
  if (answer.verdict === "broken") return answer;
  return (await conversation.untilClosed()) ? kept("closed behind END_REQUEST") : broken("the connection stays open");
}

/** The records of two requests, in turn. */
function interleaved(session: Session, shapes: readonly [first: Marked, second: Marked]): ReturnType<typeof record>[] {
  const [first, second] = shapes.map((shape) => [begin(shape), ...paramsRecords(session.options, shape)]) as [
    ReturnType<typeof record>[],
    ReturnType<typeof record>[],
  ];
  const both = first.flatMap((one, index) => [one, second[index]!]);
  const ends = shapes.map(({ id }) => stream(RecordType.Stdin, id, new Uint8Array(0))).reverse();
  return [...both, ...ends.flat()];
}

interface Marked {
  readonly id: number;
  readonly keepConn: true;
  readonly params: readonly (readonly [string, string])[];
}

function marked(id: number): Marked {
  return { id, keepConn: true, params: [[CHECK_PARAM, token()]] };
}

async function sharesConnection(session: Session): Promise<Outcome> {
  if (session.values?.get(FCGI_MPXS_CONNS) !== "1") return notApplicable("it does not say FCGI_MPXS_CONNS=1");
  const conversation = await session.open();
  const shapes = [marked(1), marked(2)] as const;
  await conversation.send(...interleaved(session, shapes));
  const outcomes = [await judge(session, conversation, shapes[0]), await judge(session, conversation, shapes[1])];
  return outcomes.find(({ verdict }) => verdict === "broken") ?? outcomes[0]!;
}

async function refusesSecond(session: Session): Promise<Outcome> {
  if (session.values?.get(FCGI_MPXS_CONNS) === "1") return notApplicable("it takes requests at the same time");
  const conversation = await session.open(true);
  const shapes = [marked(1), marked(2)] as const;
  await conversation.send(...interleaved(session, shapes));
  const first = await judge(session, conversation, shapes[0]);
  if (first.verdict === "broken") return broken(`the first request: ${first.reason}`);
  const second = await conversation.untilEnd(2);
  if (second === null) return broken(`the second request was neither refused nor answered: ${conversation.silence}`);
  const status = constantName(ProtocolStatus, second.protocolStatus);
  if (second.protocolStatus === ProtocolStatus.CantMpxConn) return kept(`the second was refused with ${status}`);
  const answer = await judge(session, conversation, shapes[1]);
  return answer.verdict === "broken" ? broken(`the second request: ${answer.reason}`) : kept("both were answered");
}

export const connections: RuleGroup<Session> = {
  name: "Connections",
  rules: [
    {
      id: "FCGI-5.1-4",
      section: "FastCGI 5.1",
      title: "Without FCGI_KEEP_CONN the application closes the connection after its answer",
      run: closes,
    },
    {
      id: "FCGI-5.1-5",
      section: "FastCGI 5.1",
      title: "With FCGI_KEEP_CONN the connection stays open: a second request is answered on it",
      run: (session) => twice(session, 2),
    },
    {
      id: "FCGI-3.3-11",
      section: "FastCGI 3.3",
      title: "A request id can be used again when its request has ended",
      run: (session) => twice(session, 1),
    },
    {
      id: "FCGI-3.3-9",
      section: "FastCGI 3.3",
      title: "Requests that share a connection are kept apart",
      run: sharesConnection,
    },
    {
      id: "FCGI-5.5-5",
      section: "FastCGI 5.5",
      title: "An application that takes one request at a time refuses a second with CANT_MPX_CONN",
      isRisky: true,
      run: refusesSecond,
    },
  ],
};
