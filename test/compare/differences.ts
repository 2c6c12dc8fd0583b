// What is compared, and which differences are meant.

import type { HttpMessage } from "../support/http_message.ts";
import type { ComparedRequest } from "./requests.ts";

/** A request, and both answers. */
export interface Exchange {
  readonly request: ComparedRequest;
  readonly nginx: HttpMessage;
  readonly gateway: HttpMessage;
}

/** The fields that are compared. */
const FIELDS = ["content-type", "location", "content-range", "set-cookie", "x-own"];

/** What is said of a difference; null if there is none. */
export function differenceOf({ nginx, gateway }: Exchange): string | null {
  const [ours, theirs] = [partsOf(gateway), partsOf(nginx)];
  const names = Object.keys(ours).filter((name) => ours[name] !== theirs[name]);
  return names.length === 0
    ? null
    : names
        .map((name) => `${name}: ${JSON.stringify(theirs[name])} of nginx, ${JSON.stringify(ours[name])}`)
        .join("\n    ");
}

function partsOf({ status, headers, body }: HttpMessage): Record<string, unknown> {
  const fields = FIELDS.map((name) => [
    name,
    headers
      .filter(([key]) => key.toLowerCase() === name)
      .map(([, value]) => plainField(name, value))
      .join(", "),
  ]);
  return { status, ...Object.fromEntries(fields), body };
}

/** A field without what no client minds: the letters' case of a charset, the origin of a redirect. */
function plainField(name: string, value: string): string {
  if (name === "content-type") return value.toLowerCase().replace(/; ?charset=utf-8$/, "");
  return name === "location" ? value.replace(/^http:\/\/[^/]+/, "") : value;
}

/** A difference that is meant, or that no client minds. */
export interface Explanation {
  readonly text: string;
  holds(exchange: Exchange): boolean;
}

/** Whether the answer is that of the front controller. */
function isFrontController({ status, body }: HttpMessage, { line }: ComparedRequest): boolean {
  return status === 200 && (line.startsWith("HEAD ") || body.startsWith('SCRIPT_NAME="/index.php"'));
}

/** The target of a request, without its query. */
function pathOf({ line }: ComparedRequest): string {
  return line.split(" ")[1]!.split("?")[0]!;
}

function isOneOf(...statuses: number[]): (message: HttpMessage) => boolean {
  return ({ status }) => statuses.includes(status);
}

const isRefusal = isOneOf(400, 403, 404, 405);

/** In the order in which they are tried. */
export const EXPLANATIONS: readonly Explanation[] = [
  {
    text: "The page of an error or a redirect has other words",
    holds: ({ nginx, gateway }) => nginx.status === gateway.status && nginx.status >= 300,
  },
  {
    text: "A folder without its slash is redirected by 308 instead of 301: a POST stays a POST",
    holds: ({ nginx, gateway }) => nginx.status === 301 && gateway.status === 308,
  },
  {
    text: "The type of .js is text/javascript (RFC 9239); older lists of types have application/javascript",
    holds: ({ request }) => pathOf(request) === "/script.js",
  },
  {
    text: "A path that leads to no script and no file is the front controller's, also if it ends with .php, names a folder without an index, or is refused as a file; nginx answers 403 or 404",
    holds: ({ request, nginx, gateway }) => isOneOf(301, 403, 404)(nginx) && isFrontController(gateway, request),
  },
  {
    text: "Sources, configuration and backups are not sent; nginx sends all that no rule of its configuration names",
    holds: ({ request, gateway }) =>
      /^\/(config\.inc|composer\.json|backup\.sql|config\.php~|template\.twig)$/.test(pathOf(request)) &&
      isFrontController(gateway, request),
  },
  {
    text: "A path with an empty part, such as //style.css, names no file; nginx joins slashes",
    holds: ({ request }) => pathOf(request).includes("//"),
  },
  {
    text: "An encoded slash, a control byte or an encoded .. in a path is refused, or is the front controller's; nginx decodes it and looks for a file",
    holds: ({ request, gateway }) =>
      /%2f|%0a|%00/i.test(request.line) && (isRefusal(gateway) || isFrontController(gateway, request)),
  },
  {
    text: "A .. that leads above the root is left out, as the URL standard says; nginx answers 400",
    holds: ({ request, nginx, gateway }) =>
      /%2e%2e/i.test(request.line) && nginx.status === 400 && gateway.status === 200,
  },
  {
    text: "A file is asked for by GET and HEAD only: other methods are the front controller's; nginx answers 405",
    holds: ({ request, nginx, gateway }) =>
      !/^(GET|HEAD) /.test(request.line) && nginx.status === 405 && gateway.status === 200,
  },
  {
    text: "An empty query, as in /?, is left out of REQUEST_URI",
    holds: ({ request }) => request.line.endsWith("?"),
  },
  {
    text: "CONTENT_LENGTH is 0 and not empty, for a request without a body whose method can have one",
    holds: ({ nginx, gateway }) =>
      nginx.body.replace('CONTENT_LENGTH=""', 'CONTENT_LENGTH="0"') === gateway.body && nginx.status === gateway.status,
  },
  {
    text: "A field that comes twice is joined (RFC 9110 5.3); nginx 1.22 sends both, and PHP takes the last",
    holds: ({ request }) => request.lines === "X-A: 1\r\nX-A: 2\r\n",
  },
  {
    text: "Several ranges are answered with the whole file (RFC 9110 14.2)",
    holds: ({ request, gateway }) => request.lines.includes(",3-4") && gateway.status === 200,
  },
  {
    text: "If-Modified-Since holds from the file's time on (RFC 9110 13.1.3); nginx compares for equality, unless `if_modified_since before` is set",
    holds: ({ request, gateway }) => request.lines.startsWith("If-Modified-Since") && gateway.status === 304,
  },
];
