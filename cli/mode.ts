import { UsageError } from "./frame/command.ts";

/** @throws {UsageError} If it is not the permissions of a file, such as 660. */
export function readMode(option: string, text: string): number {
  if (!/^[0-7]{3}$/.test(text)) throw new UsageError(`Cannot use ${option}: expected three digits, got "${text}"`);
  return Number.parseInt(text, 8);
}
