import {
  decodeNameValuePairs,
  encodeNameValuePairs,
  type FastCgiRecord,
  FCGI_MAX_CONNS,
  FCGI_MAX_REQS,
  FCGI_MPXS_CONNS,
  type NameValuePair,
  RecordType,
} from "../../../../src/toolkit.ts";
import { broken, kept, notTold, type Outcome, type RuleGroup, unless } from "../../report/rule.ts";
import { judge } from "../ask.ts";
import type { Conversation } from "../conversation.ts";
import { begin, paramsRecords, record, stream } from "../request.ts";
import { CHECK_PARAM, type Session, token } from "../session.ts";

const KNOWN = [FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS] as const;

/** FCGI_GET_VALUES with padding up to a multiple of eight, at least one byte, because libfcgi waits for padding. */
function getValues(names: readonly string[]): FastCgiRecord {
  const contentData = encodeNameValuePairs(names.map((name) => [name, ""] as const));
  return { ...record(RecordType.GetValues, 0, contentData), paddingLength: 8 - (contentData.length % 8) };
}

async function resultOn(conversation: Conversation): Promise<readonly NameValuePair[] | string> {
  const results = (): FastCgiRecord[] => conversation.of(RecordType.GetValuesResult, 0);
  if (!(await conversation.until(() => results().length > 0))) return `no GET_VALUES_RESULT: ${conversation.silence}`;
  try {
    return decodeNameValuePairs(results()[0]!.contentData);
  } catch (error) {
    return (error as Error).message;
  }
}

async function valuesFor(session: Session, question: FastCgiRecord): Promise<readonly NameValuePair[] | string> {
  const conversation = await session.open();
  await conversation.send(question);
  return resultOn(conversation);
}

/**
 * Checks that the answer leaves out names that the application can't know, even if they mean something in its language.
 */
async function leavesOut(session: Session, names: readonly string[]): Promise<Outcome> {
  const pairs = await valuesFor(session, getValues([...names, FCGI_MPXS_CONNS]));
  if (typeof pairs === "string") return broken(pairs);
  const known = pairs.find(([name]) => names.includes(name));
  return unless(known && `answered with ${known[0]}=${known[1]}`, "answered without them");
}

async function isValue(session: Session, name: string, pattern: RegExp): Promise<Outcome> {
  const value = session.values?.get(name);
  if (value === undefined) return notTold("it answers nothing to that name");
  return pattern.test(value) ? kept(`${name}=${value}`) : broken(`${name}=${JSON.stringify(value)}`);
}

async function withinRequest(session: Session): Promise<Outcome> {
  const conversation = await session.open();
  const shape = { keepConn: true, params: [[CHECK_PARAM, token()] as const] };
  const stdin = stream(RecordType.Stdin, 1, new Uint8Array(0));
  await conversation.send(begin(shape), ...paramsRecords(session.options, shape), getValues(KNOWN), ...stdin);
  const answer = await judge(session, conversation, shape);
  if (answer.verdict === "broken") return broken(`the request around it: ${answer.reason}`);
  const pairs = await resultOn(conversation);
  return typeof pairs === "string" ? broken(pairs) : kept("answered, and so is the request around it");
}

async function unknownType(session: Session): Promise<Outcome> {
  const conversation = await session.open();
  await conversation.send(record(99, 0, new Uint8Array(8)));
  const answers = (): FastCgiRecord[] => conversation.of(RecordType.UnknownType, 0);
  if (!(await conversation.until(() => answers().length > 0)))
    return broken(`no UNKNOWN_TYPE: ${conversation.silence}`);
  const { contentData } = answers()[0]!;
  if (contentData.length !== 8) return broken(`UNKNOWN_TYPE has ${contentData.length} bytes instead of 8`);
  return unless(
    contentData[0] === 99 ? null : `UNKNOWN_TYPE is about type ${contentData[0]}`,
    "answered with UNKNOWN_TYPE 99",
  );
}

export const management: RuleGroup<Session> = {
  name: "Management records",
  rules: [
    {
      id: "FCGI-4.1-2",
      section: "FastCGI 4.1",
      title: "GET_VALUES is answered with GET_VALUES_RESULT",
      async run(session) {
        const pairs = await valuesFor(session, getValues(KNOWN));
        if (typeof pairs === "string") return broken(pairs);
        session.values = new Map(pairs);
        return kept(`answered with ${pairs.map((pair) => pair.join("=")).join(" ") || "nothing that it knows"}`);
      },
    },
    {
      id: "FIELD-26",
      section: "FastCGI 3.3",
      title: "GET_VALUES is answered without padding as well",
      isAdvice: true,
      async run(session) {
        const pairs = await valuesFor(session, { ...getValues([FCGI_MPXS_CONNS]), paddingLength: 0 });
        return typeof pairs === "string" ? broken(pairs) : kept("answered");
      },
    },
    {
      id: "FCGI-4.1-3",
      section: "FastCGI 4.1",
      title: "Names that are not known are left out of the answer",
      run: (session) => leavesOut(session, ["FCGI_NO_SUCH_NAME", ""]),
    },
    {
      id: "FIELD-12",
      section: "FastCGI 4.1",
      title: "Names that mean something in the application's language are left out as well",
      isRisky: true,
      run: (session) => leavesOut(session, ["constructor", "__proto__", "toString", "%s%n", "PATH"]),
    },
    {
      id: "FCGI-4.1-4",
      section: "FastCGI 4.1",
      title: "FCGI_MAX_CONNS is a number",
      run: (session) => isValue(session, FCGI_MAX_CONNS, /^[0-9]+$/),
    },
    {
      id: "FCGI-4.1-5",
      section: "FastCGI 4.1",
      title: "FCGI_MAX_REQS is a number",
      run: (session) => isValue(session, FCGI_MAX_REQS, /^[0-9]+$/),
    },
    {
      id: "FCGI-4.1-6",
      section: "FastCGI 4.1",
      title: "FCGI_MPXS_CONNS is 0 or 1",
      run: (session) => isValue(session, FCGI_MPXS_CONNS, /^[01]$/),
    },
    {
      id: "FCGI-4.1-7",
      section: "FastCGI 4.1",
      title: "GET_VALUES may come at any time: between PARAMS and STDIN of a request",
      isRisky: true,
      run: withinRequest,
    },
    {
      id: "FCGI-4.2-1",
      section: "FastCGI 4.2",
      title: "A management record of a type that is not known is answered with UNKNOWN_TYPE",
      isRisky: true,
      run: unknownType,
    },
  ],
};
