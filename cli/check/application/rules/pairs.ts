import { encodeByteString, encodeNameValuePairs, type FastCgiRecord, RecordType } from "../../../../src/toolkit.ts";
import type { Outcome, RuleGroup } from "../../report/rule.ts";
import { ask } from "../ask.ts";
import { pairsOf, record, stream } from "../request.ts";
import { CHECK_PARAM, type Session, token } from "../session.ts";

/** A value of any length that is on no page by chance. */
function longToken(length: number): string {
  return token().padEnd(length, "abcdefghijklmnopqrstuvwxyz");
}

/** The length in four bytes, even if one would do. */
function longForm(length: number): number[] {
  return [0x80 | (length >>> 24), (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff];
}

/** Sends PARAMS with a last pair that is cut into two records, before the byte `cut` of the pair. */
async function cutIn(session: Session, cut: (nameLength: number) => number): Promise<Outcome> {
  const pair = [CHECK_PARAM, longToken(200)] as const;
  const last = encodeNameValuePairs([pair]);
  return ask(session, {
    params: [pair],
    records([first, , , ...rest]) {
      const others = encodeNameValuePairs(pairsOf(session.options, {}));
      const all = Buffer.concat([others, last]);
      return [first!, ...stream(RecordType.Params, 1, all, others.length + cut(CHECK_PARAM.length)), ...rest];
    },
  });
}

/** Replaces the PARAMS stream of a request. */
function withParams(contentData: Uint8Array): (usual: FastCgiRecord[]) => FastCgiRecord[] {
  return ([first, , ...rest]) => [first!, record(RecordType.Params, 1, contentData), ...rest];
}

const NAME_LENGTHS = 1 + 4;

export const pairs: RuleGroup<Session> = {
  name: "Name-value pairs",
  rules: [
    {
      id: "FCGI-3.4-2",
      section: "FastCGI 3.4",
      title: "Lengths may take four bytes where one would do",
      run(session) {
        const pair = [CHECK_PARAM, token()] as const;
        const bytes = pairsOf(session.options, { params: [pair] }).map(([name, value]) =>
          Buffer.from([...longForm(name.length), ...longForm(value.length), ...encodeByteString(name + value)]),
        );
        return ask(session, { params: [pair], records: withParams(Buffer.concat(bytes)) });
      },
    },
    {
      id: "FCGI-3.4-4",
      section: "FastCGI 3.4",
      title: "Names and values are longer than 127 bytes",
      run: (session) =>
        ask(session, {
          params: [
            [`${CHECK_PARAM}_${"N".repeat(200)}`, token()],
            [`${CHECK_PARAM}_1`, longToken(127)],
            [`${CHECK_PARAM}_2`, longToken(128)],
            [`${CHECK_PARAM}_3`, longToken(3000)],
          ],
        }),
    },
    {
      id: "FCGI-3.4-5",
      section: "FastCGI 3.4",
      title: "Values can be empty",
      run: (session) =>
        ask(session, {
          params: [
            [`${CHECK_PARAM}_EMPTY`, ""],
            [`${CHECK_PARAM}_NEXT`, token()],
          ],
        }),
    },
    {
      id: "FCGI-3.4-5",
      section: "FastCGI 3.4",
      title: "Values can hold bytes that are not ASCII",
      run(session) {
        // The page may show these bytes in any form, so only the text between them is compared.
        const shows = [token(), token()];
        return ask(session, { params: [[`HTTP_X_${CHECK_PARAM}`, shows.join("\xe9\x80\xff")]], shows });
      },
    },
    {
      id: "FCGI-3.3-18",
      section: "FastCGI 3.3",
      title: "PARAMS are joined before they are read: a pair cut between its lengths",
      isRisky: true,
      run: (session) => cutIn(session, () => 1),
    },
    {
      id: "FCGI-3.3-18",
      section: "FastCGI 3.3",
      title: "PARAMS are joined before they are read: a pair cut within a length of four bytes",
      isRisky: true,
      run: (session) => cutIn(session, () => 3),
    },
    {
      id: "FCGI-3.3-18",
      section: "FastCGI 3.3",
      title: "PARAMS are joined before they are read: a pair cut within its name",
      isRisky: true,
      run: (session) => cutIn(session, () => NAME_LENGTHS + 4),
    },
    {
      id: "FCGI-3.3-18",
      section: "FastCGI 3.3",
      title: "PARAMS are joined before they are read: a pair cut within its value",
      isRisky: true,
      run: (session) => cutIn(session, (nameLength) => NAME_LENGTHS + nameLength + 50),
    },
    {
      id: "FCGI-3.3-17",
      section: "FastCGI 3.3",
      title: "PARAMS can be longer than a record: 100,000 bytes, cut between pairs",
      run(session) {
        const pair = [CHECK_PARAM, token()] as const;
        const filler = Array.from({ length: 50 }, (_, i) => [`${CHECK_PARAM}_${i}`, longToken(2000)] as const);
        const usual = pairsOf(session.options, { params: [pair] });
        const chunks = [usual, filler.slice(0, 25), filler.slice(25)].map(encodeNameValuePairs);
        return ask(session, {
          params: [pair, ...filler],
          records: ([first, , , ...rest]) => [
            first!,
            ...chunks.map((chunk) => record(RecordType.Params, 1, chunk)),
            record(RecordType.Params, 1),
            ...rest.filter(({ type }) => type !== RecordType.Params),
          ],
        });
      },
    },
    {
      id: "CGI-9.6-1",
      section: "RFC 3875 9.6",
      title: "A value can be longer than a record: 70,000 bytes",
      isRisky: true,
      run: (session) => ask(session, { params: [[`${CHECK_PARAM}_LONG`, longToken(70_000)]] }),
    },
  ],
};
