// A line for each request, written when its response has been sent, or could not be sent to its end.

import { STATUS_CODES } from "node:http";
import { printable } from "../../adapters/shared/print.ts";
import { safeJson } from "../frame/style.ts";
import { type ServerRequest, targetOf, type UnreadTimer, unreadTimer } from "./http.ts";
import { sentBody } from "./sent_body.ts";

/** What the access log says about a request. */
export interface AccessEntry {
  readonly time: Date;
  readonly remote: string;
  readonly method: string;
  /** The path and the query. */
  readonly target: string;
  readonly protocol: string;
  readonly status: number;
  /** Bytes of the body that were sent. */
  readonly bytes: number;
  readonly milliseconds: number;
  readonly referer: string | null;
  readonly userAgent: string | null;
  /** Whether the client left, or the application broke off, before the response had ended. */
  readonly isCut: boolean;
}

/** As nginx, for a client that has left before there was an answer. */
export const CLIENT_LEFT = 499;

/** The most characters of a field of a line. */
const MAX_FIELD = 2048;

/** What is told about requests. */
export interface AccessEvents {
  /** Called when a request begins. Its result is called when it has ended. */
  onBegin(): () => void;
  onEnd(entry: AccessEntry): void;
  /** Called if a response that has begun breaks off by itself, or because its client reads nothing, and not because that has left. */
  onBroken(request: ServerRequest, reason: unknown): void;
}

/**
 * Makes a handler that tells about every request, and passes the response on.
 *
 * @param handler Never rejects.
 * @param timeout Milliseconds that a client may read nothing of a response.
 */
export function withAccessLog(
  handler: (request: ServerRequest) => Promise<Response>,
  timeout: number,
  { onBegin, onEnd, onBroken }: AccessEvents,
): (request: ServerRequest) => Promise<Response> {
  return async (request) => {
    const [time, started, ended] = [new Date(), performance.now(), onBegin()];
    // Runtimes forget it when the client leaves, or the response has been sent.
    const remote = request.ip ?? "-";
    const { signal } = request;
    const response = await handler(request);
    const end = (bytes: number, isCut: boolean): void => {
      ended();
      onEnd({
        time,
        remote,
        method: request.method,
        target: targetOf(request.url),
        protocol: `HTTP/${request.runtime?.node?.req.httpVersion ?? "1.1"}`,
        status: response.status,
        bytes,
        milliseconds: Math.round((performance.now() - started) * 10) / 10,
        referer: request.headers.get("referer"),
        userAgent: request.headers.get("user-agent"),
        isCut,
      });
    };
    const timer = (onUnread: () => void): UnreadTimer => unreadTimer(request, timeout, onUnread);
    const { body, status, headers } = response;
    // An empty one would be an empty reason in the status line.
    const statusText = response.statusText || (STATUS_CODES[status] ?? "");
    if (body === null || request.method === "HEAD") {
      end(0, false);
      return new Response(body, { status, statusText, headers });
    }
    if (signal.aborted) {
      void body.cancel(signal.reason).catch(() => {});
      end(0, true);
      return new Response(null, { status, statusText, headers });
    }
    // A client that has all bytes may leave before the body has ended.
    const length = Number(headers.get("content-length") ?? Number.NaN);
    const sent = sentBody(body, {
      signal,
      timer,
      onEnd: (bytes, hasEnded) => end(bytes, !hasEnded && bytes !== length),
      onBroken: (reason) => onBroken(request, reason),
    });
    return new Response(sent, { status, statusText, headers });
  };
}

/** A line of the Common Log Format, as Apache and nginx write it. */
export function commonLogLine({ time, remote, method, target, protocol, status, bytes }: AccessEntry): string {
  const request = `${field(method)} ${field(target)} ${protocol}`;
  return `${remote} - - [${logTime(time)}] "${request}" ${status} ${bytes === 0 ? "-" : bytes}`;
}

/** A line of JSON. */
export function jsonLogLine({ time, milliseconds, isCut, ...rest }: AccessEntry): string {
  return safeJson({ time: time.toISOString(), ...rest, milliseconds, cut: isCut });
}

/** A part of the line that the client has chosen. */
function field(text: string): string {
  return printable(text, MAX_FIELD).replace(/["\\]/g, (character) => `\\${character}`);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Such as `27/Nov/2026:23:49:58 +0000`. */
function logTime(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const date = `${two(time.getUTCDate())}/${MONTHS[time.getUTCMonth()]}/${time.getUTCFullYear()}`;
  return `${date}:${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())} +0000`;
}
