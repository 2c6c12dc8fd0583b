// The battery: what must work behind every web server. A case gives an outcome, which is compared with what is expected, or with
// what the tables of limits say of a web server.

import { type HttpRequestOptions, httpRequest } from "../../support/http.ts";
import { exchangeHttp, type HttpMessage } from "../../support/http_message.ts";
import type { Echo } from "../../support/web_servers/application.ts";
import type { World } from "../../support/web_servers/setup.ts";

/** A row of the matrix. */
export interface Case {
  /** What it shows, as the name of a test. */
  readonly name: string;
  readonly expected: unknown;
  /** @param patience Milliseconds after which what should have happened counts as never. */
  run(world: World, patience: number): Promise<unknown>;
}

/** Where a web server stops short: what comes out instead, and why. */
export interface Limit {
  readonly outcome: unknown;
  /** Whether it happens sometimes only. */
  readonly sometimes?: boolean;
  readonly reason: string;
  /** Where the web server documents it, or how it was found. */
  readonly reference: string;
}

/** What was found with the versions that `measured` names, and is nowhere written. */
export const observed = "observed";

/** What the application saw of a request. */
export async function echo(world: World, path: string, options?: HttpRequestOptions): Promise<Echo> {
  const response = await httpRequest(world.url + path, options);
  if (response.status !== 200) throw new Refused(response.status);
  return JSON.parse(response.text());
}

/** Sends a request byte by byte as it stands here. */
export function rawRequest(world: World, start: string, lines = "", body = ""): Promise<HttpMessage> {
  return exchangeHttp(world.port, start, `Host: example.test\r\n${lines}`, body);
}

/** What the application saw of a request that is sent as it stands here. */
export async function rawEcho(world: World, target: string, lines = ""): Promise<Echo> {
  const { status, body } = await rawRequest(world, `GET ${target}`, lines);
  if (status !== 200) throw new Refused(status);
  return JSON.parse(Buffer.from(body, "latin1").toString("utf8"));
}

/** The web server, or the application, answered with something else than 200. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`Refused with status ${status}`);
    this.status = status;
  }
}

/** The outcome, or "refused: 400". */
export async function orRefused<Outcome>(action: () => Promise<Outcome>): Promise<Outcome | string> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof Refused) return `refused: ${error.status}`;
    throw error;
  }
}

/** What the promise resolves to, or "never". */
export async function within<Value>(promise: Promise<Value>, patience: number): Promise<Value | "never"> {
  let timer: NodeJS.Timeout | undefined;
  const never = new Promise<"never">((resolve) => {
    timer = setTimeout(() => resolve("never"), patience);
  });
  try {
    return await Promise.race([promise, never]);
  } finally {
    clearTimeout(timer);
  }
}
