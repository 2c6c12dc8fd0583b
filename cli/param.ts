import { type NameValuePair, utf8ToByteString } from "../src/toolkit.ts";
import { UsageError } from "./frame/command.ts";

/** @throws {UsageError} If it is not NAME=VALUE. */
export function readParam(option: string, text: string): NameValuePair {
  const equals = text.indexOf("=");
  if (equals < 1) throw new UsageError(`Cannot use ${option}: expected NAME=VALUE, got "${text}"`);
  return [utf8ToByteString(text.slice(0, equals)), utf8ToByteString(text.slice(equals + 1))];
}
