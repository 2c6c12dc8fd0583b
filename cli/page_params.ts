import type { NameValuePair } from "../src/toolkit.ts";

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
    ["REQUEST_URI", uri],
    ["SCRIPT_NAME", uri.slice(0, end)],
    ["QUERY_STRING", uri.slice(end + 1)],
    ["CONTENT_LENGTH", ""],
    ["HTTP_HOST", "localhost"],
    ["REDIRECT_STATUS", "200"], // php-cgi runs nothing without it
  ];
}
