// The requests that the command sends through a web server to itself. Over Node's http: a fetch joins fields and hides others.

import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, type RequestOptions, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { ENDLESS } from "./observer.ts";
import { PROBE_FIELDS } from "./rules/fields.ts";
import { PROBE_TYPES } from "./rules/meta_variables.ts";

/** Milliseconds that one request may take. */
const TIMEOUT = 10_000;
const PARALLEL = 6;

interface Probe {
  readonly method?: string;
  /** Behind the path of the URL. */
  readonly query?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array;
}

const body = (length: number): Uint8Array => new Uint8Array(length).fill(120);
const posted = (kind: string, length: string | null): Probe["headers"] => [
  ["Content-Type", PROBE_TYPES[kind] ?? "application/octet-stream"],
  ["X-Fetchcgi-Probe", kind],
  length === null ? ["Transfer-Encoding", "chunked"] : ["Content-Length", length],
];

const PROBES: readonly Probe[] = [
  {},
  { query: "a=1&b=%2F" },
  { method: "HEAD" },
  { headers: PROBE_FIELDS },
  { method: "POST", body: body(1000), headers: posted("post", "1000")! },
  { method: "PUT", body: body(200_000), headers: posted("post", "200000")! },
  { method: "POST", body: body(0), headers: [["Content-Length", "0"]] },
  { method: "POST", body: body(1000), headers: posted("chunked", null)! },
];

/**
 * Sends all of them. Resolves to what went wrong: a web server may refuse one.
 *
 * @throws {Error} If nobody answers the first.
 */
export async function sendProbes(url: URL): Promise<string[]> {
  const refused: string[] = [];
  for (const [index, probe] of PROBES.entries()) {
    try {
      await exchange(url, probe);
    } catch (error) {
      if (index === 0) throw new Error(`Cannot reach the web server at ${url}: ${(error as Error).message}`);
      refused.push(`${probe.method ?? "GET"} ${probe.query ?? ""}: ${(error as Error).message}`);
    }
  }
  await Promise.allSettled(Array.from({ length: PARALLEL }, () => exchange(url, {})));
  await abort(url);
  return refused;
}

function open(url: URL, { method = "GET", query, headers = [] }: Probe): ClientRequest {
  const target = new URL(url);
  if (query !== undefined) target.search = query;
  const options: RequestOptions = {
    method,
    agent: false,
    signal: AbortSignal.timeout(TIMEOUT),
    // A list is sent as it is, repeated names and all.
    headers: [["Host", target.host], ...headers].flat() as never,
  };
  const request = (url.protocol === "https:" ? requestHttps : requestHttp)(target, options);
  // Whoever waits for the response hears of it.
  request.on("error", () => {});
  return request;
}

async function exchange(url: URL, probe: Probe): Promise<void> {
  const request = open(url, probe);
  request.end(probe.body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.resume();
  await once(response, "end");
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
}

/** Leaves within a response. */
async function abort(url: URL): Promise<void> {
  const request = open(url, { query: ENDLESS });
  request.end();
  try {
    const [response] = (await once(request, "response")) as [IncomingMessage];
    await once(response, "data");
  } catch {
    // A web server that collects responses sends nothing before the end.
  }
  request.destroy();
}
