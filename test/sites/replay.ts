// The requests that a browser has sent, sent again to two servers, and what differs in their answers.

import type { Page, Request } from "playwright-core";
import { exchangeHttp, type HttpMessage } from "../support/http_message.ts";

/** A request of the browser. Those that change something are not sent again. */
export interface RecordedRequest {
  /** The method and the target. */
  readonly line: string;
  /** Its fields, without those of the connection. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** Fields of a request that are another server's, or that change the answer's bytes and not what it says. */
const NOT_SENT: ReadonlySet<string> = new Set([
  "host",
  "connection",
  "accept-encoding",
  "if-none-match",
  "if-modified-since",
]);

/** Records the GET and HEAD requests of a page to its site. */
export function recordRequests(page: Page, url: string): { all(): Promise<RecordedRequest[]> } {
  const requests: Request[] = [];
  page.on("request", (request) => {
    if (request.url().startsWith(url) && /^(GET|HEAD)$/.test(request.method())) requests.push(request);
  });
  return {
    async all() {
      const recorded = await Promise.all(
        requests.map(async (request): Promise<RecordedRequest> => {
          const { pathname, search } = new URL(request.url());
          const fields = Object.entries(await request.allHeaders().catch(() => request.headers()));
          return {
            line: `${request.method()} ${pathname}${search}`,
            fields: fields.filter(([name]) => !name.startsWith(":") && !NOT_SENT.has(name)),
          };
        }),
      );
      // The same page at different times is the same request now.
      const byLine = new Map(recorded.map((request) => [request.line, request]));
      return [...byLine.values()];
    },
  };
}

/** Sends a request. `host` is that of the site in both cases, because programs write it into their pages. */
export function ask(port: number, host: string, { line, fields }: RecordedRequest): Promise<HttpMessage> {
  const lines = [["host", host], ...fields].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return exchangeHttp(port, line, lines);
}

/** Fields that say something of the connection, of the server, or of the moment. */
const NOT_COMPARED: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "server",
  "transfer-encoding",
]);

/** What is compared of an answer: its status, its fields in any order, its body. `changing` is what differs each time. */
export function partsOf({ status, headers, body }: HttpMessage, changing: readonly RegExp[]): Map<string, string> {
  const masked = (text: string): string =>
    changing.reduce((left, pattern) => left.replaceAll(pattern, "(changing)"), text);
  const parts = new Map([["status", String(status)]]);
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    if (NOT_COMPARED.has(key)) continue;
    const before = parts.get(key);
    parts.set(key, masked(before === undefined ? value : `${before}, ${value}`));
  }
  return parts.set("body", masked(body));
}

/** The names of the parts that differ. */
export function differencesOf(nginx: ReadonlyMap<string, string>, gateway: ReadonlyMap<string, string>): string[] {
  const names = new Set([...nginx.keys(), ...gateway.keys()]);
  return [...names].filter((name) => nginx.get(name) !== gateway.get(name));
}

/** Where two texts begin to differ. */
export function firstDifference(a: string, b: string): string {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const around = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 60), at + 100));
  return `${around(a)} of nginx, ${around(b)} of the gateway`;
}
