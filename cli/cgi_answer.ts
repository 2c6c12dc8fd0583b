// The output of a Responder, as CGI (RFC 3875 6). Lines stay as they are, because rules are about what is wrong with
// them.

import { decodeByteString } from "../src/toolkit.ts";

/** A header block and what follows it. */
export interface CgiAnswer {
  /** The lines of the header block; null if no empty line ends it. */
  readonly lines: readonly string[] | null;
  /** The body, as a byte string. */
  readonly body: string;
  /** Bytes of the header block, with its empty line. */
  readonly headerLength: number;
}

export function readCgiAnswer(stdout: Uint8Array): CgiAnswer {
  const text = decodeByteString(stdout);
  const end = /\r?\n\r?\n/.exec(text);
  if (end === null) return { lines: null, body: text, headerLength: 0 };
  const headerLength = end.index + end[0].length;
  return { lines: text.slice(0, end.index).split(/\r?\n/), body: text.slice(headerLength), headerLength };
}

/** The names of the fields, in lower case. */
export function namesOf({ lines }: CgiAnswer): string[] {
  return (lines ?? []).map(nameIn);
}

/** The values of a field. */
export function fieldsOf({ lines }: CgiAnswer, name: string): string[] {
  return (lines ?? []).filter((line) => nameIn(line) === name).map((line) => line.slice(line.indexOf(":") + 1).trim());
}

function nameIn(line: string): string {
  return line.slice(0, line.indexOf(":")).trim().toLowerCase();
}

/** The status that a web server reads from it (RFC 3875 6.2). */
export function statusOf(answer: CgiAnswer): number {
  const [status] = fieldsOf(answer, "status");
  if (status !== undefined) return Number.parseInt(status, 10);
  return fieldsOf(answer, "location").length > 0 ? 302 : 200;
}
