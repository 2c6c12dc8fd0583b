// The variables of a request, as nginx would send them.

import {
  FastCgiError,
  isToken,
  type RequestToParamsOptions,
  Role,
  requestToParams,
  utf8ToByteString,
} from "../../src/toolkit.ts";
import { type OptionValues, UsageError } from "../frame/command.ts";
import { readParam } from "../param.ts";
import type { RequestBody } from "./body.ts";
import type { requestOptions } from "./options.ts";

const ROLES = { responder: Role.Responder, authorizer: Role.Authorizer, filter: Role.Filter } as const;

/** What is sent, apart from the bodies. */
export interface RequestShape {
  readonly role: Role;
  readonly params: ReadonlyMap<string, string>;
}

/** @throws {UsageError} If an option has a value that it can't have. */
export function shapeOf(
  target: string,
  options: OptionValues<typeof requestOptions>,
  body: RequestBody | null,
  filterFile: RequestBody | null,
): RequestShape {
  const { method = body === null ? "GET" : "POST", script } = options;
  const url = readUrl(target);
  const headers = readHeaders(options.header);
  if (body !== null && !headers.has("content-type")) headers.set("content-type", body.contentType);
  const params = readParams(new Request(url, { headers }), {
    remoteAddress: "127.0.0.1",
    contentLength: body === null ? null : body.length,
    ...(script !== undefined && { script: { filename: script } }),
  });
  // Not by the Request: it has fewer methods than applications know, and on Bun it takes another one for GET.
  params.set("REQUEST_METHOD", readMethod(method));
  if (filterFile !== null) {
    params.set("FCGI_DATA_LENGTH", String(filterFile.length));
    params.set("FCGI_DATA_LAST_MOD", "0");
  }
  for (const text of options.param) params.set(...readParam("--param", text));
  return { role: ROLES[options.role], params };
}

function readUrl(target: string): URL {
  const text = target.startsWith("/") ? `http://localhost${target}` : target;
  if (!URL.canParse(text) || !/^https?:/i.test(text))
    throw new UsageError(`Cannot send the request: expected a path or a URL of http or https, got "${target}"`);
  const url = new URL(text);
  if (url.username !== "" || url.password !== "")
    throw new UsageError(
      `Cannot send the request: expected a URL without a user, got "${target}"; --header "Authorization: …" says who asks`,
    );
  return url;
}

function readParams(request: Request, options: RequestToParamsOptions): Map<string, string> {
  try {
    return requestToParams(request, options);
  } catch (error) {
    // A path that no web server would pass on.
    if (error instanceof FastCgiError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** The methods that are often written in small letters (Fetch 2.2.1). */
const METHODS: readonly string[] = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];

function readMethod(text: string): string {
  if (!isToken(text)) throw new UsageError(`Cannot use --method: expected a name such as GET, got "${text}"`);
  const upper = text.toUpperCase();
  return METHODS.includes(upper) ? upper : text;
}

function readHeaders(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    try {
      if (colon < 1) throw new TypeError("no name");
      headers.append(line.slice(0, colon).trim(), utf8ToByteString(line.slice(colon + 1).trim()));
    } catch {
      throw new UsageError(`Cannot use --header: expected "NAME: VALUE", got "${line}"`);
    }
  }
  return headers;
}
