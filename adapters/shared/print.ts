// What goes to the console where a program gives no callback: one line for each fault and each message, with nothing in it that a
// terminal or a log takes for more than text, and not longer than it may be, whatever a peer sends.

import { byteStringToUtf8, FastCgiError, type FastCgiRequest } from "../../src/toolkit.ts";

/** Characters of a message of FCGI_STDERR, as a line in Apache's error log has. */
const MAX_MESSAGE = 8192;
/** Characters of what is wrong, with its causes. */
const MAX_REASON = 2048;
/** Characters of a URL. */
const MAX_URL = 512;
/** Characters of a method. */
const MAX_METHOD = 32;
/** Errors that are the cause of each other. */
const MAX_CAUSES = 4;
/** Calls of a stack, and characters of each. */
const MAX_FRAMES = 10;
const MAX_FRAME = 256;

/** Control characters, C0 and C1 (0x80 to 0x9f), separators of lines, what turns the direction of text or is not to be seen, and halves of characters. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Those with an escape of their own. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

/** Prints a fault of a server: a line with the request, where there is one, and what is wrong. */
export function printError(error: unknown, request?: FastCgiRequest): void {
  console.error(faultText(error, request));
}

/** Prints what a handler has written to its `stderr`. */
export function printStderr(message: string): void {
  printMessage("", message);
}

/** Prints what an application has written to FCGI_STDERR. */
export function printApplicationStderr(message: string, { method, url }: Request): void {
  printMessage(`${printable(method, MAX_METHOD)} ${printable(url, MAX_URL)}: `, message);
}

function printMessage(about: string, message: string): void {
  // The end of a message is no part of it.
  const text = message.trimEnd();
  if (text !== "") console.error(about + printable(text, MAX_MESSAGE));
}

/** Text as it may be printed in a line: without control characters, and cut where it has more than `limit` characters. */
export function printable(text: string, limit: number): string {
  const escaped = text.slice(0, limit).replace(UNPRINTABLE, escapeCharacter);
  if (text.length <= limit && escaped.length <= limit) return escaped;
  return `${escaped.slice(0, limit).replace(/[\ud800-\udbff]$/, "")} ... (${text.length} characters)`;
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0)!;
  const named = ESCAPES.get(character);
  if (named !== undefined) return named;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** What is printed of a fault. The stack of an error of the application's own follows, as it says where to look. */
export function faultText(error: unknown, request?: FastCgiRequest): string {
  const about = request === undefined ? "" : `${requestText(request)}: `;
  const line = about + printable(reasonOf(error, MAX_CAUSES), MAX_REASON);
  const isOwn = request !== undefined && isError(error) && !(error instanceof FastCgiError);
  return isOwn ? [line, ...framesOf(error)].join("\n") : line;
}

/** The method and the URL of a request, as its variables have them: they may be why it was refused. */
function requestText({ params, requestId }: FastCgiRequest): string {
  const textOfParam = (name: string): string => byteStringToUtf8(params.get(name) ?? "");
  const method = textOfParam("REQUEST_METHOD");
  if (method === "") return `Request ${requestId}`;
  const uri = textOfParam("REQUEST_URI") || textOfParam("SCRIPT_NAME") + textOfParam("PATH_INFO");
  const isHttps = !/^(?:|off|0)$/i.test(textOfParam("HTTPS")) || textOfParam("REQUEST_SCHEME") === "https";
  const host = textOfParam("HTTP_HOST") || textOfParam("SERVER_NAME");
  const url = uri.startsWith("/") ? `${isHttps ? "https" : "http"}://${host}${uri}` : uri;
  return `${printable(method, MAX_METHOD)} ${printable(url, MAX_URL)}`;
}

/** What an error says, and what it says of its cause where that is more. */
function reasonOf(error: unknown, causes: number): string {
  if (!isError(error)) return textOf(error);
  const { name, message, limit, cause, errors } = error;
  const said = message === "" && Array.isArray(errors) ? errors.map((each) => reasonOf(each, 0)).join("; ") : message;
  const kind = error instanceof FastCgiError ? "" : `${textOf(name)}${said === "" ? "" : ": "}`;
  const option = limit === undefined || said.includes(limit) ? "" : ` (${textOf(limit)})`;
  const isKnown = cause === undefined || causes === 0 || (isError(cause) && said.includes(cause.message));
  return kind + said + option + (isKnown ? "" : `: ${reasonOf(cause, causes - 1)}`);
}

/** An error of any realm, with what some have besides. */
type ErrorLike = Error & Partial<Pick<FastCgiError, "limit">> & Partial<Pick<AggregateError, "errors">>;

function isError(value: unknown): value is ErrorLike {
  return typeof value === "object" && value !== null && "message" in value && typeof value.message === "string";
}

/** Anything can be thrown. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "a value without text";
  }
}

/** The calls of a stack, which begins with the message on most runtimes. */
function framesOf({ name, message, stack }: Error): string[] {
  if (typeof stack !== "string") return [];
  const head = `${name}: ${message}`;
  const calls = stack.startsWith(head) ? stack.slice(head.length) : stack;
  const frames = calls.split("\n").filter((line) => /^\s+at /.test(line));
  return frames.slice(0, MAX_FRAMES).map((line) => `    ${printable(line.trim(), MAX_FRAME)}`);
}
