// The requests that the table of specifications/params.md is made of.

import { once } from "node:events";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

/** One request, and the set-up of the web server that gets it. */
export interface ParamsRequest {
  /** The headline of its table. */
  readonly title: string;
  readonly setup: "site" | "prefix" | "https";
  readonly method?: string;
  readonly target: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
}

const text = ["Content-Type", "text/plain"] as const;

/** The first is shown whole, the others where they differ from it. */
export const paramsRequests: readonly ParamsRequest[] = [
  { title: "GET", setup: "site", target: "/page?x=1&y=%20" },
  { title: "GET below a prefix", setup: "prefix", target: "/app/item?x=1&y=%20" },
  { title: "GET without a query, encoded path", setup: "site", target: "/a%20b%2Fc" },
  {
    title: "POST of 5 bytes",
    setup: "site",
    method: "POST",
    target: "/page?x=1&y=%20",
    headers: [text, ["Content-Length", "5"]],
    body: "hello",
  },
  {
    title: "POST of 5 bytes, chunked",
    setup: "site",
    method: "POST",
    target: "/page?x=1&y=%20",
    headers: [text, ["Transfer-Encoding", "chunked"]],
    body: "hello",
  },
  {
    title: "GET with repeated, empty and doubtful fields",
    setup: "site",
    target: "/page?x=1&y=%20",
    headers: [
      ["X-Twice", "one"],
      ["X-Twice", "two"],
      ["Cookie", "a=1"],
      ["Cookie", "b=2"],
      ["X-Empty", ""],
      ["X_Under", "1"],
      ["X.Dot", "1"],
      ["Proxy", "http://proxy.test/"],
      ["TE", "trailers"],
    ],
  },
  {
    title: "GET with Authorization",
    setup: "site",
    target: "/page?x=1&y=%20",
    headers: [["Authorization", "Basic dXNlcjpwYXNzd29yZA=="]],
  },
  { title: "GET over HTTPS", setup: "https", target: "/page?x=1&y=%20" },
];

/** Sends one to a port of 127.0.0.1 and resolves to the body of the answer. */
export async function sendParamsRequest(port: number, request: ParamsRequest): Promise<string> {
  const { setup, method = "GET", target, headers = [], body } = request;
  const send = setup === "https" ? requestHttps : requestHttp;
  const outgoing = send({
    host: "127.0.0.1",
    port,
    method,
    path: target,
    agent: false,
    rejectUnauthorized: false,
    // A list is sent as it is, repeated names and all.
    headers: [
      ["Host", `www.example.test:${port}`],
      ["Accept", "*/*"],
      ["Connection", "close"],
      ...headers,
    ].flat() as never,
  });
  outgoing.end(body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  response.setEncoding("latin1");
  let page = "";
  for await (const piece of response) page += piece;
  if (response.statusCode !== 200) throw new Error(`Cannot record "${request.title}": status ${response.statusCode}`);
  return page;
}
