import { Role } from "../../../../adapters/node/index.ts";
import { RecordType } from "../../../../src/toolkit.ts";
import { describeRecords } from "../../report/records.ts";
import { kept, notApplicable, notTold, type RuleGroup, unless } from "../../report/rule.ts";
import { isRole, type ObservedConnection, type ObservedRequest } from "../observed.ts";

/** Rules about a request's records. */
export const requestRecordRules: RuleGroup<ObservedRequest> = {
  name: "Records of requests",
  rules: [
    {
      id: "FCGI-5.1-2",
      section: "FastCGI 5.1",
      title: "BEGIN_REQUEST has eight bytes, reserved ones and unknown flags zero",
      run: ({ begin }) =>
        unless(
          begin.length !== 8
            ? `it has ${begin.length}`
            : (begin[2]! & 0xfe) !== 0 || begin.subarray(3).some((byte) => byte !== 0)
              ? `it is ${[...begin].join(" ")}`
              : null,
          "it has",
        ),
    },
    {
      id: "FCGI-5.1-3",
      section: "FastCGI 5.1",
      title: "The role is Responder, Authorizer or Filter",
      run: ({ role }) => unless(isRole(role) ? null : `it is ${role}`, Object.keys(Role)[role - 1] ?? ""),
    },
    {
      id: "FCGI-6.1-2",
      section: "FastCGI 6.1",
      title: "PARAMS, STDIN and DATA come one after the other",
      run: ({ misplaced }) => unless(misplaced, "in that order"),
    },
    {
      id: "FCGI-3.3-17",
      section: "FastCGI 3.3",
      title: "PARAMS and STDIN are ended by empty records",
      run: (request) => {
        if (request.aborted !== null) return notApplicable(`the request was aborted: ${request.aborted}`);
        if (!request.hasEnded(RecordType.Params)) return unless("PARAMS has no end", "");
        if (request.role === Role.Authorizer) return kept("PARAMS is; an Authorizer has no STDIN");
        return unless(request.hasEnded(RecordType.Stdin) ? null : "STDIN has no end", "both are");
      },
    },
    {
      id: "FCGI-5.2-1",
      section: "FastCGI 5.2",
      title: "PARAMS holds name-value pairs",
      run: ({ pairs, unreadable }) =>
        pairs === null && unreadable === null
          ? notTold("PARAMS is not complete")
          : unless(unreadable, `${pairs?.length} pairs`),
    },
    {
      id: "FIELD-25",
      section: "FastCGI 5.2",
      title: "No pair is cut between two records",
      isAdvice: true,
      run: ({ hasCutPair }) => unless(hasCutPair ? "one is: PHP and others do not join them" : null, "none is"),
    },
    {
      id: "FCGI-3.3-7",
      section: "FastCGI 3.3",
      title: "Records end on multiples of eight bytes",
      isAdvice: true,
      run: ({ records }) => {
        const odd = records.find(({ contentLength, paddingLength }) => (contentLength + paddingLength) % 8 !== 0);
        return unless(odd && `a record of ${odd.contentLength} bytes has ${odd.paddingLength} of padding`, "all do");
      },
    },
  ],
};

/** Rules about a connection. */
export const connectionRules: RuleGroup<ObservedConnection> = {
  name: "Connections",
  rules: [
    {
      id: "FCGI-3.3-2",
      section: "FastCGI 3.3",
      title: "Everything is a record of version 1",
      run: ({ unreadable }) => unless(unreadable, "everything is"),
    },
    {
      id: "FCGI-3.3-8",
      section: "FastCGI 3.3",
      title: "The reserved byte of headers is zero",
      run: ({ reservedBytes, unreadable }) =>
        unreadable === null
          ? unless(reservedBytes.some((byte) => byte !== 0) ? "it is not" : null, "it is")
          : notTold("there are no records"),
    },
    {
      id: "FCGI-5.1-1",
      section: "FastCGI 5.1",
      title: "Requests begin with BEGIN_REQUEST, and nothing comes that web servers do not send",
      run: ({ odd }) => unless(odd[0], "so it is"),
    },
    {
      id: "FCGI-4.1-1",
      section: "FastCGI 4.1",
      title: "GET_VALUES asks with empty values",
      run({ asked }) {
        if (asked === null) return notApplicable("it does not ask");
        const full = asked.find(([, value]) => value !== "");
        return unless(full && `${full[0]} comes with a value`, `it asks for ${asked.map(([name]) => name).join(" ")}`);
      },
    },
    {
      id: "FIELD-28",
      section: "FastCGI 4.1",
      title: "Requests share a connection only if FCGI_MPXS_CONNS was asked for",
      isAdvice: true,
      run({ requests, asked }) {
        const most = Math.max(0, ...requests.map(({ together }) => together));
        if (most < 2) return notApplicable("no two requests share one");
        const hasAsked = asked?.some(([name]) => name === "FCGI_MPXS_CONNS") === true;
        return unless(hasAsked ? null : `${most} do, and it has not asked`, `${most} do, and it has asked`);
      },
    },
    {
      id: "FCGI-3.3-13",
      section: "FastCGI 3.3",
      title: "Request ids are used again and small",
      isAdvice: true,
      run({ requests }) {
        if (requests.length < 2) return notTold("there was one request on each connection");
        const largest = Math.max(...requests.map(({ requestId }) => requestId));
        const most = Math.max(...requests.map(({ together }) => together));
        return unless(largest > most * 2 ? `id ${largest} with ${most} at a time` : null, `up to ${largest}`);
      },
    },
    {
      id: "FCGI-5.1-6",
      section: "FastCGI 5.1",
      title: "A connection with FCGI_KEEP_CONN is used again",
      isAdvice: true,
      run({ requests }) {
        if (!requests.some(({ keepConn }) => keepConn)) return notApplicable("FCGI_KEEP_CONN is not set");
        return requests.length > 1 ? kept(`${requests.length} requests`) : notTold("there was one request");
      },
    },
    {
      id: "FCGI-5.4-5",
      section: "FastCGI 5.4",
      title: "A request is aborted with ABORT_REQUEST, or by closing if the connection is its own",
      run({ requests }) {
        const aborted = requests.filter((request) => request.aborted !== null);
        if (aborted.length === 0) return notTold("none was aborted");
        const closed = aborted.filter((request) => request.aborted === "closed");
        if (closed.length === 0) return kept("ABORT_REQUEST came");
        return unless(
          closed.length > 1 ? `the connection of ${closed.length} was closed` : null,
          "the connection was closed",
        );
      },
    },
  ],
};

/** A request's records in words. */
export function describeRequest({ records, begin }: ObservedRequest): string[] {
  return describeRecords(
    records.map(({ contentLength, ...rest }) => ({
      ...rest,
      contentData: rest.type === RecordType.BeginRequest ? begin : new Uint8Array(contentLength),
    })),
  );
}
