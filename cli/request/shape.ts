// The variables of a request, as nginx would send them.

import { Role, requestToParams } from "../../src/toolkit.ts";
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
  const params = requestToParams(readRequest(url, method, headers), {
    remoteAddress: "127.0.0.1",
    contentLength: body === null ? null : body.length,
    ...(script !== undefined && { script: { filename: script } }),
  });
  if (filterFile !== null) {
    params.set("FCGI_DATA_LENGTH", String(filterFile.length));
    params.set("FCGI_DATA_LAST_MOD", "0");
  }
  for (const text of options.param) params.set(...readParam("--param", text));
  return { role: ROLES[options.role], params };
}

function readUrl(target: string): URL {
  const text = target.startsWith("/") ? `http://localhost${target}` : target;
  if (URL.canParse(text) && /^https?:/.test(text)) return new URL(text);
  throw new UsageError(`Cannot send the request: expected a path or a URL, got "${target}"`);
}

function readRequest(url: URL, method: string, headers: Headers): Request {
  try {
    return new Request(url, { method, headers });
  } catch (error) {
    throw new UsageError(
      `Cannot use --method ${method}: ${(error as Error).message}; --param REQUEST_METHOD=… takes any`,
    );
  }
}

function readHeaders(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    try {
      if (colon < 1) throw new TypeError("no name");
      headers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
    } catch {
      throw new UsageError(`Cannot use --header: expected "NAME: VALUE", got "${line}"`);
    }
  }
  return headers;
}
