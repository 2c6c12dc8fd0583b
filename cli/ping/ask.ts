// Asks an application for a page, and tells its state from the answer or from what went wrong.

import { statSync } from "node:fs";
import { listedKinds } from "../../adapters/system/listed_sockets.ts";
import { type Connector, FastCgiError, type NameValuePair, utf8ToByteString } from "../../src/toolkit.ts";
import { isLocal, pathIn } from "../address.ts";
import { readCgiAnswer, statusOf } from "../cgi_answer.ts";
import { UsageError } from "../frame/command.ts";
import { endingWith } from "../frame/signal.ts";
import { pageParams } from "../page_params.ts";
import { exchange } from "./exchange.ts";
import type { PingResult, PoolNumbers } from "./state.ts";

/** What to ask, and what to expect. */
export interface PingOptions {
  readonly address: string;
  readonly connector: Connector;
  readonly uri: string;
  readonly isStatusPage: boolean;
  readonly maxQueue: number;
  readonly expect: string | undefined;
  readonly script: string | undefined;
  readonly params: readonly NameValuePair[];
  readonly timeout: number;
  /** Ends the ping, with its reason as the error. */
  readonly signal: AbortSignal;
}

/** The most bytes of a page that are read. A status page has 1 kB. */
const MAX_PAGE = 256 * 1024;

/** Asks once. */
export async function ping(options: PingOptions): Promise<PingResult> {
  const { connector, timeout } = options;
  let [isConnected, isLate] = [false, false];
  const onConnect = (): void => {
    isConnected = true;
  };
  const { signal, end } = endingWith(options.signal);
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, timeout);
  try {
    return judge(await exchange(connector, paramsOf(options), { maxBytes: MAX_PAGE, signal, onConnect }), options);
  } catch (error) {
    options.signal.throwIfAborted();
    if (isLate) return lateResult(options, isConnected);
    if (!(error instanceof FastCgiError)) throw error;
    return resultOf(error, options);
  } finally {
    clearTimeout(timer);
  }
}

function paramsOf({ uri, isStatusPage, script, params }: PingOptions): NameValuePair[] {
  const all = new Map(pageParams(uri, "fetchcgi-ping"));
  // php-fpm compares SCRIPT_NAME with its own pages, but only if there is a SCRIPT_FILENAME.
  all.set("SCRIPT_FILENAME", script === undefined ? all.get("SCRIPT_NAME")! : utf8ToByteString(script));
  if (isStatusPage) all.set("QUERY_STRING", "json");
  for (const [name, value] of params) all.set(name, value);
  // php-fpm would wait for the body, and keep a worker.
  const length = all.get("CONTENT_LENGTH");
  if (length !== "" && length !== "0")
    throw new UsageError(`Cannot use --param: a ping has no body, and CONTENT_LENGTH is ${length}`);
  return [...all];
}

function judge(stdout: Uint8Array, { uri, isStatusPage, maxQueue, expect }: PingOptions): PingResult {
  const answer = readCgiAnswer(stdout);
  if (answer.lines === null)
    return { state: "wrong", message: "it ended the request without a CGI header; its log may say why" };
  const status = statusOf(answer);
  if (status === 503) return { state: "saturated", status, message: "it answers with status 503" };
  if (!(status < 500))
    return { state: "wrong", status, message: `it answers with status ${status}; its log may say why` };
  const isGood = status >= 200 && status < 300;
  if (isStatusPage) {
    const pool = isGood ? numbersIn(answer.body) : null;
    if (pool === null) {
      const message = `${uri} is not php-fpm's status page (status ${status}); is it pm.status_path?`;
      return { state: "wrong", status, message };
    }
    const queue = pool["listen queue"] ?? 0;
    const message = `${queue} waiting, ${pool["active processes"] ?? "?"} of ${pool["total processes"] ?? "?"} workers busy`;
    return { state: queue > maxQueue ? "saturated" : "up", status, pool, message };
  }
  if (expect !== undefined && !(isGood && answer.body.includes(utf8ToByteString(expect)))) {
    const message = isGood ? `${uri} does not hold "${expect}"` : `expected "${expect}" with status 2xx, got ${status}`;
    return { state: "wrong", status, message: `${message}; is ${uri} the right page?` };
  }
  return { state: "up", status, message: `answers with status ${status}` };
}

/** The numbers on php-fpm's status page; null if it is another page. */
function numbersIn(body: string): PoolNumbers | null {
  try {
    const page: unknown = JSON.parse(body);
    if (typeof page !== "object" || page === null || !("listen queue" in page)) return null;
    const isNumber = (entry: [string, unknown]): entry is [string, number] => typeof entry[1] === "number";
    return Object.fromEntries(Object.entries(page).filter(isNumber));
  } catch {
    return null;
  }
}

/** What it says about an application that there was no answer in time. */
function lateResult({ address, timeout }: PingOptions, isConnected: boolean): PingResult {
  if (isConnected) {
    const message = `takes connections, but did not answer within ${timeout} ms; all workers are busy, or the application hangs`;
    return { state: "saturated", message };
  }
  return isLocal(address)
    ? { state: "saturated", message: `took no connection within ${timeout} ms; the backlog is full` }
    : { state: "down", message: `took no connection within ${timeout} ms; the host is away, or a firewall is between` };
}

/** What an error says about an application. */
function resultOf(error: FastCgiError, { address }: PingOptions): PingResult {
  const { code, message } = error;
  if (code === "connectFailed") return { state: stateOfConnect(error, address), message: withoutStart(message) };
  if (code === "overloaded") return { state: "saturated", message: withoutStart(message) };
  if (code === "protocol") {
    // "H" of a status line, or "<" of a page: nginx answers what it can't read without a header.
    const isHttp = /got (?:72|60)\b/.test(message);
    return {
      state: "wrong",
      message: `speaks ${isHttp ? "HTTP" : "another protocol"}, not FastCGI; is this the right address?`,
    };
  }
  if (code === "connectionClosed") {
    const message =
      "closes the connection without an answer; it crashed, or is no FastCGI, or does not let this host in (listen.allowed_clients)";
    return { state: "wrong", message };
  }
  return { state: "wrong", message: withoutStart(message) };
}

/** Codes that say that no application can be reached at an address, whether it runs or not. */
const IS_WRONG: ReadonlySet<string> = new Set(["EACCES", "EPERM", "ENOTSOCK", "EPROTOTYPE"]);

function stateOfConnect({ cause }: FastCgiError, address: string): "down" | "saturated" | "wrong" {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  const path = pathIn(address);
  if (code === "EAGAIN") return "saturated";
  if (IS_WRONG.has(code)) return "wrong";
  if (code === "ECONNREFUSED" && path !== undefined) {
    // Bun says the same of a full backlog; Linux lists the socket then.
    if (listedKinds(path).has("listens")) return "saturated";
    if (!isSocket(path)) return "wrong";
  }
  return "down";
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    // Nothing is there.
    return true;
  }
}

/** A message of the library, without the address: the line begins with it already. */
function withoutStart(message: string): string {
  return message.replace(/^Cannot connect to .*?: /, "");
}
