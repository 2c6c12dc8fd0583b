import { parseArgs } from "node:util";
import { type Connector, utf8ToByteString } from "../adapters/node/index.ts";
import type { ListenTarget } from "../adapters/system/listen.ts";
import type { NameValuePair } from "../src/toolkit.ts";
import { connectorFor, listenTargetFor } from "./address.ts";

/** How a report is printed. */
export interface ReportOptions {
  readonly json: boolean;
  readonly verbose: boolean;
}

export interface ApplicationCommand extends ReportOptions {
  readonly name: "application";
  readonly address: string;
  readonly connector: Connector;
  readonly script: string | undefined;
  readonly uri: string;
  readonly bodyUri: string;
  readonly params: readonly NameValuePair[];
  readonly timeout: number;
}

export interface ServerCommand extends ReportOptions {
  readonly name: "server";
  readonly address: string;
  readonly target: ListenTarget;
  readonly url: URL | undefined;
  readonly requests: number;
}

export type Command = ApplicationCommand | ServerCommand | { readonly name: "help" };

const COMMON = {
  json: { type: "boolean", default: false },
  verbose: { type: "boolean", default: false },
  help: { type: "boolean", default: false, short: "h" },
} as const;

const APPLICATION = {
  ...COMMON,
  script: { type: "string" },
  param: { type: "string", multiple: true, default: [] as string[] },
  uri: { type: "string", default: "/" },
  "body-uri": { type: "string" },
  timeout: { type: "string", default: "3000" },
} as const;

const SERVER = {
  ...COMMON,
  listen: { type: "string" },
  url: { type: "string" },
  requests: { type: "string" },
  mode: { type: "string", default: "660" },
} as const;

/** The help text. */
export const USAGE: string = `Checks which rules of FastCGI 1.0 and CGI/1.1 a program keeps.

fetchcgi check application <address>    talks to an application, such as php-fpm
  --script FILE         SCRIPT_FILENAME: the script that php-fpm is to run
  --param NAME=VALUE    a variable of every request; can be repeated
  --uri PATH            a page that shows its variables, "${APPLICATION.uri.default}" by default
  --body-uri PATH       a page that sends the request's body back, the same by default
  --timeout MS          to wait for each answer, ${APPLICATION.timeout.default} by default

fetchcgi check server --listen <address>    stands as an application behind a web server
  --url URL             sends requests to the web server itself, and ends with the report
  --requests N          ends after so many requests; otherwise Ctrl+C does
  --mode MODE           of a Unix socket, ${SERVER.mode.default} by default

  --json                the report as JSON
  --verbose             what was sent and what came for every rule

<address> is 127.0.0.1:9000, unix:/run/app.sock, or for a server fd:0.
The exit code is 0 if no rule is broken, 1 if one is, 2 if nothing could be checked.
`;

/**
 * Reads the arguments after the program's name.
 *
 * @throws {TypeError} If they are not a command.
 */
export function readArguments(args: readonly string[]): Command {
  const [check, what, ...rest] = args;
  if (check === "check" && what === "application") return readApplication(rest);
  if (check === "check" && what === "server") return readServer(rest);
  if (args.includes("--help") || args.includes("-h") || check === "help") return { name: "help" };
  throw new TypeError(
    "Cannot read the arguments: expected `check application <address>` or `check server --listen <address>`; --help says more",
  );
}

function readApplication(args: string[]): Command {
  const { values, positionals } = parseArgs({ args, options: APPLICATION, allowPositionals: true });
  if (values.help) return { name: "help" };
  const [address, ...more] = positionals;
  if (address === undefined || more.length > 0)
    throw new TypeError(`Cannot read the arguments: expected one address, got ${positionals.length}`);
  const { script, uri, json, verbose } = values;
  return {
    name: "application",
    address,
    connector: connectorFor(address),
    script,
    uri,
    bodyUri: values["body-uri"] ?? uri,
    params: values.param.map(readParam),
    timeout: readNumber("--timeout", values.timeout),
    json,
    verbose,
  };
}

function readServer(args: string[]): Command {
  const { values } = parseArgs({ args, options: SERVER });
  if (values.help) return { name: "help" };
  const { listen, url, requests, json, verbose } = values;
  if (listen === undefined) throw new TypeError("Cannot read the arguments: expected --listen <address>, got none");
  if (!/^[0-7]{3}$/.test(values.mode))
    throw new TypeError(`Cannot use --mode: expected three digits, got "${values.mode}"`);
  const target = listenTargetFor(listen);
  return {
    name: "server",
    address: listen,
    target: target.path === undefined ? target : { ...target, mode: Number.parseInt(values.mode, 8) },
    url: url === undefined ? undefined : new URL(url),
    requests: requests === undefined ? Number.POSITIVE_INFINITY : readNumber("--requests", requests),
    json,
    verbose,
  };
}

function readParam(text: string): NameValuePair {
  const equals = text.indexOf("=");
  if (equals < 1) throw new TypeError(`Cannot use --param: expected NAME=VALUE, got "${text}"`);
  return [utf8ToByteString(text.slice(0, equals)), utf8ToByteString(text.slice(equals + 1))];
}

function readNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new TypeError(`Cannot use ${option}: expected a number above 0, got "${text}"`);
  return Number(text);
}
