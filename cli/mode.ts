import type { ListenTarget } from "../adapters/system/listen.ts";
import { UsageError } from "./frame/command.ts";

/** The options that only a Unix socket has which the command makes itself. */
const SOCKET_FILE_OPTIONS = ["mode", "take-over"] as const;

/**
 * @param listen The address that the target was read from, for the message.
 * @throws {UsageError} If one of the options is given that have no effect on this target.
 */
export function checkSocketFileOptions(given: ReadonlySet<string>, { path }: ListenTarget, listen?: string): void {
  const name = path === undefined ? SOCKET_FILE_OPTIONS.find((one) => given.has(one)) : undefined;
  if (name === undefined) return;
  const got = listen === undefined ? "none" : `"${listen}"`;
  throw new UsageError(`Cannot use --${name}: expected --listen unix:/path beside it, got ${got}`);
}

/** @throws {UsageError} If it is not the permissions of a file, such as 660. */
export function readMode(option: string, text: string): number {
  if (!/^[0-7]{3}$/.test(text))
    throw new UsageError(`Cannot use ${option}: expected three digits from 0 to 7, got "${text}"`);
  return Number.parseInt(text, 8);
}
