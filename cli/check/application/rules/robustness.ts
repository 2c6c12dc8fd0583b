// What no web server should send, but some do. The application may close the connection or refuse the request, but must
// answer the next connection, which the runner checks.

import { Role } from "../../../../adapters/node/index.ts";
import { encodeBeginRequestBody, encodeRecords, RecordType } from "../../../../src/toolkit.ts";
import { kept, type Rule, type RuleGroup } from "../../report/rule.ts";
import type { Conversation } from "../conversation.ts";
import { begin, paramsRecords, record, requestRecords, stream } from "../request.ts";
import type { Session } from "../session.ts";

/** Milliseconds to wait for a reaction. The application need not react. */
const REACTION_TIME = 300;

function survives(title: string, odd: (conversation: Conversation, session: Session) => Promise<void>): Rule<Session> {
  return {
    id: "FIELD-12",
    section: "FastCGI 3.3",
    title: `It survives ${title}`,
    isRisky: true,
    async run(session) {
      const conversation = await session.open(true);
      await odd(conversation, session);
      await conversation.until(() => conversation.end(1) !== null, Math.min(REACTION_TIME, session.options.timeout));
      return kept("the next connection is answered");
    },
  };
}

const usualBytes = (session: Session): Uint8Array => encodeRecords(requestRecords(session.options, { keepConn: true }));
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const eight = new Uint8Array(8);

export const robustness: RuleGroup<Session> = {
  name: "What goes wrong",
  rules: [
    survives("a record of version 0", (conversation) => conversation.sendPieces([eight], "eight zero bytes")),
    survives("a record of version 2", (conversation, session) => {
      const bytes = usualBytes(session);
      bytes[0] = 2;
      return conversation.sendPieces([bytes], "a request, version 2");
    }),
    survives("a client that speaks HTTP", (conversation) =>
      conversation.sendPieces([text("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")], "GET / HTTP/1.1"),
    ),
    survives("a connection that ends within a record", async (conversation, session) => {
      await conversation.sendPieces([usualBytes(session).subarray(0, 60)], "the first 60 bytes of a request");
      conversation.close();
    }),
    survives("a connection that ends its input within PARAMS", async (conversation, session) => {
      await conversation.send(begin({}), paramsRecords(session.options, {})[0]!);
      await conversation.halfClose();
    }),
    survives("a pair that passes the end of PARAMS", (conversation) =>
      conversation.send(
        begin({}),
        ...stream(RecordType.Params, 1, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x84, 0, 0, 0, 65)),
        record(RecordType.Stdin, 1),
      ),
    ),
    survives("a BEGIN_REQUEST of two bytes", (conversation) =>
      conversation.send(record(RecordType.BeginRequest, 1, eight.subarray(0, 2))),
    ),
    survives("a second BEGIN_REQUEST for an id that is active", (conversation, session) =>
      conversation.send(begin({}), ...requestRecords(session.options, {})),
    ),
    survives("a BEGIN_REQUEST with id 0", (conversation) =>
      conversation.send(
        record(RecordType.BeginRequest, 0, encodeBeginRequestBody({ role: Role.Responder, keepConn: false })),
      ),
    ),
    survives("STDIN in front of PARAMS", (conversation, session) =>
      conversation.send(
        begin({}),
        record(RecordType.Stdin, 1, text("early")),
        ...requestRecords(session.options, {}).slice(1),
      ),
    ),
    survives("records that only applications send", (conversation) =>
      conversation.send(begin({}), record(RecordType.Stdout, 1, text("out")), record(RecordType.EndRequest, 1, eight)),
    ),
    survives("a type that is not known, with the id of a request", (conversation, session) => {
      const [first, ...rest] = requestRecords(session.options, {});
      return conversation.send(first!, record(99, 1, eight), ...rest);
    }),
    survives("GET_VALUES that hold no pairs", (conversation) =>
      conversation.send(record(RecordType.GetValues, 0, text("\x7f\x7fshort"))),
    ),
    survives("variables that mean something in its language", (conversation, session) =>
      conversation.send(
        ...requestRecords(session.options, {
          params: ["__proto__", "constructor", "hasOwnProperty", "", "="].map((name) => [name, "x"] as const),
        }),
      ),
    ),
  ],
};
