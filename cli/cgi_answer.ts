// The output of a Responder, as CGI (RFC 3875 6). Lines stay as they are, because rules are about what is wrong with
// them.

import { decodeByteString } from "../src/toolkit.ts";

/** A header block and what follows it. */
export interface CgiAnswer {
  /** The lines of the header block; null if no empty line ends it. */
  readonly lines: readonly string[] | null;
  /** The values of each field, by its name in lower case. A line without a name and a colon is no field. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  /** The body, as a byte string. */
  readonly body: string;
  /** Bytes of the header block, with its empty line. */
  readonly headerLength: number;
}

export function readCgiAnswer(stdout: Uint8Array): CgiAnswer {
  const text = decodeByteString(stdout);
  const end = /\r?\n\r?\n/.exec(text);
  if (end === null) return { lines: null, fields: new Map(), body: text, headerLength: 0 };
  const headerLength = end.index + end[0].length;
  const lines = text.slice(0, end.index).split(/\r?\n/);
  return { lines, fields: fieldsIn(lines), body: text.slice(headerLength), headerLength };
}

function fieldsIn(lines: readonly string[]): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return fields;
}

/** The status that a web server reads from it (RFC 3875 6.2). NaN if the field has no number. */
export function statusOf({ fields }: CgiAnswer): number {
  const [status] = fields.get("status") ?? [];
  if (status !== undefined) return Number.parseInt(status, 10);
  return fields.has("location") ? 302 : 200;
}
