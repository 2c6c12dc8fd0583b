// The file of `fetchcgi tap --write`: what crossed the wire with its times, both directions and all connections. Lines of JSON, so that a
// file that was cut off can be read up to there.
//
//   {"fetchcgi":"recording","version":1,"began":"2026-01-31T12:00:00.000Z"}
//   {"time":0.512,"connection":1,"what":"opened","about":"127.0.0.1:50000"}
//   {"time":0.733,"connection":1,"what":"bytes","from":"web server","bytes":"AQEAAQAIAAAAAQAAAAAAAA=="}

import type { Party, TraceEvent } from "./trace.ts";

/** The first line. */
export function recordingHeader(began: Date): string {
  return `${JSON.stringify({ fetchcgi: "recording", version: 1, began: began.toISOString() })}\n`;
}

/** Whether a line begins a recording. */
export function isRecordingHeader(line: unknown): boolean {
  return isObject(line) && line.fetchcgi === "recording";
}

/** The line of an event. */
export function recordingLine(event: TraceEvent): string {
  const bytes = event.what === "bytes" ? { bytes: Buffer.from(event.bytes).toString("base64") } : {};
  return `${JSON.stringify({ ...event, ...bytes })}\n`;
}

/**
 * Reads a line.
 *
 * @throws {Error} If it is none of a recording.
 */
export function readRecordingLine(line: unknown): TraceEvent {
  if (!isObject(line)) throw new Error("expected an object");
  const { time, connection, what, from, bytes, length, reason, about } = line;
  if (typeof time !== "number" || typeof connection !== "number") throw new Error("expected time and connection");
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const party = (): Party => {
    if (from === "web server" || from === "application") return from;
    throw new Error('expected from to be "web server" or "application"');
  };
  const place = { time, connection };
  switch (what) {
    case "opened":
      return { ...place, what, about: text(about) };
    case "bytes":
      if (typeof bytes !== "string") throw new Error("expected bytes in base64");
      return { ...place, what, from: party(), bytes: new Uint8Array(Buffer.from(bytes, "base64")) };
    case "lost":
      return { ...place, what, from: party(), length: Number(length) };
    case "end":
      return { ...place, what, from: party() };
    case "broken":
      return { ...place, what, from: party(), reason: text(reason) };
    case "refused":
      return { ...place, what, reason: text(reason) };
    case "closed":
      return { ...place, what };
    default:
      throw new Error(`expected what to be one of opened, bytes, end and so on, got ${JSON.stringify(what)}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
