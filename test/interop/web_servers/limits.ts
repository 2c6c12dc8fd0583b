// What the web servers cannot do, in their own words where they have some.

import { type Limit, observed } from "./case.ts";

const WAITS = "waits for the end";

/** Uploads that are collected before the application hears of them. */
export const collectsUploads = (reason: string, reference: string) => ({
  "request.body has each piece before the client sends the next": { outcome: WAITS, reason, reference },
  "request.body fails when the client leaves in the middle of its upload": {
    outcome: "the application never hears of it",
    reason,
    reference,
  },
});

/** Cookies that came in several lines, joined as other fields are. */
export const joinsCookies = (separator: string): Readonly<Record<string, Limit>> => ({
  "request.headers has fields that came in several lines": {
    outcome: { cookie: `a=1${separator}b=2`, "x-several": "1, 2" },
    reason: `joins Cookie lines with ${JSON.stringify(separator)}; only HTTP/2 clients split cookies`,
    reference: "RFC 6265 5.4",
  },
});

export const passesUnderscores = (reference: string): Readonly<Record<string, Limit>> => ({
  "request.headers has no X-User when the client sends X_User": {
    outcome: "mallory",
    reason: "passes names with an underscore on, which no variable can tell from a hyphen",
    reference,
  },
});

/** The user of a Basic field, whose password is not checked. */
export const claimsRemoteUser = (reference: string): Readonly<Record<string, Limit>> => ({
  "REMOTE_USER is nobody whom the web server has not checked": {
    outcome: "mallory",
    reason: "takes it from an Authorization field that nobody has checked",
    reference,
  },
});

export const ownHeaderLimit = (
  outcome: number,
  setting: string,
  reference: string,
): Readonly<Record<string, Limit>> => ({
  "the client gets a 431 when a field has 60 KB": { outcome, reason: `refuses it by itself: ${setting}`, reference },
});

/** An absolute form and a Host that contradict each other. */
export const ownHost = (outcome: string, reason: string, reference: string): Readonly<Record<string, Limit>> => ({
  "request.url has the host of an absolute form that names another one than Host": { outcome, reason, reference },
});

/** The client is looked at when there is something to send to it. */
export const noticesLate = (reference: string): Readonly<Record<string, Limit>> => ({
  "request.signal fires when the client leaves while fetch is silent": {
    outcome: "aborted at the first output",
    reason: "finds out that its client has left when it writes to it",
    reference,
  },
});

/** An end of the connection counts as the end of the response. */
export const takesBrokenForWhole = (...cases: readonly (readonly [name: keyof typeof BROKEN, bytes: number])[]) =>
  Object.fromEntries(
    cases.map(([name, bytes]): [string, Limit] => [
      BROKEN[name],
      {
        outcome: `looks whole: 200 with ${bytes} bytes`,
        reason: "takes the end of the connection for the end of the response; a Content-Length shows the break",
        reference: observed,
      },
    ]),
  );

const BROKEN = {
  atOnce: "the client sees a broken transfer when the body fails before its first byte",
  later: "the client sees a broken transfer when the body fails behind 1 MiB",
} as const;

export const holdsHeader = (reason: string, reference: string): Readonly<Record<string, Limit>> => ({
  "the client gets the header before there is a body": { outcome: "waits for the body", reason, reference },
});

export const holdsResponse = (reason: string, reference: string): Readonly<Record<string, Limit>> => ({
  "the client gets each chunk before the next is made": { outcome: WAITS, reason, reference },
  ...holdsHeader(reason, reference),
});

export const ownReason = (outcome: string, reference: string): Readonly<Record<string, Limit>> => ({
  "the client gets the reason phrase": { outcome, reason: "has phrases of its own; HTTP/2 has none", reference },
});
