// Prints to the console if a program gives no callback: one line for each error and each message. The line has no
// characters that a terminal or a log takes for more than text, and a bounded length, whatever a peer sends.

import { byteStringToUtf8, FastCgiError, type FastCgiRequest } from "../../src/toolkit.ts";

/** The most characters of a message of FCGI_STDERR, as in a line of Apache's error log. */
const MAX_MESSAGE = 8192;
/** The most characters of an error, with its causes. */
const MAX_REASON = 2048;
/** The most characters of a URL. */
const MAX_URL = 512;
/** The most characters of a method. */
const MAX_METHOD = 32;
/** The most causes of an error, one of the other. */
const MAX_CAUSES = 4;
/** The most calls of a stack, and characters of each. */
const MAX_FRAMES = 10;
const MAX_FRAME = 256;

/**
 * Control characters, C0 and C1 (0x80 to 0x9f), separators of lines, characters that are invisible or change the
 * direction of text, and halves of characters.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Characters with an escape of their own. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

/** Prints an error of a server: one line with its request, if there is one, and the reason. */
export function printError(error: unknown, request?: FastCgiRequest): void {
  console.error(faultText(error, request));
}

/** Prints text that a handler wrote to its `stderr`. */
export function printStderr(message: string): void {
  printMessage("", message);
}

/** Prints text that an application wrote to FCGI_STDERR. */
export function printApplicationStderr(message: string, { method, url }: Request): void {
  printMessage(`${printable(method, MAX_METHOD)} ${printable(url, MAX_URL)}: `, message);
}

function printMessage(about: string, message: string): void {
  // Line ends after the message are not part of it.
  const text = message.trimEnd();
  if (text !== "") console.error(about + printable(text, MAX_MESSAGE));
}

/** Text for one line: without control characters, and cut after `limit` characters. */
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

/** The text for an error. The stack follows if the application threw the error, because it shows where to look. */
export function faultText(error: unknown, request?: FastCgiRequest): string {
  const about = request === undefined ? "" : `${requestText(request)}: `;
  try {
    const line = about + printable(reasonOf(error, MAX_CAUSES), MAX_REASON);
    const isOwn = request !== undefined && isError(error) && !(error instanceof FastCgiError);
    return isOwn ? [line, ...framesOf(error)].join("\n") : line;
  } catch {
    // A getter of the program's throws, or a proxy was revoked.
    return `${about}an error that can't be read`;
  }
}

/** The method and the URL of a request, as its variables have them, because they may be the reason of the error. */
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

/** The message of an error, and of its cause if that says more. */
function reasonOf(error: unknown, causes: number): string {
  if (!isError(error)) return textOf(error);
  const { name, message, limit, cause, errors } = error;
  const said = message === "" && Array.isArray(errors) ? errors.map((each) => reasonOf(each, 0)).join("; ") : message;
  const kind = error instanceof FastCgiError ? "" : `${textOf(name)}${said === "" ? "" : ": "}`;
  const option = limit === undefined || said.includes(limit) ? "" : ` (${textOf(limit)})`;
  const isKnown = cause === undefined || causes === 0 || (isError(cause) && said.includes(cause.message));
  return kind + said + option + (isKnown ? "" : `: ${reasonOf(cause, causes - 1)}`);
}

/** An error of any realm, with the further members of some errors. */
type ErrorLike = Error & Partial<Pick<FastCgiError, "limit">> & Partial<Pick<AggregateError, "errors">>;

function isError(value: unknown): value is ErrorLike {
  return typeof value === "object" && value !== null && "message" in value && typeof value.message === "string";
}

/** The text of a thrown value, which may be of any type. */
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
