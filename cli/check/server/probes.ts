// The requests that the command sends through a web server to itself. They use Node's http module, because `fetch`
// joins repeated header fields and hides others.

import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, type RequestOptions, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { ENDLESS } from "./observer.ts";
import { PROBE_FIELDS } from "./rules/fields.ts";
import { PROBE_TYPES } from "./rules/meta_variables.ts";

/** The most milliseconds that one request may take. */
const TIMEOUT = 10_000;
const PARALLEL = 6;

interface Probe {
  readonly method?: string;
  /** The query of the URL. */
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
 * Sends all probes. Resolves with those that were not answered: a web server may refuse one.
 *
 * @throws {Error} If the first is not answered.
 */
export async function sendProbes(url: URL): Promise<string[]> {
  const refused: string[] = [];
  for (const [index, probe] of PROBES.entries()) {
    try {
      await sendProbe(url, probe);
    } catch (error) {
      if (index === 0) throw new Error(`Cannot reach the web server at ${url}: ${(error as Error).message}`);
      refused.push(`${probe.method ?? "GET"} ${probe.query ?? ""}: ${(error as Error).message}`);
    }
  }
  await Promise.allSettled(Array.from({ length: PARALLEL }, () => sendProbe(url, {})));
  await sendAbortedProbe(url);
  return refused;
}

function openRequest(url: URL, { method = "GET", query, headers = [] }: Probe): ClientRequest {
  const target = new URL(url);
  if (query !== undefined) target.search = query;
  const options: RequestOptions = {
    method,
    agent: false,
    signal: AbortSignal.timeout(TIMEOUT),
    // Node sends a list as it is, with repeated names.
    headers: [["Host", target.host], ...headers].flat() as never,
  };
  const request = (url.protocol === "https:" ? requestHttps : requestHttp)(target, options);
  // The wait for the response rejects with the same error.
  request.on("error", () => {});
  return request;
}

async function sendProbe(url: URL, probe: Probe): Promise<void> {
  const request = openRequest(url, probe);
  request.end(probe.body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.resume();
  await once(response, "end");
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
}

/** Closes the connection in the middle of a response. */
async function sendAbortedProbe(url: URL): Promise<void> {
  const request = openRequest(url, { query: ENDLESS });
  request.end();
  try {
    const [response] = (await once(request, "response")) as [IncomingMessage];
    await once(response, "data");
  } catch {
    // A web server that collects responses sends nothing before the end.
  }
  request.destroy();
}
