// HTTP responses as they are compared: without what each server writes for itself.

import { reasonPhrase } from "../../src/cgi/reason_phrase.ts";
import type { HttpMessage } from "./http_message.ts";

/** A response, without what each server writes for itself. */
export interface Answer {
  readonly status: number;
  readonly reason: string;
  /** Sorted by name; those of one name are in the order sent. */
  readonly headers: readonly string[];
  readonly body: string;
  readonly isWhole: boolean;
}

/** About the connection, or the server itself. */
const OF_THE_SERVER = new Set(["date", "server", "connection", "keep-alive", "transfer-encoding"]);

/** What is compared of a response. */
export function answerOf({ status, reason, headers, body, isWhole }: HttpMessage): Answer {
  const lines = headers
    .map(([name, value]) => `${name.toLowerCase()}: ${value}`)
    .filter((line) => !OF_THE_SERVER.has(nameOf(line)))
    // It says what the body says, and whether it stands there is the server's choice, which may also send chunks.
    .filter((line) => line !== `content-length: ${body.length}`)
    .sort(byName);
  return { status, reason, headers: lines, body, isWhole };
}

/** Sorts header lines by their name only. */
export function byName(a: string, b: string): number {
  return nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0;
}

function nameOf(line: string): string {
  return line.split(":", 1)[0]!;
}

/** srvx sends no reason phrase unless the app gives one. We do, as node:http and every web server do. */
export function withReason(answer: Answer): Answer {
  return { ...answer, reason: answer.reason || reasonPhrase(answer.status) };
}
