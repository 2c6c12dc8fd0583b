import { encodeRecords, type FastCgiRecord, RecordType } from "../../../../src/toolkit.ts";
import { broken, kept, type Outcome, type Rule, type RuleGroup } from "../../report/rule.ts";
import { ask, encodeOddly, type Question, singly } from "../ask.ts";
import { record, stream } from "../request.ts";
import type { Session } from "../session.ts";

/** The distance between two cuts: so the cuts soon cover the whole request, in case there is no time for all. */
const STRIDE = 7919;
/** The most bytes of pages, which are kept for the rules about everything. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Records of one byte each. */
function bytewise(type: RecordType): (usual: FastCgiRecord[]) => FastCgiRecord[] {
  return (usual) =>
    usual.flatMap((one) =>
      one.type === type && one.contentData.length > 0 ? stream(type, 1, one.contentData, 1).slice(0, -1) : [one],
    );
}

/** A request in two pieces, cut at every place in turn. */
async function everySplit(session: Session): Promise<Outcome> {
  const deadline = performance.now() + session.options.timeout;
  let places = 1;
  let done = 0;
  let bytes = 0;
  let outcome = kept("");
  for (let turn = 0; turn < places && performance.now() < deadline && bytes < MAX_BYTES; turn++) {
    let place = 0;
    const conversation = await session.open();
    const question: Question = {
      pieces(records) {
        const bytes = encodeRecords(records);
        places = bytes.length - 1;
        place = 1 + ((turn * STRIDE) % places);
        return { bytes: [bytes.subarray(0, place), bytes.subarray(place)], description: `a request, cut at ${place}` };
      },
    };
    outcome = await ask(session, question, conversation);
    if (outcome.verdict === "broken") return { ...outcome, reason: `cut at byte ${place}: ${outcome.reason}` };
    bytes += conversation.stdout(1).length;
    session.take();
    done++;
  }
  const rest = outcome.verdict === "kept" ? "" : "; the page does not show what arrived";
  return { ...outcome, reason: `answered at ${done} of ${places} places${rest}` };
}

/** Sends other records before a request and within it. */
async function withStrangers(session: Session, strangers: readonly FastCgiRecord[]): Promise<Outcome> {
  const conversation = await session.open();
  const outcome = await ask(
    session,
    { records: (usual) => [...strangers, usual[0]!, ...strangers, ...usual.slice(1)], keepConn: true },
    conversation,
  );
  const answered = conversation.records.find(({ requestId }) => requestId === 7);
  if (answered !== undefined) return broken("something came for the id that is not active");
  return outcome;
}

/** A rule about 255 bytes of padding, each with the value 1. */
function padding(title: string, isOnBegin: boolean): Rule<Session> {
  return {
    id: "FCGI-3.3-5",
    section: "FastCGI 3.3",
    title,
    isRisky: true,
    run: (session) =>
      ask(session, {
        pieces(usual) {
          const isPadded = (one: FastCgiRecord): boolean => (one.type === RecordType.BeginRequest) === isOnBegin;
          const bytes = usual.map((one) => encodeOddly([one], isPadded(one) ? { padding: 255, fill: 1 } : {}));
          const where = isOnBegin ? "BEGIN_REQUEST" : "every record but BEGIN_REQUEST";
          return {
            bytes: [Buffer.concat(bytes)],
            description: `a request with 255 bytes of padding, each 1, behind ${where}`,
          };
        },
      }),
  };
}

const text = new TextEncoder().encode("a piece of a stream");

export const records: RuleGroup<Session> = {
  name: "Records",
  rules: [
    {
      id: "FCGI-3.3-7",
      section: "FastCGI 3.3",
      title: "Padding up to a multiple of eight is skipped",
      run: (session) => ask(session),
    },
    {
      id: "FCGI-3.3-7",
      section: "FastCGI 3.3",
      title: "Records without padding are read as well",
      run: (session) =>
        ask(session, {
          pieces: (usual) => ({ bytes: [encodeOddly(usual, {})], description: "a request without padding" }),
        }),
    },
    padding("Padding is skipped, whatever it holds and however long it is: PARAMS and STDIN", false),
    padding("Padding is skipped, whatever it holds and however long it is: BEGIN_REQUEST", true),
    {
      id: "FCGI-3.3-8",
      section: "FastCGI 3.3",
      title: "The reserved byte of a header is ignored",
      isRisky: true,
      run: (session) =>
        ask(session, {
          pieces: (usual) => ({
            bytes: [encodeOddly(usual, { reserved: 255 })],
            description: "a request, reserved bytes 255",
          }),
        }),
    },
    {
      id: "FCGI-3.3-12",
      section: "FastCGI 3.3",
      title: "Records of ids that are not active are ignored: PARAMS and STDIN",
      isRisky: true,
      run: (session) => withStrangers(session, [record(RecordType.Params, 7, text), record(RecordType.Stdin, 7, text)]),
    },
    {
      id: "FCGI-3.3-12",
      section: "FastCGI 3.3",
      title: "Records of ids that are not active are ignored: ABORT_REQUEST",
      isRisky: true,
      run: (session) => withStrangers(session, [record(RecordType.AbortRequest, 7)]),
    },
    {
      id: "FCGI-3.3-3",
      section: "FastCGI 3.3",
      title: "A request is read however the connection cuts it: at every place",
      run: everySplit,
    },
    {
      id: "FCGI-3.3-3",
      section: "FastCGI 3.3",
      title: "A request is read however the connection cuts it: byte by byte",
      run: (session) =>
        ask(session, {
          pieces: (usual) => ({ bytes: singly(encodeRecords(usual)), description: "a request, byte by byte" }),
        }),
    },
    {
      id: "FCGI-3.3-18",
      section: "FastCGI 3.3",
      title: "PARAMS may come in records of one byte",
      isRisky: true,
      run: (session) => ask(session, { records: bytewise(RecordType.Params) }),
    },
    {
      id: "FCGI-3.3-18",
      section: "FastCGI 3.3",
      title: "STDIN may come in records of one byte",
      run: (session) => ask(session, { body: text, records: bytewise(RecordType.Stdin) }),
    },
  ],
};
