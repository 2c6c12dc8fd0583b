import { type NameValuePair, utf8ToByteString } from "../src/toolkit.ts";
import { UsageError } from "./frame/command.ts";

/** @throws {UsageError} If it is no path, which every page has. */
export function checkPage(option: string, uri: string | undefined): void {
  if (uri !== undefined && !uri.startsWith("/"))
    throw new UsageError(`Cannot use ${option}: expected a path such as /ping, got "${uri}"`);
}

/** The variables of a GET for a page, such as `/page?query`, by which `ping` and `check application` ask. */
export function pageParams(uri: string, software: string): NameValuePair[] {
  const mark = uri.indexOf("?");
  const end = mark < 0 ? uri.length : mark;
  return [
    ["GATEWAY_INTERFACE", "CGI/1.1"],
    ["SERVER_SOFTWARE", software],
    ["SERVER_PROTOCOL", "HTTP/1.1"],
    ["SERVER_NAME", "localhost"],
    ["SERVER_PORT", "80"],
    ["REMOTE_ADDR", "127.0.0.1"],
    ["REQUEST_METHOD", "GET"],
    ["REQUEST_URI", escaped(uri)],
    ["SCRIPT_NAME", utf8ToByteString(uri.slice(0, end))],
    ["QUERY_STRING", escaped(uri.slice(end + 1))],
    ["CONTENT_LENGTH", ""],
    ["HTTP_HOST", "localhost"],
    ["REDIRECT_STATUS", "200"], // php-cgi runs nothing without it
  ];
}

/** A part of a URL as a browser sends it: what is not visible ASCII is UTF-8 in percent signs. */
function escaped(text: string): string {
  return text.replaceAll(/[^!-~]+/g, encodeURIComponent);
}
