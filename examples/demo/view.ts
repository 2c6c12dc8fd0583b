// What the HTML and the plain text version share.

import { byteStringToUtf8, type FastCgiParams } from "fetchcgi/node";
import type { Html } from "./html.ts";
import type { Exchange } from "./tap.ts";

/** What the page shows. */
export interface View {
  request: Request;
  params: FastCgiParams;
  /** What is known of the records so far: all of the request, nothing of the response. */
  exchange: Exchange | undefined;
}

/** Answers in HTML where the client asks for it, as browsers do, and in plain text where it does not, as curl. */
export function negotiate(request: Request, versions: { html: () => Html; text: () => string }): Response {
  const wantsHtml = request.headers.get("accept")?.includes("text/html") ?? false;
  const body = wantsHtml ? versions.html().markup : versions.text();
  return new Response(body, {
    headers: {
      "content-type": `text/${wantsHtml ? "html" : "plain"}; charset=utf-8`,
      "cache-control": "no-store",
      vary: "accept",
    },
  });
}

/** Params are byte strings; people read text. */
export function paramRows(params: FastCgiParams): [name: string, value: string][] {
  return [...params].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, byteStringToUtf8(value)]);
}
